import { AgentError } from "../errors.ts";
import { type Base, isWithin, Layer } from "./layer.ts";
import type {
  ClientStore,
  LinkHolder,
  LinkLock,
  Range,
  ReadTransaction,
  Value,
  WriteOptions,
  WriteTransaction,
} from "./store.ts";

/** What several {@link MemoryStore}s share, as several processes share a folder. */
export class MemoryFolder {
  readonly records = new Map<string, Value>();
  readonly listeners = new Set<() => void>();
  changes = 0;
  holder: LinkHolder | undefined;
  tail: Promise<unknown> = Promise.resolve();

  changed(untold?: () => void): void {
    this.changes += 1;
    for (const listener of this.listeners) if (listener !== untold) listener();
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
    return work(new Layer(new MapRecords(new Map(this.#folder.records))));
  }

  async write<T>(work: (tx: WriteTransaction) => Promise<T>, { untold }: WriteOptions = {}): Promise<T> {
    this.#check();
    const result = this.#folder.tail.then(async () => {
      const tx = new Layer(new MapRecords(this.#folder.records));
      const value = await work(tx);
      if (tx.settle()) this.#folder.changed(untold);
      return value;
    });
    this.#folder.tail = result.catch(() => undefined);
    return result;
  }

  onChange(listener: () => void): () => void {
    this.#folder.listeners.add(listener);
    return () => this.#folder.listeners.delete(listener);
  }

  version(): string {
    return String(this.#folder.changes);
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

  /** Nothing is left behind in memory but what the collector has not reached. */
  async scrub(): Promise<boolean> {
    return true;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#folder.tail;
    this.#folder.changed();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #check(): void {
    if (this.#closed) throw new AgentError("closed", "the store is closed");
  }
}

class MapRecords implements Base {
  readonly #records: Map<string, Value>;

  constructor(records: Map<string, Value>) {
    this.#records = records;
  }

  find(key: string): Value | undefined {
    return this.#records.get(key);
  }

  rows(range: Range): [string, Value][] {
    const found: [string, Value][] = [];
    // No array of all records, of which most ranges hold a few.
    for (const [key, value] of this.#records) if (isWithin(key, range)) found.push([key, value]);
    found.sort(([a], [b]) => (a < b === (range.reverse === true) ? 1 : -1));
    return found.slice(0, range.limit ?? found.length);
  }

  write(key: string, value: Value | undefined): boolean {
    if (value === undefined) return this.#records.delete(key);
    this.#records.set(key, value);
    return true;
  }
}
