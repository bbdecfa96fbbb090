import type { Log } from "./log.ts";
import type { Metrics } from "./metrics.ts";
import type { RelayStore } from "./store/store.ts";

const INTERVAL_MS = 60_000;

/** Sweeps the store now and then, and soon after something is known to have expired. */
export function startSweeps(store: RelayStore, metrics: Metrics, log: Log): AsyncDisposable & { soon: () => void } {
  let running: Promise<void> | undefined;
  let again = false;
  const stop = new AbortController();

  async function run(): Promise<void> {
    do {
      again = false;
      for (let more = true; more && !stop.signal.aborted;) {
        const result = await store.sweep();
        metrics.expired.inc(result.expired);
        if (result.unnoticed > 0) log.warn({ count: result.unnoticed }, "no room to tell senders of dropped messages");
        ({ more } = result);
      }
    } while (again && !stop.signal.aborted);
  }

  function soon(): void {
    again = true;
    running ??= run()
      .catch((error: unknown) => log.error({ err: error }, "sweep failed"))
      .finally(() => (running = undefined));
  }

  const timer = setInterval(soon, INTERVAL_MS);
  timer.unref();
  soon();
  return {
    soon,
    async [Symbol.asyncDispose]() {
      stop.abort();
      clearInterval(timer);
      await running;
    },
  };
}
