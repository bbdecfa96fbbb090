import type { Flight } from "./flight.ts";
import { flushReceipts } from "./receipts.ts";
import type { Turn } from "./turn.ts";

/** How long what a receipt says waits for more of it. Milliseconds. */
const GATHER_MS = 5;

/**
 * When receipts leave. What handlers report leaves at once, and what follows in a moment together. What has only arrived
 * waits for that long for its handler, so that most messages cause one receipt.
 */
export class Gathering {
  /** By `performance.now()`; Infinity if nothing waits. */
  dueAt = Infinity;
  #since: number | undefined;
  #flushedAt = -Infinity;

  /** Puts what is due into the outbox; everything, if this is the `last` turn. */
  async flush(turn: Turn, flight: Flight, last: boolean): Promise<void> {
    const names: string[] = [];
    let reported = false;
    for (const [contact, receipt] of await turn.receiptsDue()) {
      // What cannot leave now gathers here, and not as one receipt after another in the outbox.
      if (flight.hasReceiptUnderWay(contact) || flight.isPaused(contact, turn.ticks) || flight.strange.has(contact))
        continue;
      names.push(contact);
      reported ||= receipt.handled.length + receipt.failed.length > 0;
    }
    this.#since = names.length === 0 ? undefined : (this.#since ?? turn.ticks);
    this.dueAt = this.#since === undefined ? Infinity : (reported ? this.#flushedAt : this.#since) + GATHER_MS;
    if (names.length === 0 || (!last && turn.ticks < this.dueAt)) return;
    this.#since = undefined;
    this.#flushedAt = turn.ticks;
    this.dueAt = Infinity;
    for (const name of names) await turn.on(`receipt/${name}`, () => flushReceipts(turn, [name]));
  }
}
