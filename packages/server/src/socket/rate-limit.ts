import { PAUSE_MS } from "./bounds.ts";

/** Something was over a rate. Milliseconds. */
export interface Over {
  /** Until there are so many tokens. */
  retryAfterMs: number;
  /** For so long nothing more is read of whoever is over it. */
  pauseMs: number;
}

/** A token bucket: `burst` at once, refilled by `perSecond`. A rate of 0 lets everything through. */
export class Bucket {
  readonly #perMillisecond: number;
  readonly #burst: number;
  readonly #mostPauseMs: number;
  #tokens: number;
  #at: number;
  #pausedUntil = 0;

  constructor(perSecond: number, burst: number, mostPauseMs = PAUSE_MS) {
    this.#perMillisecond = perSecond / 1000;
    this.#burst = burst;
    this.#mostPauseMs = mostPauseMs;
    this.#tokens = burst;
    this.#at = performance.now();
  }

  /** Takes tokens, a burst at most, if so many are left behind them. Returns 0, or the milliseconds until there are so many. */
  take(count = 1, left = 0): number {
    if (this.#perMillisecond === 0) return 0;
    this.#refill();
    const wanted = Math.max(1, Math.min(count, this.#burst));
    const needed = Math.max(wanted, Math.min(wanted + left, this.#burst));
    if (this.#tokens < needed) return Math.ceil((needed - this.#tokens) / this.#perMillisecond);
    this.#tokens -= wanted;
    return 0;
  }

  /** The same, and how long to pause: the longer the more is over the rate, as each costs something to refuse. */
  charge(count: number): Over | undefined {
    const retryAfterMs = this.take(count);
    if (retryAfterMs === 0) return undefined;
    const now = performance.now();
    this.#pausedUntil = Math.min(Math.max(this.#pausedUntil, now) + retryAfterMs, now + this.#mostPauseMs);
    return { retryAfterMs, pauseMs: this.#pausedUntil - now };
  }

  /** Takes tokens for what is done already, also those that are still to come: a burst of them at most. @returns how many it took */
  owe(count: number): number {
    if (this.#perMillisecond === 0) return 0;
    this.#refill();
    const before = this.#tokens;
    this.#tokens = Math.max(before - count, -this.#burst);
    return before - this.#tokens;
  }

  get isFull(): boolean {
    return this.taken === 0;
  }

  /** Tokens that have been taken and have not come back. */
  get taken(): number {
    this.#refill();
    return this.#burst - this.#tokens;
  }

  #refill(): void {
    const now = performance.now();
    this.#tokens = Math.min(this.#burst, this.#tokens + (now - this.#at) * this.#perMillisecond);
    this.#at = now;
  }
}

/** A bucket for each key (account, address, pair). A full one is the same as none, so full ones are dropped. */
export class Buckets {
  readonly #perSecond: number;
  readonly #burst: number;
  readonly #mostPauseMs: number;
  readonly #buckets = new Map<string, Bucket>();
  #pruneAt = 1024;

  constructor(perSecond: number, burst: number, mostPauseMs = PAUSE_MS) {
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#mostPauseMs = mostPauseMs;
  }

  /** Takes tokens of a key's bucket. Returns 0, or the milliseconds until there are so many. */
  take(key: string, count = 1): number {
    return this.#perSecond === 0 ? 0 : this.#of(key).take(count);
  }

  /** The same, and how long to pause. */
  charge(key: string, count: number): Over | undefined {
    return this.#perSecond === 0 ? undefined : this.#of(key).charge(count);
  }

  /** Takes tokens for what is done already. @returns how many it took, which may be given back by less than none */
  owe(key: string, count: number): number {
    return this.#perSecond === 0 ? 0 : this.#of(key).owe(count);
  }

  /** Tokens of a key's bucket that have been taken and have not come back. */
  taken(key: string): number {
    return this.#buckets.get(key)?.taken ?? 0;
  }

  #of(key: string): Bucket {
    let bucket = this.#buckets.get(key);
    if (bucket === undefined) {
      this.#prune();
      this.#buckets.set(key, (bucket = new Bucket(this.#perSecond, this.#burst, this.#mostPauseMs)));
    }
    return bucket;
  }

  #prune(): void {
    if (this.#buckets.size < this.#pruneAt) return;
    for (const [key, bucket] of this.#buckets) if (bucket.isFull) this.#buckets.delete(key);
    this.#pruneAt = Math.max(1024, this.#buckets.size * 2);
  }
}

/** What is remembered of each owner comes back so many times as slowly as the rate of all. */
const REMEMBERED = 100;
/** Of so many tokens that an owner has taken lately, one is left to the others. */
const LEFT_OF = 4;

/**
 * A bucket that all share. Whoever has taken more of it lately leaves more of it to the others: when it runs low, those who have
 * taken least go first, and nobody can empty it for them.
 */
export class SharedBucket {
  readonly #all: Bucket;
  readonly #lately: Buckets;

  constructor(perSecond: number, burst: number) {
    this.#all = new Bucket(perSecond, burst);
    this.#lately = new Buckets(perSecond / REMEMBERED, burst);
  }

  /** Takes a token for its owners. Returns 0, or the milliseconds until there is one. */
  take(owners: string[]): number {
    const taken = Math.max(...owners.map((owner) => this.#lately.taken(owner)));
    const wait = this.#all.take(1, Math.floor(taken / LEFT_OF));
    if (wait === 0) for (const owner of owners) this.#lately.take(owner);
    return wait;
  }
}
