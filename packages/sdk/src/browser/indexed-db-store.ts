import { AgentError } from "../errors.ts";
import type {
  ClientStore,
  LinkHolder,
  LinkLock,
  ReadTransaction,
  Value,
  WriteOptions,
  WriteTransaction,
} from "../store/store.ts";
import { Bell } from "./bell.ts";
import { Buffer } from "./buffer.ts";
import { awaitLink, linkHolder, takeLink } from "./link-lock.ts";
import { Marks } from "./marks.ts";
import { openRecords, Records, writeRecords } from "./records.ts";

/** Writes that wait together share one transaction of the browser, up to so many. */
const GROUP = 64;
/** How long is waited for another tab, which may stand still. Milliseconds. */
const PATIENCE_MS = 10_000;

interface Pending extends WriteOptions {
  work: (tx: WriteTransaction) => Promise<unknown>;
  resolve: (value: unknown) => void;
  reject: (error: unknown) => void;
}

/**
 * The store of an agent in a browser: a database of the page's origin. Any number of its tabs may have it open. A Web Lock keeps all
 * others from writing while one reads or writes, since cryptography is awaited in between, and no transaction of a browser lasts as long.
 */
export class IndexedDbStore implements ClientStore {
  readonly #name: string;
  readonly #database: IDBDatabase;
  readonly #bell: Bell;
  #marks: Marks | undefined;
  /** How each is taken from the bell. */
  readonly #listeners = new Map<() => void, () => void>();
  readonly #running = new Set<Promise<unknown>>();
  readonly #ended = new AbortController();
  readonly #pending: Pending[] = [];
  #isWriting = false;
  #isAwaitingLink = false;
  #isLost = false;
  #closing: Promise<void> | undefined;

