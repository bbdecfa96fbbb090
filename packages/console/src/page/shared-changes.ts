/** Changes for all tabs of this origin by one of them: a browser has no more than six connections to a host, whatever asks for them. */
import { BackError, type Problem } from "../back/port.ts";

/** The name of the lock of the tab that listens, and of the channel by which it tells the others. */
const NAME = "aimessage changes";

/** So long after it was told a tab knows. Milliseconds. */
const HEARD_MS = 500;

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
  let ended: { error: unknown } | undefined;
  const end = (error: unknown): void => {
    ended ??= { error };
    waking.resolve();
  };
  channel.addEventListener("message", ({ data }: MessageEvent<Message>) => {
    if ("agent" in data) tell(data.agent);
    else end(new BackError(data.problem));
  });
  navigator.locks
    .request(NAME, { signal: until }, async () => {
      try {
        for await (const agent of listen(until)) {
          say({ agent });
          tell(agent);
        }
      } catch (error) {
        end(error);
        if (!(error instanceof BackError)) return;
        const { code, message, hint = "" } = error;
        say({ problem: { code, message, hint } });
        // The others are to know before one of them listens in its stead.
        await new Promise((resolve) => setTimeout(resolve, HEARD_MS));
      }
    })
    .catch(end);
  try {
    // Whoever comes later knows nothing yet.
    yield "";
    for (;;) {
      await waking.promise;
      waking = Promise.withResolvers();
      if (ended !== undefined) throw ended.error;
      const all = [...told];
      told.clear();
      yield* all;
    }
  } finally {
    over.abort();
    channel.close();
  }
}
