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
  #tokens: number;
  #at: number;
  #pausedUntil = 0;

  constructor(perSecond: number, burst: number) {
    this.#perMillisecond = perSecond / 1000;
    this.#burst = burst;
    this.#tokens = burst;
    this.#at = performance.now();
  }

  /** Takes tokens, a burst at most. Returns 0, or the milliseconds until there are so many. */
  take(count = 1): number {
    if (this.#perMillisecond === 0) return 0;
    this.#refill();
    const wanted = Math.max(1, Math.min(count, this.#burst));
    if (this.#tokens < wanted) return Math.ceil((wanted - this.#tokens) / this.#perMillisecond);
    this.#tokens -= wanted;
    return 0;
  }

  /** The same, and how long to pause: the longer the more is over the rate, as each costs something to refuse. */
  charge(count: number): Over | undefined {
    const retryAfterMs = this.take(count);
    if (retryAfterMs === 0) return undefined;
    const now = performance.now();
    this.#pausedUntil = Math.min(Math.max(this.#pausedUntil, now) + retryAfterMs, now + PAUSE_MS);
    return { retryAfterMs, pauseMs: this.#pausedUntil - now };
  }

  get isFull(): boolean {
    this.#refill();
    return this.#tokens >= this.#burst;
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
  readonly #buckets = new Map<string, Bucket>();
  #pruneAt = 1024;

  constructor(perSecond: number, burst: number) {
    this.#perSecond = perSecond;
    this.#burst = burst;
  }

  /** Takes tokens of a key's bucket. Returns 0, or the milliseconds until there are so many. */
  take(key: string, count = 1): number {
    return this.#perSecond === 0 ? 0 : this.#of(key).take(count);
  }

  /** The same, and how long to pause. */
  charge(key: string, count: number): Over | undefined {
    return this.#perSecond === 0 ? undefined : this.#of(key).charge(count);
  }

  #of(key: string): Bucket {
    let bucket = this.#buckets.get(key);
    if (bucket === undefined) {
      this.#prune();
      this.#buckets.set(key, (bucket = new Bucket(this.#perSecond, this.#burst)));
    }
    return bucket;
  }

  #prune(): void {
    if (this.#buckets.size < this.#pruneAt) return;
    for (const [key, bucket] of this.#buckets) if (bucket.isFull) this.#buckets.delete(key);
    this.#pruneAt = Math.max(1024, this.#buckets.size * 2);
  }
}
