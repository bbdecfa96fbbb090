import type { Connection, Pushed } from "../wire/connection.ts";

/** Frames that are processed in one transaction, at most. */
const BATCH = 256;

/** Frames that the relay has pushed on one connection, and turns have not processed yet. */
export class Arrivals {
  /** Highest `seq` that was pushed. */
  pushedUpTo = 0;
  readonly #connection: Connection;
  readonly #kept: Pushed[] = [];

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  get waiting(): number {
    return this.#kept.length + this.#connection.pushed;
  }

  /**
   * The next of them. On one connection `seq` rises. [P-5.2] What comes behind an entry that does not is left alone: the
   * next connection brings it, and tells whether we were lied to.
   */
  take(): { batch: Pushed[]; disorder: boolean } {
    if (this.#kept.length > 0) return { batch: this.#kept.splice(0), disorder: false };
    const pushed = this.#connection.take(BATCH);
    for (const [index, { delivery }] of pushed.entries()) {
      if (delivery.seq <= this.pushedUpTo) return { batch: pushed.slice(0, index), disorder: true };
      this.pushedUpTo = delivery.seq;
    }
    return { batch: pushed, disorder: false };
  }

  /** Puts back what a turn had no time for, or what stands behind an entry on which it has failed. */
  putBack(pushed: Pushed[]): void {
    this.#kept.unshift(...pushed);
  }
}
