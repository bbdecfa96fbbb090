import { setImmediate as nextTurn, setTimeout as delay } from "node:timers/promises";

/** Of files together, while mail flows: what is left of two cores and a disk is mail's. Bytes a millisecond. */
const BESIDE_MAIL = 100_000;
/** Mail flows for so long after a message was stored. Milliseconds. */
const FLOWS_MS = 10;
/** Timers are coarser than this: less is not waited for. Milliseconds. */
const LEAST_WAIT_MS = 1;
/** What was not taken is not kept for later beyond this. Milliseconds. */
const MOST_SAVED_MS = 5;

/** Files give way to mail: as fast as they come where there is none, and at a bounded rate beside it. */
export class Pace {
  #mailAt = -Infinity;
  /** When what was let through so far would be through at that rate. */
  #through = 0;

  /** Mail was stored. */
  mail(): void {
    this.#mailAt = performance.now();
  }

  /** Resolves when more may follow so many bytes, and others were let in between. */
  async passed(bytes: number): Promise<void> {
    const now = performance.now();
    this.#through = Math.max(this.#through, now - MOST_SAVED_MS) + bytes / BESIDE_MAIL;
    if (now - this.#mailAt > FLOWS_MS) {
      this.#through = now;
      return nextTurn();
    }
    const wait = this.#through - now;
    await (wait < LEAST_WAIT_MS ? nextTurn() : delay(wait));
  }
}
