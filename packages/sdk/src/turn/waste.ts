/**
 * What one contact may make us compute in vain: at once, and what is forgiven in each millisecond. Milliseconds of an
 * ordinary core, by what the work is known to cost: measured, they would say more of what else this machine does.
 */
const AT_ONCE = 300;
const FORGIVEN = 0.01;
/** The same of all of them together. Beyond it those are refused who have had a good part of their own. */
const OF_ALL_AT_ONCE = 1_000;
const OF_ALL_FORGIVEN = 0.05;
const GOOD_PART = 0.1;
/** Ciphertexts that did not decrypt, by their digest: the same one costs no second attempt. */
const REMEMBERED = 1_000;
/** Contacts after which those are forgotten to whom everything is forgiven; after that, when there are twice as many as were left. */
const CROWD = 1_000;

interface Level {
  work: number;
  at: number;
}

/**
 * The work that was spent on what led to nothing: messages that do not decrypt, Welcomes and commits without need, receipts
 * for what was never sent. Whoever has caused too much of it is not read for a while: what comes from it meanwhile is
 * reported as not readable, without being tried, so that an honest sender sends it again. Times are by `performance.now()`.
 */
export class Waste {
  readonly #by = new Map<string, Level>();
  #crowd = CROWD;
  readonly #all: Level = { work: 0, at: 0 };
  readonly #failed = new Set<string>();

  add(contact: string, work: number, now: number): void {
    if (this.#by.size > this.#crowd) {
      for (const [name, level] of this.#by) if (left(level, FORGIVEN, now) === 0) this.#by.delete(name);
      this.#crowd = Math.max(CROWD, 2 * this.#by.size);
    }
    const level = this.#by.get(contact) ?? { work: 0, at: now };
    this.#by.set(contact, level);
    raise(level, FORGIVEN, work, now);
    raise(this.#all, OF_ALL_FORGIVEN, work, now);
  }

  /** Whether a contact has wasted so much that it is not read now. */
  isSpent(contact: string, now: number): boolean {
    const level = this.#by.get(contact);
    if (level === undefined) return false;
    const own = left(level, FORGIVEN, now);
    const most = left(this.#all, OF_ALL_FORGIVEN, now) < OF_ALL_AT_ONCE ? AT_ONCE : GOOD_PART * AT_ONCE;
    return own >= most;
  }

  /** Whether all that a contact has wasted is forgiven. */
  owesNothing(contact: string, now: number): boolean {
    const level = this.#by.get(contact);
    return level === undefined || left(level, FORGIVEN, now) === 0;
  }

  /** Whether any ciphertext is remembered, so that it is worth while to make a digest of the next. */
  get remembers(): boolean {
    return this.#failed.size > 0;
  }

  hasFailed(digest: string): boolean {
    return this.#failed.has(digest);
  }

  /** Remembers a ciphertext that did not decrypt, and never will: ratchets only go on. */
  remember(digest: string): void {
    const [oldest] = this.#failed;
    if (this.#failed.size >= REMEMBERED && oldest !== undefined) this.#failed.delete(oldest);
    this.#failed.add(digest);
  }
}

function left({ work, at }: Level, forgiven: number, now: number): number {
  return Math.max(0, work - (now - at) * forgiven);
}

function raise(level: Level, forgiven: number, work: number, now: number): void {
  level.work = left(level, forgiven, now) + work;
  level.at = now;
}
