/** Reproducible randomness: the seed stands in the name of each test that uses it; `SEED=…` runs it again. */
export const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 32));

export class Random {
  #state: number;

  constructor(start: number = seed) {
    this.#state = start >>> 0;
  }

  /** An integer from 0 to `below` - 1 (mulberry32). */
  int(below: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.int(256));
  }
}
