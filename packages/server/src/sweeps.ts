import type { Log } from "./log.ts";
import type { Metrics } from "./metrics.ts";
import { oneAtATime } from "./one-at-a-time.ts";
import type { RelayStore } from "./store/store.ts";

const INTERVAL_MS = 60_000;
/** However many messages expire, one after another: so much time is between two sweeps for them. */
const BETWEEN_MS = 1_000;

interface Sweeps extends AsyncDisposable {
  soon: () => void;
  /** Something expires at this moment of the relay's clock. */
  at: (moment: number) => void;
}

/** Sweeps the store now and then, and soon after something has expired: its sender waits to hear of it. */
export function startSweeps(store: RelayStore, metrics: Metrics, log: Log, clock: () => number): Sweeps {
  let due: { moment: number; timer: NodeJS.Timeout } | undefined;
  const stop = new AbortController();

  async function run(): Promise<void> {
    for (let more = true; more && !stop.signal.aborted;) {
      const result = await store.sweep();
      metrics.expired.inc(result.expired);
      if (result.unnoticed > 0) log.warn({ count: result.unnoticed }, "no room to tell senders of dropped messages");
      ({ more } = result);
      at(result.next);
    }
  }

  const runs = oneAtATime(run, (error) => log.error({ err: error }, "sweep failed"));

  function at(moment: number): void {
    const wait = moment - clock();
    // What comes later is found by the sweep before it.
    if (stop.signal.aborted || wait > INTERVAL_MS || (due !== undefined && due.moment <= moment)) return;
    clearTimeout(due?.timer);
    due = { moment, timer: setTimeout(soon, Math.max(BETWEEN_MS, wait)) };
    due.timer.unref();
  }

  function soon(): void {
    clearTimeout(due?.timer);
    due = undefined;
    runs.soon();
  }

  const timer = setInterval(soon, INTERVAL_MS);
  timer.unref();
  soon();
  return {
    soon,
    at,
    async [Symbol.asyncDispose]() {
      stop.abort();
      clearInterval(timer);
      clearTimeout(due?.timer);
      await runs[Symbol.asyncDispose]();
    },
  };
}
