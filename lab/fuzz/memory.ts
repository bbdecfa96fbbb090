import { median } from "../shared/percentiles.ts";
import { Violation } from "./violation.ts";

const SAMPLE_MS = 200;
const MIB = 2 ** 20;
/** Growth of the last quarter over the third that still counts as none. */
const FACTOR = 1.1;
const MORE = 20 * MIB;

/** Resident bytes of a process, by quarters of a run. */
export class Memory implements Disposable {
  readonly #samples: number[][] = [[], [], [], []];
  readonly #timer: NodeJS.Timeout;

  constructor(bytes: () => number | undefined, progress: () => number) {
    this.#timer = setInterval(() => {
      const now = bytes();
      if (now !== undefined) this.#samples[Math.min(3, Math.floor(progress() * 4))]?.push(now);
    }, SAMPLE_MS);
  }

  /** Median MiB of each quarter. */
  get quarters(): number[] {
    return this.#samples.map((samples) => Math.round(median(samples) / MIB));
  }

  /** @throws Violation if it still grows */
  check(): void {
    const [third, last] = this.#samples.slice(2).map(median) as [number, number];
    if (last > third * FACTOR + MORE)
      throw new Violation(`the relay's memory grows: ${this.quarters.join(", ")} MiB by quarters`);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
