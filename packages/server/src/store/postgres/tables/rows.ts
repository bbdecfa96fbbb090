import { Missing } from "../../decisions/work.ts";

/** Rows of one kind as a batch has read them under its locks, and as it makes them: what was not read is {@link Missing}. */
export class Rows<K extends string | number, R> {
  readonly #look: string;
  readonly #read = new Map<K, R | undefined>();
  readonly #made = new Map<K, R | undefined>();

  /** @param look Names what has to be read if a row is missing. */
  constructor(look: string) {
    this.#look = look;
  }

  /** @throws Missing */
  get(key: K): R | undefined {
    if (this.#made.has(key)) return this.#made.get(key);
    if (!this.#read.has(key)) throw new Missing(this.#look, String(key));
    return this.#read.get(key);
  }

  isKnown(key: K): boolean {
    return this.#made.has(key) || this.#read.has(key);
  }

  /** What was read; undefined: there is none. */
  learn(key: K, row: R | undefined): void {
    this.#read.set(key, row);
  }

  /** What was read, whatever was made of it. */
  before(key: K): R | undefined {
    return this.#read.get(key);
  }

  put(key: K, row: R): void {
    this.#made.set(key, row);
  }

  remove(key: K): void {
    this.#made.set(key, undefined);
  }

  /** What was made, by keys; undefined: it was removed. */
  get made(): ReadonlyMap<K, R | undefined> {
    return this.#made;
  }

  /** What becomes of the table: those that are new, those that change, as they were and will be, and those that are removed, as they were. */
  get written(): { added: R[]; changed: [before: R, after: R][]; removed: R[] } {
    const added: R[] = [];
    const changed: [R, R][] = [];
    const removed: R[] = [];
    for (const [key, row] of this.#made) {
      const before = this.#read.get(key);
      if (row === undefined) {
        if (before !== undefined) removed.push(before);
      } else if (before === undefined) added.push(row);
      else changed.push([before, row]);
    }
    return { added, changed, removed };
  }

  /** Those that were made, and not removed. */
  get kept(): R[] {
    return [...this.#made.values()].filter((row) => row !== undefined);
  }

  /** The batch is decided anew, upon what was read. */
  undo(): void {
    this.#made.clear();
  }
}
