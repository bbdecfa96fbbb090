import { AgentError } from "../errors.ts";
import type { ClientStore, LinkHolder, LinkLock, Range, ReadTransaction, Value, WriteTransaction } from "./store.ts";

/** What several {@link MemoryStore}s share, as several processes share a folder. */
export class MemoryFolder {
  records = new Map<string, Value>();
  readonly listeners = new Set<() => void>();
  holder: LinkHolder | undefined;
  tail: Promise<unknown> = Promise.resolve();

  changed(): void {
    for (const listener of this.listeners) listener();
  }
}

/** A store that is gone with the process. For tests, and for agents that live for one conversation. */
export class MemoryStore implements ClientStore {
  readonly #folder: MemoryFolder;
  #closed = false;

  constructor(folder: MemoryFolder = new MemoryFolder()) {
    this.#folder = folder;
  }

  async read<T>(work: (tx: ReadTransaction) => Promise<T>): Promise<T> {
    this.#check();
    return work(new Transaction(new Map(this.#folder.records)));
  }

  write<T>(work: (tx: WriteTransaction) => Promise<T>): Promise<T> {
    const result = this.#folder.tail.then(async () => {
      this.#check();
      const tx = new Transaction(new Map(this.#folder.records));
      const value = await work(tx);
      if (tx.written) {
        this.#folder.records = tx.records;
        this.#folder.changed();
      }
      return value;
    });
    this.#folder.tail = result.catch(() => undefined);
    return result;
  }

  onChange(listener: () => void): () => void {
    this.#folder.listeners.add(listener);
    return () => this.#folder.listeners.delete(listener);
  }

  async takeLink(role: string): Promise<LinkLock | undefined> {
    this.#check();
    if (this.#folder.holder !== undefined) return undefined;
    const holder = { pid: 0, role, stopped: false };
    this.#folder.holder = holder;
    return {
      release: async () => {
        if (this.#folder.holder !== holder) return;
        this.#folder.holder = undefined;
        this.#folder.changed();
      },
    };
  }

  async linkHolder(): Promise<LinkHolder | undefined> {
    return this.#folder.holder;
  }

  async scrub(): Promise<void> {
    // Nothing is left behind in memory but what the collector has not reached.
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #check(): void {
    if (this.#closed) throw new AgentError("closed", "the store is closed");
  }
}

class Transaction implements WriteTransaction {
  readonly records: Map<string, Value>;
  written = false;

  constructor(records: Map<string, Value>) {
    this.records = records;
  }

  async get(key: string): Promise<Value | undefined> {
    const value = this.records.get(key);
    return value === undefined ? undefined : copy(value);
  }

  async list({ prefix, after, limit, reverse }: Range): Promise<[string, Value][]> {
    const found = [...this.records].filter(
      ([key]) => key.startsWith(prefix) && (after === undefined || (reverse === true ? key < after : key > after)),
    );
    found.sort(([a], [b]) => (a < b ? -1 : 1));
    if (reverse === true) found.reverse();
    return found.slice(0, limit ?? found.length).map(([key, value]) => [key, copy(value)]);
  }

  async put(key: string, value: Value): Promise<void> {
    this.records.set(key, copy(value));
    this.written = true;
  }

  async delete(key: string): Promise<void> {
    this.written = this.records.delete(key) || this.written;
  }
}

/** The caller may wipe its bytes. */
function copy(value: Value): Value {
  return typeof value === "string" ? value : value.slice();
}
