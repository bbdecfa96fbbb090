/** Listeners that share take turns: each claims a message for as long as it works on it. */
import { randomId } from "../protocol/index.ts";
import type { ClientStore, ReadTransaction } from "../store/store.ts";
import { watchClock } from "../records/clock.ts";
import { AHEAD } from "./following.ts";
import { endIfLate, notBefore } from "./settling.ts";
import { endUnwanted, wordOn } from "./unwanted.ts";
import { find, get, pad, put } from "../records/records.ts";
import type { InboxRecord } from "../records/tables.ts";
import { Senders } from "./senders.ts";

/** How long a claim holds that is not renewed. Milliseconds. */
const CLAIM_MS = 20_000;
/** How often it is renewed while its message is worked on. Milliseconds. */
export const RENEW_MS = 5_000;
/** How long a claim that has run out is watched: whoever is alive renews it within this time. Milliseconds. */
const GRACE_MS = 7_500;
/** How long the word that a process lives is good. Milliseconds. */
const ALIVE_MS = 1_000;
/** How long a message waits for a process that has given it back without a word. Milliseconds. */
const GIVEN_BACK_MS = 1_000;
/** This process, in what it gives back. */
const OURS = randomId();
/** Those that wait are looked at again after so long, or so many times as long as it takes: others may have changed them. */
const LOOK_AGAIN_MS = 1_000;
const LOOK_SHARE = 10;

/** Returns the row at a place of the inbox, if it is wanted. */
type Look = (seq: string) => Promise<InboxRecord | undefined>;

/**
 * Judges how long messages have to wait: for a claim to run out, or for their next attempt. The clock of the day is asked
 * when a wait is first seen; from then on one that nobody sets counts, and that stands still while a computer sleeps.
 */
export class WaitWatch {
  /** By place in the inbox: what it waits for, until when (by `performance.now()`), and the look that saw it last. */
  readonly #seen = new Map<number, { what: string; end: number; look: number }>();
  readonly #graceMs: number;
  readonly #isGone: (mark: string) => boolean;
  /** Processes by their marks: since when one is known to be gone, or else when it was seen to live. `performance.now()` */
  readonly #processes = new Map<string, { gone: boolean; at: number }>();
  readonly #senders = new Senders();
  #look = 0;
  /** Where the present look has got to, when it began (`performance.now()`), and how long it has taken. */
  #after: string | undefined;
  #begunAt = 0;
  #spent = 0;
  #lookAgainAt = 0;

  /** Whether the clock of the day is not believed just now. */
  readonly hasJumped: () => boolean;

  constructor({
    graceMs = GRACE_MS,
    hasJumped = watchClock(),
    isGone = () => false,
  }: { graceMs?: number; hasJumped?: () => boolean; isGone?: ((mark: string) => boolean) | undefined } = {}) {
    this.hasJumped = hasJumped;
    this.#graceMs = graceMs;
    this.#isGone = isGone;
  }

  /** When a message may be given out: Unix milliseconds, Infinity if never. */
  freeAt(row: InboxRecord): number {
    if (row.state !== "unhandled") return Infinity;
    const { claim, retry_at, retry_after, given_back_by = OURS } = row;
    const until = claim?.until ?? (given_back_by === OURS ? retry_at : undefined);
    if (until === undefined) return 0;
    const what = `${claim?.by} ${until}`;
    let seen = this.#seen.get(row.seq);
    if (seen?.what !== what) {
      const longest = claim === undefined ? (retry_after ?? Infinity) : CLAIM_MS;
      const left = Math.min(Math.max(until - Date.now(), 0), longest);
      // Who made it may be alive, and have slept, or know another time of day than we do.
      const grace = claim === undefined ? 0 : this.#graceMs;
      this.#seen.set(row.seq, (seen = { what, end: performance.now() + left + grace, look: 0 }));
    }
    seen.look = this.#look;
    if (claim?.mark !== undefined) seen.end = Math.min(seen.end, this.#goneAt(claim.mark));
    // The two clocks differ by parts of a millisecond, by which what is free now would seem to be free soon.
    const left = seen.end - performance.now();
    return left <= 0 ? 0 : Date.now() + left;
  }

  /** Since when the process of a mark is known to be gone; Infinity while it lives. `performance.now()` */
  #goneAt(mark: string): number {
    const now = performance.now();
    let known = this.#processes.get(mark);
    if (known === undefined || (!known.gone && now - known.at > ALIVE_MS))
      this.#processes.set(mark, (known = { gone: this.#isGone(mark), at: now }));
    return known.gone ? known.at : Infinity;
  }

