import type { Planned } from "./plan.ts";

/** What led to a violation: so many of the last things that happened. */
const REMEMBERED = 8;
/** More of the same says no more. */
const MOST_VIOLATIONS = 50;
/** A sender that gets nothing on its way for so long has lost its patience: milliseconds. */
const PATIENCE_MS = 60_000;

/** What a run has seen, and what of it must not be. */
export class Ledger {
  readonly violations: string[] = [];
  readonly hits = new Map<Planned["fault"], number>();
  readonly counts = {
    acknowledged: 0,
    "acknowledged without an id": 0,
    arrived: 0,
    "attempts repeated": 0,
    "outcomes that nobody can know": 0,
    "commits won": 0,
    "commits lost": 0,
    logins: 0,
    "connections left half-open": 0,
    "taken over": 0,
    "acknowledgements answered": 0,
    "looks at the totals": 0,
    "relays fenced": 0,
    "relays started": 0,
    "transactions in doubt": 0,
  };
  longestPauseMs = 0;
  /** Who made the longest pause, and when. */
  longestPause = "";
  readonly #begun = performance.now();
  #recent: string[] = [];
  /** Pauses count from this moment on, by `performance.now()`. */
  #pausesFrom = this.#begun;
  readonly #onNote: (text: string) => void;

  constructor(onNote: (text: string) => void) {
    this.#onNote = onNote;
  }

  get seconds(): number {
    return (performance.now() - this.#begun) / 1000;
  }

  count(what: keyof Ledger["counts"], by = 1): void {
    this.counts[what] += by;
  }

  hit(fault: Planned["fault"]): void {
    this.hits.set(fault, (this.hits.get(fault) ?? 0) + 1);
  }

  /** Something has happened by which others may be explained. */
  note(text: string): void {
    const line = `${this.seconds.toFixed(1)} s: ${text}`;
    this.#recent = [...this.#recent, line].slice(-REMEMBERED);
    this.#onNote(line);
  }

  violation(text: string): void {
    if (this.violations.length >= MOST_VIOLATIONS) return;
    this.violations.push(`${text}\n    at ${this.seconds.toFixed(1)} s, after ${this.#recent.join("; ")}`);
    this.#onNote(`VIOLATION ${text}`);
  }

  /** Resolves with the work: pauses that are made by it are not counted, since it is no fault. */
  async aside(work: Promise<void>): Promise<void> {
    this.#pausesFrom = Infinity;
    await work.finally(() => (this.#pausesFrom = performance.now()));
  }

  /** A sender had to wait for so many milliseconds until something of its was taken. */
  pause(who: string, ms: number): void {
    const counted = Math.min(ms, performance.now() - this.#pausesFrom);
    if (counted > this.longestPauseMs) {
      this.longestPauseMs = counted;
      this.longestPause = `${who}, until ${this.seconds.toFixed(1)} s`;
    }
    if (ms > PATIENCE_MS) this.violation(`${who} could send nothing for ${(ms / 1000).toFixed(1)} s`);
  }
}
