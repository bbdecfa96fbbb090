/** Commits and trees of teams that lie beside their frames are fetched before a turn sees them, and before they are acknowledged. */
import { AgentError } from "../errors.ts";
import { type BodyAtRelay, type BodyMeans, fetchBody } from "../files/bodies.ts";
import { pause } from "../files/pause.ts";
import { toBase64 } from "../protocol/index.ts";
import type { Pushed } from "../wire/connection.ts";

/** Fetched at a time. */
const AT_ONCE = 2;
/** What does not come for so long is as what is not there: all mail behind it waits. Milliseconds. */
const PATIENCE_MS = 600_000;
/** Between two attempts: first, doubled up to the last. Milliseconds. */
const FIRST_WAIT_MS = 200;
const LAST_WAIT_MS = 10_000;

export class Bodies {
  readonly #means: BodyMeans;
  readonly #wake: () => void;
  /** Of these nothing more will come: what still lies elsewhere is not there. */
  readonly #tried = new WeakSet<Pushed>();
  readonly #fetching = new Map<Pushed, Promise<void>>();

  constructor(means: BodyMeans, wake: () => void) {
    this.#means = means;
    this.#wake = wake;
  }

  /** Whether nothing more can be read before something is fetched. */
  get isFetching(): boolean {
    return this.#fetching.size > 0;
  }

  /** How many of the first are whole. What is behind them is being fetched then. */
  whole(batch: Pushed[]): number {
    const lacking = batch.filter((pushed) => {
      const { body, tree } = pushed.delivery;
      return (isElsewhere(body) || isElsewhere(tree)) && !this.#tried.has(pushed);
    });
    for (const pushed of lacking.slice(0, AT_ONCE))
      if (!this.#fetching.has(pushed)) this.#fetching.set(pushed, this.#fetch(pushed));
    const [first] = lacking;
    return first === undefined ? batch.length : batch.indexOf(first);
  }

  async #fetch(pushed: Pushed): Promise<void> {
    const { delivery } = pushed;
    const [body, tree] = await Promise.all([this.#come(delivery.body), this.#come(delivery.tree)]);
    if (this.#means.signal.aborted) return;
    pushed.delivery = {
      ...delivery,
      ...(body === undefined ? {} : { body }),
      ...(tree === undefined ? {} : { tree }),
    };
    this.#tried.add(pushed);
    this.#fetching.delete(pushed);
    this.#wake();
  }

  async #come(said: string | BodyAtRelay | undefined): Promise<string | undefined> {
    if (!isElsewhere(said)) return said;
    const { signal } = this.#means;
    const end = performance.now() + PATIENCE_MS;
    for (let wait = FIRST_WAIT_MS; !signal.aborted; wait = Math.min(2 * wait, LAST_WAIT_MS)) {
      try {
        const bytes = await fetchBody(this.#means, said);
        return bytes === undefined ? undefined : toBase64(bytes);
      } catch (error) {
        if (!(error instanceof AgentError) || performance.now() > end) return undefined;
        await pause(Math.max(wait, Math.min(error.retryAfterMs ?? 0, LAST_WAIT_MS)), signal);
      }
    }
    return undefined;
  }
}

function isElsewhere(said: string | BodyAtRelay | undefined): said is BodyAtRelay {
  return typeof said === "object";
}
