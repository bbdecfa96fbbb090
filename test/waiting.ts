/** How tests wait: for something that has a name, which is printed if it does not come, and for no time that has passed. */

import { setImmediate, setTimeout as delay } from "node:timers/promises";

/** Shorter than what a test has, so that the name is printed. Milliseconds. */
const PATIENCE_MS = 50_000;
const LOOK_AGAIN_MS = 10;

/** Waits until `look` gives something other than false or undefined. @throws Error with `what` after `ms` */
export async function eventually<T>(
  what: string,
  look: () => T | Promise<T>,
  ms = PATIENCE_MS,
): Promise<Exclude<T, false | undefined>> {
  for (const end = performance.now() + ms; ;) {
    const found = await look();
    if (found !== false && found !== undefined) return found as Exclude<T, false | undefined>;
    if (performance.now() > end) throw new Error(`it never came that ${what}`);
    await delay(LOOK_AGAIN_MS);
  }
}

/** Waits for a promise. @throws Error with `what` if it is not settled after `ms` */
export async function within<T>(what: string, promise: PromiseLike<T>, ms = PATIENCE_MS): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`it never came that ${what}`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/**
 * Where nothing tells that something will not happen: watches for a moment whether it does.
 * @throws Error with `what` as soon as `look` gives true
 */
export async function never(what: string, look: () => boolean | Promise<boolean>, ms = 200): Promise<void> {
  for (const end = performance.now() + ms; ;) {
    const isLast = performance.now() >= end;
    if (await look()) throw new Error(`it came that ${what}`);
    if (isLast) return;
    await delay(LOOK_AGAIN_MS);
    // However late that was: what has come meanwhile is heard first.
    await setImmediate();
  }
}
