import type { Hindrance, StoreLimits } from "./store.ts";

/** What a relay tells the store that it opens. */
export interface StoreOptions {
  limits: StoreLimits;
  /** Unix milliseconds. Default: the system's clock. */
  clock?: () => number;
  /** Told of each commit's duration in milliseconds. */
  onCommit?: (milliseconds: number) => void;
  /** The database was restored from a backup: its logs get a new id, since clients may know entries that it does not. */
  restored?: boolean;
  /** Told of what keeps new mail from being stored when it is noticed, and with undefined when it is over. */
  onHindrance?: (hindrance: Hindrance | undefined) => void;
  /** Of a store that several relays share: this relay may write nothing any more, since the others take it for dead. */
  onFenced?: (why: string) => void;
  /** The same: what was acknowledged may be lost, and logs have a new id. Nobody must go on from a place that it remembers. */
  onNewLog?: (why: string) => void;
}
