/** A look at the engine's clock, and when it was asked and answered by `performance.now()`: milliseconds. */
export interface Look {
  asked: number;
  answered: number;
  /** Unix milliseconds of the engine. */
  engine: number;
}

interface Offset {
  /** Of the engine's clock beyond ours. */
  by: number;
  /** Off by so much at most: half of the round trip. */
  error: number;
}

const REMEMBERED = 10;
/** What two clocks may drift apart while they are compared ten times: milliseconds. */
const DRIFT_MS = 10;

/**
 * The time by the engine's clock, which all relays share, from looks at it: the best of the last ten counts. In between it goes on with this
 * process's monotonic clock, so that the machine's own time does not matter.
 */
export class EngineClock {
  #offsets: Offset[] = [];
  #best: Offset | undefined;

  look({ asked, answered, engine }: Look): void {
    const newest = { by: engine - (asked + answered) / 2, error: (answered - asked) / 2 };
    // What cannot be true at the same time was true before one of the clocks was set, or stood still.
    const agreeing = this.#offsets.filter(
      ({ by, error }) => Math.abs(by - newest.by) <= error + newest.error + DRIFT_MS,
    );
    this.#offsets = [...agreeing, newest].slice(-REMEMBERED);
    this.#best = this.#offsets.reduce((best, each) => (each.error <= best.error ? each : best));
  }

  /** Unix milliseconds, whole; by this machine's clock as long as the engine's was not seen. */
  now(): number {
    return Math.round(this.#best === undefined ? Date.now() : performance.now() + this.#best.by);
  }

  /** How far {@link now} may be from the engine's clock: milliseconds. Infinity: it was not seen. */
  get error(): number {
    return this.#best?.error ?? Infinity;
  }
}
