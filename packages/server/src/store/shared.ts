import type { Bus, Ended } from "./bus.ts";
import type { RelayStore } from "./store.ts";

/** A store that several relays share: what connects them, and what is known of its engine. */
export interface SharedStore extends RelayStore {
  readonly bus: Bus;
  /** Unix milliseconds by the engine's clock, which all relays share. */
  readonly clock: () => number;
  /** The engine was heard of just now. */
  readonly isReady: boolean;
  /** So much waits for the engine that no more is to be read from clients. */
  readonly isBehind: boolean;
  /** What has become of mailboxes that connections of this relay have: of those alone that are not theirs any more. */
  changed(mailboxes: readonly number[]): Promise<MailboxChange[]>;
}

/** A mailbox is closed, or nobody is known to listen to it. */
export interface MailboxChange {
  mailbox: number;
  username: string;
  what: Ended | "unclaimed";
}

export function isShared(store: RelayStore): store is SharedStore {
  return "bus" in store;
}
