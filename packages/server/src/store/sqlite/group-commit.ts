import type { DatabaseSync } from "node:sqlite";
import type { Disk } from "./disk.ts";
import { StorageError, type Entry } from "../store.ts";

interface Waiting {
  succeed: () => void;
  fail: (error: StorageError) => void;
}

/** How long work may wait for a transaction to share. */
const LATER_MS = 5;

/** SQLite's result codes for a disk that cannot take more (https://sqlite.org/rescode.html): READONLY, IOERR, FULL. */
const DISK_ERRORS = new Set([8, 10, 13]);

/** Has the disk take what was committed. Node's callback: null if all is well. */
export type Sync = (done: (error: Error | null) => void) => void;

interface GroupCommitOptions {
  /** Undefined: nothing is to be kept beyond this process. */
  sync: Sync | undefined;
  /** Looked at before a transaction, and before it ends. */
  disk: Disk | undefined;
  /** Drops everything that is remembered of the database: it may never have been stored. */
  forget: () => void;
  /** Writes what was gathered during the transaction, at its end. */
  flush: () => void;
  /** Told how long a commit took, the disk's work included. */
  onCommit: (milliseconds: number) => void;
}

/**
 * Writes of one turn of the event loop share a transaction; their promises settle when the disk has it. While the disk
 * works for one transaction, what comes joins the next. If one of them or the commit fails, all of them are undone and
 * all of them fail.
 */
export class GroupCommit {
  readonly #db: DatabaseSync;
  readonly #sync: Sync | undefined;
  readonly #disk: Disk | undefined;
  readonly #forget: () => void;
  readonly #flush: () => void;
  readonly #onCommit: (milliseconds: number) => void;
  /** Something of this turn is promised to be there at the next start. */
  #promises = false;
  #waiting: Waiting[] = [];
  #stored: Entry[] = [];
  #failure: StorageError | undefined;
  /** What the disk has once failed to take may be gone although it can be read: nothing is built upon it. */
  #broken: StorageError | undefined;
  #syncing = false;
  #later: (() => void)[] = [];
  #laterTimer: NodeJS.Timeout | undefined;
  #listener: (entries: Entry[]) => void = () => {};

  constructor(db: DatabaseSync, { sync, disk, forget, flush, onCommit }: GroupCommitOptions) {
    this.#db = db;
    this.#sync = sync;
    this.#disk = disk;
    this.#forget = forget;
    this.#flush = flush;
    this.#onCommit = onCommit;
  }

  /** `listener` gets the announced entries when the disk has them, before their writes resolve. */
  watch(listener: (entries: Entry[]) => void): void {
    this.#listener = listener;
  }

  /**
   * Runs `work` now, inside this turn's transaction; resolves with what it returned when that is on disk.
   * @param promises False: it may as well be lost with this process.
   */
  write<T>(work: () => T, promises = true): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#open();
      this.#promises ||= promises;
      let value: T | undefined;
      this.#waiting.push({ succeed: () => resolve(value as T), fail: reject });
      this.#runLater();
      return this.#attempt(() => (value = work()));
    });
  }

  /** As `write`, but `later`: for what is rare and need not be fast. */
  writeSoon<T>(work: () => T, promises = false): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#soon(() => {
        this.write(work, promises).then(resolve, reject);
      });
    });
  }

  /**
   * Runs `work` inside a transaction soon: with the next write, before the next read, or after a moment, so that more
   * share it. What it did may be undone without notice: for what need not be on disk at once, and is done again.
   */
  later(work: () => void): void {
    this.#soon(() => this.#attempt(work));
  }

  #soon(start: () => void): void {
    this.#later.push(start);
    if (this.#laterTimer !== undefined) return;
    this.#laterTimer = setTimeout(() => {
      this.#laterTimer = undefined;
      this.#catchUp();
    }, LATER_MS);
  }

  #catchUp(): void {
    if (this.#later.length > 0) this.write(() => {}, false).catch(() => {});
  }

  /** Runs `work` at once, behind what was to be done later: what it sees may not be on disk yet, and may be undone. */
  read<T>(work: () => T): Promise<T> {
    this.#catchUp();
    return this.glance(work);
  }

  /** The same, but before what was to be done later: what is asked often must not keep that from sharing a transaction. */
  glance<T>(work: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#broken !== undefined) return reject(this.#broken);
      try {
        return resolve(work());
      } catch (error) {
        return reject(storageError(error));
      }
    });
  }

  /** Announces an entry once this turn's transaction is on disk. */
  announce(entry: Entry): void {
    this.#stored.push(entry);
  }

  /** Resolves when everything that waits is done. */
  finish(): Promise<void> {
    return this.write(() => {}, false).catch(() => {});
  }

  /** Ends the transaction, unless the disk is still at work for the one before. */
  #commit(): void {
    if (this.#waiting.length === 0 || this.#syncing) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    const before = performance.now();
    const promises = this.#promises;
    this.#promises = false;
    if (this.#failure === undefined) {
      try {
        if (promises && this.#disk?.holdsMail() === false) throw new StorageError("storage_lost");
        this.#flush();
        this.#db.exec("COMMIT");
      } catch (error) {
        this.#undo(error);
      }
    }
    const failure = this.#failure;
    const stored = this.#stored;
    this.#failure = this.#broken;
    this.#stored = [];
    if (failure !== undefined) {
      for (const { fail } of waiting) fail(failure);
      return;
    }
    const done = (): void => {
      this.#onCommit(performance.now() - before);
      if (stored.length > 0) this.#listener(stored);
      for (const { succeed } of waiting) succeed();
    };
    if (this.#sync === undefined) return done();
    this.#syncing = true;
    return this.#sync((error) => {
      this.#syncing = false;
      if (error === null) done();
      else {
        this.#undo(error);
        const broken = (this.#broken = storageError(error));
        for (const { fail } of waiting) fail(broken);
      }
      this.#commitSoon();
    });
  }

  /** At the end of this turn of the event loop. */
  #commitSoon(): void {
    setImmediate(() => this.#commit());
  }

  #runLater(): void {
    if (this.#later.length === 0) return;
    // The timer goes on: what comes next waits for less, so fewer share a transaction, but no timer is made for each.
    const later = this.#later;
    this.#later = [];
    for (const start of later) start();
  }

  /** After a failure nothing more is done in this turn: it would be outside of any transaction. */
  #attempt(work: () => void): void {
    if (this.#failure !== undefined) return;
    try {
      work();
    } catch (error) {
      this.#undo(error);
    }
  }

  #open(): void {
    if (this.#waiting.length > 0) return;
    this.#commitSoon();
    if (this.#broken !== undefined) return;
    this.#disk?.beforeWrite();
    try {
      this.#db.exec("BEGIN");
    } catch (error) {
      this.#undo(error);
    }
  }

  #undo(error: unknown): void {
    this.#failure = storageError(error);
    this.#stored = [];
    // After some errors SQLite has rolled back by itself (https://sqlite.org/lang_transaction.html).
    if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
    this.#forget();
    if (this.#failure.reason === "storage_full") this.#disk?.look();
  }
}

function storageError(error: unknown): StorageError {
  if (error instanceof StorageError) return error;
  const code = (error as { errcode?: number }).errcode;
  const reason = code !== undefined && DISK_ERRORS.has(code & 0xff) ? "storage_full" : "internal";
  return new StorageError(reason, error instanceof Error ? error : new Error("no error", { cause: error }));
}
