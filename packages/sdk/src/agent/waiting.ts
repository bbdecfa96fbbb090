import { AgentError } from "../errors.ts";
import type { ClientStore, LinkHolder } from "../store/store.ts";
import { check } from "./arguments.ts";
import type { Link } from "../link/link.ts";

/** How long to wait, and how to stop waiting. */
export interface Wait {
  /** Milliseconds; 30,000 if not given. */
  timeout?: number | undefined;
  signal?: AbortSignal | undefined;
}

const DEFAULT_MS = 30_000;
/** Attempts to reach a relay that never answered, after which waiting for it is pointless. */
const ATTEMPTS = 3;

/**
 * Waits for something that the link, in whatever process it runs, will have put into the store.
 * @throws AgentError timeout (which names a stopped process that holds the link), relay_unreachable, aborted, and what
 * ended the link
 */
export async function waitFor<T>(
  store: ClientStore,
  link: Link,
  what: string,
  look: () => Promise<T | undefined>,
  wait: Wait = {},
): Promise<T> {
  check("wait", wait, "wait");
  const deadline = performance.now() + (wait.timeout ?? DEFAULT_MS);
  const changes = new Changes(store, link, wait.signal);
  try {
    for (;;) {
      const found = await look();
      if (found !== undefined) return found;
      if (wait.signal?.aborted === true) throw new AgentError("aborted", `aborted while waiting for ${what}`);
      const { state } = link;
      if (state.state === "stopped") throw state.error;
      // The relay is there, and does not let us in.
      if (state.state === "unreachable" && state.error.code === "refused" && !state.error.shouldRetry())
        throw state.error;
      if (state.state === "unreachable" && !link.everConnected && state.attempt >= ATTEMPTS) throw state.error;
      const left = deadline - performance.now();
      if (left <= 0) throw await overdue(store, link, what);
      await changes.next(left);
    }
  } finally {
    changes.end();
  }
}

async function overdue(store: ClientStore, link: Link, what: string): Promise<AgentError> {
  const { state } = link;
  if (state.state === "unreachable") return state.error;
  const holder = state.state === "waiting" ? await store.linkHolder() : undefined;
  if (holder?.stopped === true) return heldByStopped(holder);
  const by = holder === undefined ? "" : ` (process ${holder.pid}, ${holder.role}, holds the link to the relay)`;
  return new AgentError("timeout", `time ran out while waiting for ${what}`, {
    hint: `nothing that was sent is lost: wait longer, or look again later${by}`,
  });
}

/** A stopped process (Ctrl-Z) does nothing, and frees nothing either. */
export function heldByStopped({ pid, role }: LinkHolder, cause?: unknown): AgentError {
  return new AgentError("timeout", `process ${pid} (${role}) holds the link and is stopped`, {
    hint: `resume it (fg, or kill -CONT ${pid}) or end it (kill -9 ${pid})`,
    cause,
  });
}

/** Wakes whoever waits when the store or the link has changed. A change between two waits is not lost. */
export class Changes {
  readonly #ends: (() => void)[] = [];
  #changed = false;
  #wake: () => void = () => undefined;

  /** Something else has changed. */
  readonly wake: () => void;

  constructor(store: ClientStore, link: Link, signal: AbortSignal | undefined) {
    const change = () => {
      this.#changed = true;
      this.#wake();
    };
    this.wake = change;
    this.#ends.push(store.onChange(change), link.onState(change));
    signal?.addEventListener("abort", change);
    this.#ends.push(() => signal?.removeEventListener("abort", change));
  }

  async next(ms: number): Promise<void> {
    if (!this.#changed) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.min(ms, 2 ** 31 - 1));
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      this.#wake = () => undefined;
    }
    this.#changed = false;
  }

  end(): void {
    for (const end of this.#ends) end();
  }
}
