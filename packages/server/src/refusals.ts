import type { Log } from "./log.ts";
import type { RefusalCount, RelayStore } from "./store/store.ts";

const HOUR_MS = 3_600_000;
/** How often the counts are written down. */
const INTERVAL_MS = 10_000;
/** Reasons and those who met them that are told apart within an hour: whoever comes later counts as one of the others. */
const MOST = 500;
const OTHERS = "(others)";

/** Counts what is refused, by the hour: never a line for each frame, and never more lines than a few hundred. */
export class Refusals implements AsyncDisposable {
  readonly #store: Pick<RelayStore, "countRefusals">;
  readonly #clock: () => number;
  readonly #log: Log;
  readonly #timer: NodeJS.Timeout;
  #hour = 0;
  readonly #known = new Set<string>();
  #counts = new Map<string, RefusalCount>();

  constructor(store: Pick<RelayStore, "countRefusals">, clock: () => number, log: Log) {
    this.#store = store;
    this.#clock = clock;
    this.#log = log;
    this.#timer = setInterval(() => void this.#write(), INTERVAL_MS);
    this.#timer.unref();
  }

  /** @param who Name of the account, or the address of a stranger. */
  count(reason: string, who: string): void {
    const hour = Math.floor(this.#clock() / HOUR_MS) * HOUR_MS;
    if (hour !== this.#hour) {
      this.#hour = hour;
      this.#known.clear();
    }
    const key = `${hour} ${reason} ${who}`;
    if (!this.#known.has(key)) {
      if (this.#known.size >= MOST && who !== OTHERS) return this.count(reason, OTHERS);
      this.#known.add(key);
    }
    const counted = this.#counts.get(key);
    if (counted === undefined) this.#counts.set(key, { hour, reason, who, count: 1 });
    else counted.count += 1;
    return undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    await this.#write();
  }

  async #write(): Promise<void> {
    if (this.#counts.size === 0) return;
    const counts = [...this.#counts.values()];
    this.#counts = new Map();
    try {
      await this.#store.countRefusals(counts);
    } catch (error) {
      // Of a full disk the log has heard already; what was counted is less than what has to be kept.
      this.#log.warn({ err: (error as Error).message }, "refusals could not be written down");
    }
  }
}
