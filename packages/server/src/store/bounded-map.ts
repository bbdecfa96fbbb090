/** A cache that forgets everything when it is full: what it holds can be read again from the database. */
export class BoundedMap<K, V> extends Map<K, V> {
  static readonly #CAPACITY = 20_000;

  override set(key: K, value: V): this {
    if (this.size >= BoundedMap.#CAPACITY && !this.has(key)) this.clear();
    return super.set(key, value);
  }
}
