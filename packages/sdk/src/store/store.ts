/// <reference lib="esnext.disposable" preserve="true" />
/**
 * What an agent keeps, behind a small port: ordered records in transactions. Everything above it (what the records mean,
 * which belong together) is the client's; everything below (files, locks) is the store's. One acceptance suite,
 * exported from `@aimessage/sdk/testing`, tells whether an implementation is one.
 */

/** A record's content: JSON or other text, or bytes. */
export type Value = string | Uint8Array;

/** Which records, in the order of their keys (by UTF-16 code unit; keys are ASCII). */
export interface Range {
  prefix: string;
  /** Only keys behind this one. */
  after?: string | undefined;
  limit?: number | undefined;
  /** From the last key to the first. */
  reverse?: boolean | undefined;
}

export interface ReadTransaction {
  get(key: string): Promise<Value | undefined>;
  list(range: Range): Promise<[key: string, value: Value][]>;
}

export interface WriteTransaction extends ReadTransaction {
  put(key: string, value: Value): Promise<void>;
  /** Deleting what is not there is no error. */
  delete(key: string): Promise<void>;
}

/** The right to talk to the relay and to touch the ratchets of one agent. Freed by `release`, or when the process dies. */
export interface LinkLock {
  release(): Promise<void>;
}

/** Who holds the link, as far as the store can tell. */
export interface LinkHolder {
  pid: number;
  role: string;
  /** Stopped by a signal (Ctrl-Z), so it does nothing and frees nothing. */
  stopped: boolean;
}

export interface WriteOptions {
  last?: boolean;
  untold?: () => void;
}

export interface ClientStore extends AsyncDisposable {
  /** Runs `work` on one consistent state. */
  read<T>(work: (tx: ReadTransaction) => Promise<T>): Promise<T>;
  /**
   * Runs `work` alone, and resolves when what it wrote is durable. If it throws, nothing of it is written. Only
   * cryptography is awaited inside: whatever else waits would hold every other process up.
   *
   * Writes run in the order in which they were begun. A `last` one may run after some that were begun later, if they share
   * its commit; it sees what they wrote. `untold`, a listener of {@link onChange}, need not be called for this commit if `work` has seen all that
   * is in it.
   * @throws AgentError disk_full, store_busy (another process writes for seconds), closed
   */
  write<T>(work: (tx: WriteTransaction) => Promise<T>, options?: WriteOptions): Promise<T>;
  /**
   * Calls `listener` after each commit by anyone, this process included, and when the link becomes free. May call it
   * without need, but not for a transaction that has written nothing: the link answers each call by one.
   */
  onChange(listener: () => void): () => void;
  /** Another word than before, once anyone has committed a change: no event has to come first. Of a transaction it is what that sees. */
  version(): string;
  /** Takes the link if nobody holds it; never waits. `role` names this process to those who wait. */
  takeLink(role: string): Promise<LinkLock | undefined>;
  linkHolder(): Promise<LinkHolder | undefined>;
  /**
   * Names this process, or this view of the store, so that others can tell when it has died: messages that it has taken are given to
   * another one then, and not when its claim runs out. Undefined, or not there: the store cannot. The same each time.
   */
  mark?(): string | undefined;
  /**
   * Whether a process that has named itself so has died or closed the store; true of a mark that nobody has. Asked inside of transactions.
   * A store that has to ask somebody else first may say false for a moment, and calls the listeners of {@link onChange} when it knows more.
   */
  isGone?(mark: string): boolean;
  /**
   * Removes what deleted and overwritten records may have left in files beside the database. Never throws.
   * @returns false if somebody who reads just now held it up, or the disk did: it is to be repeated
   */
  scrub(): Promise<boolean>;
  /**
   * Finishes what was begun, and tells the listeners once more. What is asked for afterwards is refused with `closed`;
   * listeners may come and go.
   */
  close(): Promise<void>;
}
