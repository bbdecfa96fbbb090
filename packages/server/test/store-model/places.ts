import { expect } from "vitest";

/** Where the entries of the model lie in the store: of its own numbers nothing but their order is promised. */
export class Places {
  readonly #real = new Map<number, number>();

  /** Entries of one mailbox, in the model and in the store, each oldest first. */
  learn(model: number[], real: number[]): void {
    expect(real).toEqual([...new Set(real)].toSorted((one, other) => one - other));
    for (const [at, seq] of real.entries()) {
      const own = model[at] ?? 0;
      expect(this.#real.get(own) ?? seq).toBe(seq);
      this.#real.set(own, seq);
    }
  }

  /** 0 of 0. */
  of(seq: number): number {
    return seq === 0 ? 0 : (this.#real.get(seq) ?? NaN);
  }

  /** An answer of the model as the store gives it. */
  answer<T extends object>(wanted: T): T {
    return "highWater" in wanted ? { ...wanted, highWater: this.of(Number(wanted.highWater)) } : wanted;
  }

  get highest(): number {
    return Math.max(0, ...this.#real.values());
  }
}
