/** How far apart receipts of a member of a team to one sender are: however many members there are, a hundred a second reach it. [P-15.10] */

/** Milliseconds for each member between two receipts of one member, and at most. */
const EACH_MS = 10;
const MOST_MS = 10_000;
/** Teams that are no larger answer at once: so few receipts in one moment harm nobody. */
const SMALL = 10;
/** Senders that are remembered; then those go to whom a receipt may leave at any time. */
const CROWD = 1_000;

/** Our place among the members, and how many there are. */
export interface Place {
  index: number;
  members: number;
}

interface Paced {
  /** When a receipt left, and when the next one leaves, if anything is owed. */
  left: number;
  due: number | undefined;
}

/**
 * When receipts leave, by sender. Each member has a part of the time between two of its receipts for its own, within which the moment is
 * random: what all owe an answer at once is answered by one after another. Times are by `performance.now()`.
 */
export class Pace {
  readonly #senders = new Map<string, Paced>();
  readonly #random: () => number;
  #crowd = CROWD;

  constructor(random: () => number = Math.random) {
    this.#random = random;
  }

  /** When the next receipt to a sender may leave. `place` is asked for once for each. */
  async due(sender: string, now: number, place: () => Promise<Place>): Promise<number> {
    const known = this.#senders.get(sender);
    if (known?.due !== undefined) return known.due;
    const { index, members } = await place();
    const apart = Math.min(MOST_MS, EACH_MS * members);
    const wait = members <= SMALL ? 0 : Math.round((apart * (index + this.#random())) / members);
    const left = known?.left ?? -Infinity;
    const due = Math.max(left + apart, now + wait);
    this.#senders.set(sender, { left, due });
    if (this.#senders.size > this.#crowd) this.#forget(now);
    return due;
  }

  left(sender: string, now: number): void {
    this.#senders.set(sender, { left: now, due: undefined });
  }

  #forget(now: number): void {
    for (const [sender, { left, due = left }] of this.#senders) if (due + MOST_MS < now) this.#senders.delete(sender);
    this.#crowd = Math.max(CROWD, 2 * this.#senders.size);
  }
}