  /**
   * Looks for the first message that is free. What was seen to wait is not read again before its time has come, so that many
   * that wait cost those behind them nothing.
   * @returns its place, or when the next will be free
   */
  async find(tx: ReadTransaction, look: Look): Promise<string | number> {
    const started = performance.now();
    const begins = started >= this.#lookAgainAt;
    if (begins) this.#beginLook();
    try {
      const found = (await this.#findDue(look)) ?? (await this.#findNew(tx, look));
      // Within a look something has changed: perhaps what it has passed already.
      return found ?? this.#nextFree(begins ? Infinity : this.#lookAgainAt);
    } finally {
      this.#spent += performance.now() - started;
      this.#lookAgainAt = this.#begunAt + Math.max(LOOK_AGAIN_MS, LOOK_SHARE * this.#spent);
    }
  }

  /** As {@link find}, but nothing of a sender before what that one has sent earlier. @returns undefined if it is to be called again */
  findInOrder(tx: ReadTransaction, look: Look): Promise<string | number | undefined> {
    const freeAt = (row: InboxRecord) => this.freeAt(row);
    return this.#senders.find(tx, { look, freeAt, forget: (seq) => this.#seen.delete(seq) });
  }

  #beginLook(): void {
    this.#look += 1;
    this.#after = undefined;
    this.#begunAt = performance.now();
    this.#spent = 0;
  }

  /** Among those that this look has seen. */
  async #findDue(look: Look): Promise<string | undefined> {
    const due: number[] = [];
    for (const [seq, seen] of this.#seen) if (seen.look === this.#look && seen.end <= performance.now()) due.push(seq);
    for (const seq of due.toSorted((a, b) => a - b)) {
      const row = await look(pad(seq));
      if (row?.state !== "unhandled") this.#seen.delete(seq);
      else if (this.freeAt(row) <= Date.now()) return pad(seq);
    }
    return undefined;
  }

  /** Among those behind them. */
  async #findNew(tx: ReadTransaction, look: Look): Promise<string | undefined> {
    for (let keys; keys === undefined || keys.length === AHEAD;) {
      keys = await tx.list({ prefix: "unhandled/", after: this.#after, limit: AHEAD });
      for (const [key] of keys) {
        const seq = key.slice("unhandled/".length);
        const row = await look(seq);
        if (row !== undefined && this.freeAt(row) <= Date.now()) return seq;
        this.#after = key;
      }
    }
    // All that wait were looked at: what was seen earlier is gone.
    for (const [seq, { look: last }] of this.#seen) if (last !== this.#look) this.#seen.delete(seq);
    return undefined;
  }

  #nextFree(latest: number): number {
    let next = latest;
    for (const { end } of this.#seen.values()) next = Math.min(next, end);
    return Date.now() + next - performance.now();
  }
}

/** What a listener takes. `ordered`: nothing of a sender before what that one has sent earlier. */
export interface Wanted {
  is: (row: InboxRecord) => boolean;
  ordered: boolean;
}

/** A message to work on, or when to look again if nothing happens before (Unix ms). */
export type Claimed = { row: InboxRecord } | { until: number };

/** A listener that claims, and its process, where the store can tell when that has died. */
export interface Claimer {
  by: string;
  mark?: string | undefined;
}

/** Claims the oldest unhandled message that nobody works on, and whose time has come. */
export async function claimNext(
  store: ClientStore,
  claimer: Claimer,
  wanted: Wanted,
  watch: WaitWatch,
): Promise<Claimed> {
  for (;;) {
    // Looked for without keeping others from writing.
    const seen = await store.read((tx) => {
      const look: Look = async (seq) => {
        const row = await find(tx, "in/", seq);
        return row !== undefined && wanted.is(row) ? row : undefined;
      };
      return wanted.ordered ? watch.findInOrder(tx, look) : watch.find(tx, look);
    });
    // More is to be read first, and others get in between.
    if (seen === undefined) continue;
    if (typeof seen === "number") return { until: seen };
    const row = await store.write(async (tx) => {
      const found = await get(tx, "in/", seen);
      if (found === undefined || watch.freeAt(found) > Date.now()) return undefined;
      // What was wanted when it came may not be any more.
      if ((await wordOn(tx, found)) !== "give") return endUnwanted(tx, found);
      const { retry_at: _at, retry_after: _after, given_back_by: _by, ...rest } = found;
      const { by, mark } = claimer;
      const claim = { by, until: Date.now() + CLAIM_MS, ...(mark === undefined ? {} : { mark }) };
      const claimed = { ...rest, attempts: (found.attempts ?? 0) + 1, claim };
      await put(tx, "in/", seen, claimed);
      return claimed;
    });
    if (row !== undefined && !(await endIfLate(store, row, watch.hasJumped))) return { row };
  }
}

/** Keeps a claim while its message is worked on. */
export async function renewClaim(store: ClientStore, seq: number, by: string): Promise<void> {
  await store.write(async (tx) => {
    const row = await get(tx, "in/", pad(seq));
    if (row?.state === "unhandled" && row.claim?.by === by)
      await put(tx, "in/", pad(seq), { ...row, claim: { ...row.claim, until: Date.now() + CLAIM_MS } });
  });
}

/**
 * Gives a claimed message back that was not settled. A listener that goes on, and settles nothing, must not get it in a tight loop, nor must two
 * such by turns; of one that ends it is for others at once.
 */
export async function dropClaim(
  store: ClientStore,
  { seq, by, goesOn }: { seq: number; by: string; goesOn: boolean },
): Promise<void> {
  await store.write(async (tx) => {
    const row = await get(tx, "in/", pad(seq));
    if (row?.state !== "unhandled" || row.claim?.by !== by) return;
    const { claim: _claim, ...rest } = row;
    await put(tx, "in/", pad(seq), { ...rest, ...notBefore(GIVEN_BACK_MS, goesOn ? undefined : OURS) });
  });
}
