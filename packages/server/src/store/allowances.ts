import type { Rate, Tables } from "./decisions/tables.ts";

/**
 * Takes one of a rate (the generic cell rate algorithm, ITU-T I.371, annex A): all that is known of one is when all of it is there
 * again.
 * @param fullAt When that is: Unix ms
 * @returns when it is then, or how long to wait: milliseconds
 */
export function takeOne(fullAt: number, { most, within }: Rate, now: number): { fullAt: number } | { waitMs: number } {
  if (most === 0) return { fullAt: now };
  const takes = within / most;
  // A clock that was set back is no reason to wait for longer.
  const from = Math.min(Math.max(fullAt, now), now + within);
  const over = from + takes - now - within;
  // Whole milliseconds are kept: what is lost of them is given away.
  return over >= 1 ? { waitMs: Math.ceil(over) } : { fullAt: Math.floor(from + takes) };
}

/** Those of a relay that has its store for itself. */
export function allowancesInMemory(clock: () => number): Tables["allowances"] {
  const all = new Map<string, number>();
  let pruneAt = 1024;

  function prune(now: number): void {
    if (all.size < pruneAt) return;
    for (const [key, fullAt] of all) if (fullAt <= now) all.delete(key);
    pruneAt = Math.max(1024, 2 * all.size);
  }

  return {
    take(key, rate) {
      const now = clock();
      const taken = takeOne(all.get(key) ?? 0, rate, now);
      if ("waitMs" in taken) return taken.waitMs;
      prune(now);
      all.set(key, taken.fullAt);
      return 0;
    },
  };
}
