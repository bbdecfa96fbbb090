const CAPACITY = 20_000;

/** A cache that forgets everything when it is full: what it holds can be read again from the database. */
export class BoundedMap<K, V> extends Map<K, V> {
  readonly #weigh: (value: V) => number;
  #weight = 0;

  /** @param weigh How many entries one stands for, that may be larger than others. It does not change while it is kept. */
  constructor(weigh: (value: V) => number = () => 1) {
    super();
    this.#weigh = weigh;
  }

  override set(key: K, value: V): this {
    this.delete(key);
    const weight = this.#weigh(value);
    if (this.#weight + weight > CAPACITY) this.clear();
    this.#weight += weight;
    return super.set(key, value);
  }

  override delete(key: K): boolean {
    const value = this.get(key);
    const isGone = super.delete(key);
    if (isGone) this.#weight -= this.#weigh(value as V);
    return isGone;
  }

  override clear(): void {
    this.#weight = 0;
    super.clear();
  }
}
