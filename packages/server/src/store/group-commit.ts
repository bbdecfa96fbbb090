import type { DatabaseSync } from "node:sqlite";
import { StorageError, type Entry } from "./store.ts";

interface Waiting {
  succeed: () => void;
  fail: (error: StorageError) => void;
}

/** How long work may wait for a transaction to share. */
const LATER_MS = 5;

/** How long a transaction may stay open while each turn of the event loop adds to it. */
const MAX_OPEN_MS = 2;

/** SQLite's result codes for a disk that cannot take more (https://sqlite.org/rescode.html): READONLY, IOERR, FULL. */
const DISK_ERRORS = new Set([8, 10, 13]);

/**
 * Writes of one turn of the event loop share a transaction and its fsync; their promises settle after it. If one of them
 * or the commit fails, all of them are undone and all of them fail.
 */
export class GroupCommit {
  readonly #db: DatabaseSync;
  readonly #forget: () => void;
  readonly #onCommit: (milliseconds: number) => void;
  #waiting: Waiting[] = [];
  #stored: Entry[] = [];
  #failure: StorageError | undefined;
  #later: (() => void)[] = [];
  #laterTimer: NodeJS.Timeout | undefined;
  #listener: (entries: Entry[]) => void = () => {};

  /** @param forget Drops everything that is remembered of the database: it may never have been stored. */
  constructor(db: DatabaseSync, forget: () => void, onCommit: (milliseconds: number) => void) {
    this.#db = db;
    this.#forget = forget;
    this.#onCommit = onCommit;
  }

  watch(listener: (entries: Entry[]) => void): void {
    this.#listener = listener;
  }

  /** Runs `work` now, inside this turn's transaction; resolves with what it returned when that is on disk. */
  write<T>(work: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#open();
      let value: T | undefined;
      this.#waiting.push({ succeed: () => resolve(value as T), fail: reject });
      this.#runLater();
      this.#attempt(() => (value = work()));
    });
  }

  /** As `write`, but `later`: for what is rare and need not be fast. */
  writeSoon<T>(work: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#soon(() => {
        this.write(work).then(resolve, reject);
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
    this.#laterTimer ??= setTimeout(() => this.#catchUp(), LATER_MS);
  }

  #catchUp(): void {
    if (this.#later.length > 0) this.write(() => {}).catch(() => {});
  }

  /** Runs `work` when nothing is pending: what it sees is on disk. */
  read<T>(work: () => T): Promise<T> {
    this.#catchUp();
    return new Promise((resolve, reject) => {
      const run = (): void => {
        try {
          resolve(work());
        } catch (error) {
          reject(storageError(error));
        }
      };
      if (this.#waiting.length === 0) run();
      else this.#waiting.push({ succeed: run, fail: run });
    });
  }

  /** Runs `work` at once: what it sees may not be on disk yet. */
  glance<T>(work: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      try {
        resolve(work());
      } catch (error) {
        reject(storageError(error));
      }
    });
  }

  /** Announces an entry once this turn's transaction is on disk. */
  announce(entry: Entry): void {
    this.#stored.push(entry);
  }

  /** Does everything that waits now. */
  finish(): void {
    this.#catchUp();
    this.flush();
  }

  /** Ends the turn's transaction. */
  flush(): void {
    if (this.#waiting.length === 0) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    if (this.#failure === undefined) {
      try {
        const before = performance.now();
        this.#db.exec("COMMIT");
        this.#onCommit(performance.now() - before);
      } catch (error) {
        this.#undo(error);
      }
    }
    const failure = this.#failure;
    const stored = this.#stored;
    this.#failure = undefined;
    this.#stored = [];
    if (failure !== undefined) {
      for (const { fail } of waiting) fail(failure);
      return;
    }
    if (stored.length > 0) this.#listener(stored);
    for (const { succeed } of waiting) succeed();
  }

  #runLater(): void {
    if (this.#later.length === 0) return;
    clearTimeout(this.#laterTimer);
    this.#laterTimer = undefined;
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

  /** While each turn of the event loop brings more, one commit for all of it costs less than one for each turn. */
  #flushWhenQuiet(before: number, since: number): void {
    const now = this.#waiting.length;
    if (now === before || performance.now() - since > MAX_OPEN_MS) this.flush();
    else setImmediate(() => this.#flushWhenQuiet(now, since));
  }

  #open(): void {
    if (this.#waiting.length > 0) return;
    setImmediate(() => this.#flushWhenQuiet(0, performance.now()));
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
  }
}

function storageError(error: unknown): StorageError {
  const code = (error as { errcode?: number }).errcode;
  return new StorageError(code !== undefined && DISK_ERRORS.has(code & 0xff) ? "storage_full" : "internal", error);
}
