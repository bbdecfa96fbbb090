import { AgentError } from "../errors.ts";
import { randomId } from "../protocol/index.ts";
import type { ClientStore } from "../store/store.ts";
import { parseName } from "./address.ts";
import { type Claimed, claimNext, dropClaim, RENEW_MS, renewClaim, WaitWatch } from "./claims.ts";
import type { Link } from "../link/link.ts";
import { nextFollowed, startCursor } from "./following.ts";
import { type Message, readMessage } from "./message.ts";
import type { InboxRecord } from "../records/tables.ts";
import { Changes } from "./waiting.ts";

export interface ListenOptions {
  /** Take turns with other listeners that share; else every listener gets every message. */
  share?: boolean | undefined;
  /** With `share`: nothing of a sender before everything is handled, or given up, that it has sent earlier. */
  ordered?: boolean | undefined;
  /** End when all that waited at the relay has come, and nothing of it is left that could be given out now. */
  once?: boolean | undefined;
  /** Only messages of this sender. */
  from?: string | undefined;
  signal?: AbortSignal;
}

/** The longest time without looking into the inbox: claims run out by themselves. */
const LOOK_MS = 5_000;

/** Messages from the inbox, whoever puts them there. Ends when `signal` aborts. */
export async function* listen(
  store: ClientStore,
  link: Link,
  to: string,
  options: ListenOptions,
): AsyncGenerator<{ row: InboxRecord; message: Message }, void, undefined> {
  const { signal } = options;
  const from = options.from === undefined ? undefined : parseName(options.from);
  // A reply is for its asker.
  const wanted = (row: InboxRecord) => row.answers === undefined && (from === undefined || row.from === from);
  const { share = false, ordered = false } = options;
  const claimer = { by: randomId(), ...(share ? { mark: store.mark?.() } : {}) };
  const changes = new Changes(store, link, signal);
  const watch = new WaitWatch({ hasJumped: link.hasJumped, isGone: (mark) => store.isGone?.(mark) === true });
  try {
    const cursor = await startCursor(store, link.hasJumped);
    while (signal?.aborted !== true) {
      const next = share
        ? await claim(store, to, () => claimNext(store, claimer, { is: wanted, ordered }, watch))
        : await nextFollowed(store, cursor, to, wanted);
      if (next === undefined || "until" in next) {
        if (options.once === true) return;
        if (link.state.state === "stopped") throw link.state.error;
        await changes.next(Math.min(LOOK_MS, Math.max(1, (next?.until ?? Infinity) - Date.now())));
      } else if (share) yield* whileClaimed(store, { ...next, by: claimer.by, signal });
      else yield next;
    }
  } catch (error) {
    // Closing the agent under its listeners ends them.
    if (!(error instanceof AgentError && error.code === "closed")) throw error;
  } finally {
    changes.end();
  }
}

async function claim(store: ClientStore, to: string, take: () => Promise<Claimed>) {
  const next = await take();
  if ("until" in next) return next;
  return { row: next.row, message: await store.read((tx) => readMessage(tx, next.row, to)) };
}

interface Hand {
  row: InboxRecord;
  message: Message;
  by: string;
  signal: AbortSignal | undefined;
}

async function* whileClaimed(store: ClientStore, { row, message, by, signal }: Hand) {
  const renewal = setInterval(() => void renewClaim(store, row.seq, by).catch(() => undefined), RENEW_MS);
  let goesOn = false;
  try {
    yield { row, message };
    goesOn = signal?.aborted !== true;
  } finally {
    clearInterval(renewal);
    await dropClaim(store, { seq: row.seq, by, goesOn }).catch(() => undefined);
  }
}
