/**
 * How long we have listened while something is awaited. In no other time can it come: the clock of the day may be set meanwhile, and goes on while the
 * machine sleeps, while the relay cannot be reached, and while nobody runs the link. Whatever is given up since it has not come is given up by this.
 */

/** Where something is awaited a turn is made this often at least: in what was longer this process, or its machine, has slept. Milliseconds. */
const AWAKE_MS = 20_000;
/** It is counted in steps, so that not each turn writes it down. Milliseconds. */
const STEP_MS = 1_000;

/** What of a turn is used here. */
interface InTurn {
  readonly ticks: number;
  /** When that which is awaited was counted last on this connection. By the clock of `ticks`. */
  readonly cache: { readonly listened: Map<string, number> };
}

/**
 * Counts on.
 * @param counted what was counted before, also on other connections: milliseconds
 * @returns the same, and what has been added to it
 */
export function listened({ ticks, cache }: InTurn, what: string, counted: number): number {
  const last = cache.listened.get(what);
  const passed = last === undefined ? 0 : ticks - last;
  if (last !== undefined && passed < STEP_MS) return counted;
  cache.listened.set(what, ticks);
  return counted + Math.min(passed, AWAKE_MS);
}

/** What passes until it is asked for again does not count. */
export function listensAnew({ cache }: Pick<InTurn, "cache">, what: string): void {
  cache.listened.delete(what);
}
