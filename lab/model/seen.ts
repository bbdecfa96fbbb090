/** States that were seen, as 64 bits of each, and how each was come by: sixteen bytes for one, so that there may be millions. */
export class Seen {
  #places = new Int32Array(1 << 16).fill(-1);
  #hashes = new Uint32Array(1 << 16);
  #parents = new Int32Array(1 << 15);
  #moves = new Uint16Array(1 << 15);
  size = 0;

  /** @returns its number, or undefined if it was seen before */
  add(text: string, parent: number, move: number): number | undefined {
    const [high, low] = hash(text);
    const mask = this.#places.length - 1;
    let slot = low & mask;
    for (; ; slot = (slot + 1) & mask) {
      const id = this.#places[slot]!;
      if (id < 0) break;
      if (this.#hashes[2 * id] === high && this.#hashes[2 * id + 1] === low) return undefined;
    }
    const id = this.size++;
    this.#places[slot] = id;
    this.#hashes[2 * id] = high;
    this.#hashes[2 * id + 1] = low;
    this.#parents[id] = parent;
    this.#moves[id] = move;
    if (this.size >= this.#parents.length) this.#grow();
    return id;
  }

  /** By which moves one was come by, from the first on. */
  pathTo(id: number): number[] {
    const path: number[] = [];
    for (let at = id; this.#parents[at]! >= 0; at = this.#parents[at]!) path.push(this.#moves[at]!);
    return path.reverse();
  }

  #grow(): void {
    const length = 2 * this.#parents.length;
    this.#parents = longer(this.#parents, new Int32Array(length));
    this.#moves = longer(this.#moves, new Uint16Array(length));
    this.#hashes = longer(this.#hashes, new Uint32Array(2 * length));
    this.#places = new Int32Array(2 * length).fill(-1);
    const mask = this.#places.length - 1;
    for (let id = 0; id < this.size; id++) {
      let slot = this.#hashes[2 * id + 1]! & mask;
      while (this.#places[slot]! >= 0) slot = (slot + 1) & mask;
      this.#places[slot] = id;
    }
  }
}

function longer<T extends Int32Array | Uint16Array | Uint32Array>(from: T, to: T): T {
  to.set(from);
  return to;
}

/** Two hashes of 32 bits (cyrb53's halves). */
function hash(text: string): [high: number, low: number] {
  let [high, low] = [0xdeadbeef, 0x41c6ce57];
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    high = Math.imul(high ^ code, 2654435761);
    low = Math.imul(low ^ code, 1597334677);
  }
  high = Math.imul(high ^ (high >>> 16), 2246822507) ^ Math.imul(low ^ (low >>> 13), 3266489909);
  low = Math.imul(low ^ (low >>> 16), 2246822507) ^ Math.imul(high ^ (high >>> 13), 3266489909);
  return [high >>> 0, low >>> 0];
}
