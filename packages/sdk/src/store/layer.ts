import type { Range, Value, WriteTransaction } from "./store.ts";

/** Records that a layer can lie upon. */
export interface Base {
  find(key: string): Value | undefined;
  /** In the order that the range asks for. */
  rows(range: Range): [string, Value][];
  /** Deletes the record if there is no value. @returns whether that changed anything, as far as it can tell */
  write(key: string, value: Value | undefined): boolean;
  /** Within a transaction, once all that it changes is written. */
  settled?(): void;
  /** The transaction was undone. */
  undone?(): void;
}

/**
 * What a transaction has written, over records that it has not reached yet. A layer that is dropped was never there, and
 * a key that is written often reaches them once.
 */
export class Layer implements Base, WriteTransaction {
  readonly #base: Base;
  readonly #changes = new Map<string, Value | undefined>();

  constructor(base: Base) {
    this.#base = base;
  }

  find(key: string): Value | undefined {
    return this.#changes.has(key) ? this.#changes.get(key) : this.#base.find(key);
  }

  rows(range: Range): [string, Value][] {
    const own = [...this.#changes].filter(([key]) => isWithin(key, range));
    if (own.length === 0) return this.#base.rows(range);
    const { limit, reverse } = range;
    const rows = new Map(this.#base.rows({ ...range, limit: limit === undefined ? undefined : limit + own.length }));
    for (const [key, value] of own)
      if (value === undefined) rows.delete(key);
      else rows.set(key, value);
    const sorted = [...rows].sort(([a], [b]) => (a < b === (reverse === true) ? 1 : -1));
    return sorted.slice(0, limit ?? sorted.length);
  }

  async get(key: string): Promise<Value | undefined> {
    const value = this.find(key);
    return value === undefined ? undefined : copy(value);
  }

  async list(range: Range): Promise<[string, Value][]> {
    return this.rows(range).map(([key, value]) => [key, copy(value)]);
  }

  async put(key: string, value: Value): Promise<void> {
    this.write(key, copy(value));
  }

  async delete(key: string): Promise<void> {
    this.write(key, undefined);
  }

  write(key: string, value: Value | undefined): boolean {
    this.#changes.set(key, value);
    return true;
  }

  /** Writes all of it to what lies below. @returns whether that changed anything */
  settle(): boolean {
    let changed = false;
    for (const [key, value] of this.#changes) changed = this.#base.write(key, value) || changed;
    return changed;
  }
}

export function isWithin(key: string, { prefix, after, reverse }: Range): boolean {
  return key.startsWith(prefix) && (after === undefined || (reverse === true ? key < after : key > after));
}

/** The caller may wipe its bytes. */
function copy(value: Value): Value {
  return typeof value === "string" ? value : value.slice();
}