  private constructor(name: string, database: IDBDatabase) {
    this.#name = name;
    this.#database = database;
    this.#bell = Bell.of(name);
    // A page of a later version waits for all of before to let go; and the browser may close it, as when its data is cleared.
    for (const why of ["versionchange", "close"]) database.addEventListener(why, () => this.#lose());
  }

  /** Opens the store of that name, which is made if there is none. @throws AgentError store_damaged, disk_full */
  static async open(name: string): Promise<IndexedDbStore> {
    const full = `aimessage/${name}`;
    const store = new IndexedDbStore(full, await openRecords(full));
    try {
      store.#marks = await Marks.take(full, () => store.#tellHere());
    } catch (error) {
      await store.close();
      throw error;
    }
    return store;
  }

  /** Names of the stores of this origin. */
  static async list(): Promise<string[]> {
    const all = await indexedDB.databases();
    return all.flatMap(({ name = "" }) => (name.startsWith("aimessage/") ? [name.slice("aimessage/".length)] : []));
  }

  async read<T>(work: (tx: ReadTransaction) => Promise<T>): Promise<T> {
    this.#check();
    return this.#run("shared", () => work(new Records(this.#database)));
  }

  async write<T>(work: (tx: WriteTransaction) => Promise<T>, options: WriteOptions = {}): Promise<T> {
    this.#check();
    return new Promise<T>((resolve, reject) => {
      this.#pending.push({ ...options, work, resolve: resolve as (value: unknown) => void, reject });
      if (this.#isWriting) return;
      this.#isWriting = true;
      void this.#writeAll();
    });
  }

  onChange(listener: () => void): () => void {
    if (this.#closing === undefined) this.#listeners.set(listener, this.#bell.listen(listener));
    return () => {
      this.#listeners.get(listener)?.();
      this.#listeners.delete(listener);
    };
  }

  /** What another tab has committed is known a moment after that, when it tells. */
  version(): string {
    return String(this.#bell.rung);
  }

  async takeLink(role: string): Promise<LinkLock | undefined> {
    this.#check();
    // It may be freed when this store is closed.
    const bell = Bell.of(this.#name);
    const freed = (): void => {
      bell.ring();
      bell.leave();
    };
    const lock = await takeLink(this.#name, role, freed).catch((error: unknown) => {
      bell.leave();
      throw error;
    });
    if (lock !== undefined) return lock;
    bell.leave();
    this.#awaitLink();
    return undefined;
  }

  linkHolder(): Promise<LinkHolder | undefined> {
    return linkHolder(this.#name);
  }

  mark(): string | undefined {
    return this.#marks?.own;
  }

  /** That a tab was closed is known a moment after that. */
  isGone(mark: string): boolean {
    return this.#marks?.isGone(mark) === true;
  }

  /** The browser says nothing of what its files still hold. */
  async scrub(): Promise<boolean> {
    return true;
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#shut());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #shut(): Promise<void> {
    this.#ended.abort();
    while (this.#running.size > 0 || this.#isWriting) {
      await Promise.allSettled(this.#running);
      await Promise.resolve();
    }
    this.#database.close();
    this.#marks?.leave();
    for (const [listener, leave] of this.#listeners) {
      leave();
      listener();
    }
    this.#bell.leave();
  }

  #check(): void {
    if (this.#closing !== undefined) throw new AgentError("closed", "the store is closed");
    if (!this.#isLost) return;
    throw new AgentError("closed", "the browser, or a newer page, has closed this agent's store", {
      hint: "reload the page",
    });
  }

  #lose(): void {
    this.#isLost = true;
    this.#database.close();
    this.#marks?.leave();
    this.#tellHere();
  }

  #tellHere(): void {
    for (const listener of this.#listeners.keys()) listener();
  }

  async #run<T>(mode: LockMode, work: () => Promise<T>): Promise<T> {
    const patience = new AbortController();
    const late = setTimeout(() => patience.abort(), PATIENCE_MS);
    const begin = (): Promise<T> => {
      clearTimeout(late);
      return work();
    };
    const done = navigator.locks.request(this.#name, { mode, signal: patience.signal }, begin) as Promise<T>;
    this.#running.add(done);
    try {
      return await done;
    } catch (error) {
      throw error === patience.signal.reason ? busy() : error;
    } finally {
      clearTimeout(late);
      this.#running.delete(done);
    }
  }

  async #writeAll(): Promise<void> {
    // What is asked for in the same turn goes together.
    await Promise.resolve();
    while (this.#pending.length > 0) {
      const group = this.#pending.splice(0, GROUP);
      await this.#run("exclusive", () => this.#commit(group)).catch((error: unknown) => {
        for (const { reject } of group) reject(error);
      });
    }
    this.#isWriting = false;
  }

  async #commit(group: Pending[]): Promise<void> {
    const records = new Records(this.#database);
    const all = new Buffer(records);
    const done: (() => void)[] = [];
    const failed: ((error: unknown) => void)[] = [];
    for (const { work, resolve, reject } of group) {
      const own = new Buffer(all);
      try {
        const value = await work(own);
        all.take(own);
        done.push(() => resolve(value));
        failed.push(reject);
      } catch (error) {
        reject(error);
      }
    }
    const changes = await changesOf(all, records);
    if (changes.length > 0) {
      // Before: this page may be gone as soon as it is written. Whoever looks waits for the lock.
      this.#bell.tellOthers();
      try {
        await writeRecords(this.#database, changes);
      } catch (error) {
        for (const reject of failed) reject(error);
        return;
      }
      // Whoever has done all of it need not hear.
      this.#bell.ringHere(group.length === 1 ? group[0]?.untold : undefined);
    }
    for (const resolve of done) resolve();
  }

  /** Once, for as long as somebody else has it. */
  #awaitLink(): void {
    if (this.#isAwaitingLink) return;
    this.#isAwaitingLink = true;
    void awaitLink(this.#name, () => this.#tellHere(), this.#ended.signal).finally(
      () => (this.#isAwaitingLink = false),
    );
  }
}

function busy(): AgentError {
  return new AgentError("store_busy", "another tab has had this agent's store for seconds", {
    hint: "look for a tab that stands still, and close it",
  });
}

/** Without deletions of what is not there, which change nothing. */
async function changesOf(all: Buffer, records: Records): Promise<[string, Value | undefined][]> {
  const changes: [string, Value | undefined][] = [];
  for (const [key, value] of all.changes)
    if (value !== undefined || (await records.get(key)) !== undefined) changes.push([key, value]);
  return changes;
}
