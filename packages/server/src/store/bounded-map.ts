/** A cache that forgets everything when it is full: what it holds can be read again from the database. */
export class BoundedMap<K, V> extends Map<K, V> {
  static readonly #CAPACITY = 20_000;
  readonly #weigh: (value: V) => number;
  #weight = 0;

  /** @param weigh How many places a value takes. Default: one. */
  constructor(weigh: (value: V) => number = () => 1) {
    super();
    this.#weigh = weigh;
  }

  override set(key: K, value: V): this {
    this.delete(key);
    const weight = this.#weigh(value);
    if (this.#weight + weight > BoundedMap.#CAPACITY) this.clear();
    this.#weight += weight;
    return super.set(key, value);
  }

  override delete(key: K): boolean {
    const value = this.get(key);
    if (!super.delete(key)) return false;
    this.#weight -= this.#weigh(value as V);
    return true;
  }

  override clear(): void {
    super.clear();
    this.#weight = 0;
  }
}
