/** Changes for all tabs of this origin by one of them: a browser has no more than six connections to a host, whatever asks for them. */

import { BackError, type Problem } from "../back/port.ts";

/** The name of the lock of the tab that listens, and of the channel by which it tells the others. */
const NAME = "aimessage changes";

/** What the tab that listens tells the others. */
type Message = { agent: string } | { problem: Problem };

/** @param listen What is told to the one tab that listens; another one does when that is closed, or has failed */
export async function* sharedChanges(
  listen: (signal: AbortSignal) => AsyncIterable<string>,
  signal: AbortSignal,
): AsyncGenerator<string, void, undefined> {
  const over = new AbortController();
  const until = AbortSignal.any([signal, over.signal]);
  const channel = new BroadcastChannel(NAME);
  const told = new Set<string>();
  let waking = Promise.withResolvers<void>();
  const tell = (agent: string): void => {
    told.add(agent);
    waking.resolve();
  };
  const say = (message: Message): void => {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a channel has none
    channel.postMessage(message);
  };
  let isOver = false;
  const failed = Promise.withResolvers<never>();
  const end = (error: unknown): void => {
    isOver = true;
    failed.reject(error);
    waking.resolve();
  };
  failed.promise.catch(() => undefined);
  channel.addEventListener("message", ({ data }: MessageEvent<Message>) => {
    if ("agent" in data) tell(data.agent);
    else end(new BackError(data.problem));
  });
  navigator.locks
    .request(NAME, { signal: until }, async () => {
      for await (const agent of listen(until)) {
        say({ agent });
        tell(agent);
      }
    })
    .catch((error: unknown) => {
      if (error instanceof BackError)
        say({ problem: { code: error.code, message: error.message, hint: error.hint ?? "" } });
      end(error);
    });
  try {
    // Whoever comes later knows nothing yet.
    yield "";
    while (!isOver) {
      await waking.promise;
      waking = Promise.withResolvers();
      if (isOver) break;
      const all = [...told];
      told.clear();
      yield* all;
    }
    await failed.promise;
  } finally {
    over.abort();
    channel.close();
  }
}
