import { randomInt } from "node:crypto";

/** Chances of a run, the same for the same seed as far as the run itself is the same (mulberry32). */
export class Dice {
  readonly seed: number;
  #state: number;

  constructor(seed = Number(process.env["SEED"] ?? randomInt(2 ** 31))) {
    this.seed = this.#state = seed;
  }

  /** From 0 to 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  /** From 0 to below a number. */
  below(end: number): number {
    return Math.floor(this.next() * end);
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  of<T>(all: readonly T[]): T {
    if (all.length === 0) throw new Error("there is nothing to choose from");
    return all[this.below(all.length)] as T;
  }
}
