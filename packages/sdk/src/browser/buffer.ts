import { changesWithin, copy, widened, withChanges } from "../store/layer.ts";
import type { Range, ReadTransaction, Value, WriteTransaction } from "../store/store.ts";

/** What a transaction has written, over records that can only be read by and by, and that it has not reached yet. */
export class Buffer implements WriteTransaction {
  readonly #below: ReadTransaction;
  readonly #changes = new Map<string, Value | undefined>();

  constructor(below: ReadTransaction) {
    this.#below = below;
  }

  /** By keys; a record that was deleted has no value. */
  get changes(): ReadonlyMap<string, Value | undefined> {
    return this.#changes;
  }

  async get(key: string): Promise<Value | undefined> {
    const value = this.#changes.get(key);
    if (value !== undefined) return copy(value);
    return this.#changes.has(key) ? undefined : this.#below.get(key);
  }

  async list(range: Range): Promise<[string, Value][]> {
    const own = changesWithin(this.#changes, range);
    if (own.length === 0) return this.#below.list(range);
    const below = await this.#below.list(widened(range, own.length));
    return withChanges(below, own, range).map(([key, value]) => [key, copy(value)]);
  }

  async put(key: string, value: Value): Promise<void> {
    this.#changes.set(key, copy(value));
  }

  async delete(key: string): Promise<void> {
    this.#changes.set(key, undefined);
  }

  /** Takes over what a transaction above this one has changed. */
  take(above: Buffer): void {
    for (const [key, value] of above.changes) this.#changes.set(key, value);
  }
}
