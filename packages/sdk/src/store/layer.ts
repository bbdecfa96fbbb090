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
    const value = this.#changes.get(key);
    return value === undefined && !this.#changes.has(key) ? this.#base.find(key) : value;
  }

  rows(range: Range): [string, Value][] {
    const own = changesWithin(this.#changes, range);
    if (own.length === 0) return this.#base.rows(range);
    return withChanges(this.#base.rows(widened(range, own.length)), own, range);
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

/** What was changed within a range; a record that was deleted has no value. */
type Changed = [key: string, value: Value | undefined];

export function changesWithin(changes: ReadonlyMap<string, Value | undefined>, range: Range): Changed[] {
  const own: Changed[] = [];
  for (const change of changes) if (isWithin(change[0], range)) own.push(change);
  return own;
}

/** The range that has to be read below so many changes: each may be a deletion. */
export function widened(range: Range, changes: number): Range {
  return { ...range, limit: range.limit === undefined ? undefined : range.limit + changes };
}

/** Rows of the {@link widened} range, as they are with the changes. */
export function withChanges(below: [string, Value][], own: Changed[], { limit, reverse }: Range): [string, Value][] {
  const rows = new Map(below);
  for (const [key, value] of own)
    if (value === undefined) rows.delete(key);
    else rows.set(key, value);
  const sorted = [...rows].sort(([a], [b]) => (a < b === (reverse === true) ? 1 : -1));
  return sorted.slice(0, limit ?? sorted.length);
}

/** Texts of so many characters are remembered. What is longer, and bytes, which may be secret, are read once anyway. */
const REMEMBERED = 4_096;

/** Records for one transaction, in which nobody else changes them: what is asked for again and again is read once. */
export class ReadOnce implements Base {
  readonly #records: Base;
  readonly #known = new Map<string, Value | undefined>();

  constructor(records: Base) {
    this.#records = records;
  }

  find(key: string): Value | undefined {
    if (this.#known.has(key)) return this.#known.get(key);
    const value = this.#records.find(key);
    if (value === undefined || (typeof value === "string" && value.length <= REMEMBERED)) this.#known.set(key, value);
    return value;
  }

  rows(range: Range): [string, Value][] {
    return this.#records.rows(range);
  }

  write(key: string, value: Value | undefined): boolean {
    this.#known.delete(key);
    return this.#records.write(key, value);
  }
}

export function isWithin(key: string, { prefix, after, reverse }: Range): boolean {
  return key.startsWith(prefix) && (after === undefined || (reverse === true ? key < after : key > after));
}

/** The caller may wipe its bytes. */
export function copy(value: Value): Value {
  return typeof value === "string" ? value : value.slice();
}
