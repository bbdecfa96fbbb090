import type { ListenOptions } from "./listen.ts";
import type { IncomingMessage } from "./message.ts";

/** How handlers are tried again. */
export interface HandleOptions extends Omit<ListenOptions, "share"> {
  /** How often a message is given to a handler before it is a dead letter; also if the process died meanwhile. Default 5. */
  attempts?: number;
  /** The wait before the second attempt, which doubles from attempt to attempt. Milliseconds; default 1,000. */
  firstRetryMs?: number;
  /** The longest wait. Milliseconds; default 60,000. */
  lastRetryMs?: number;
  /** Messages that are handled at a time; with more than one, order is lost. Default 1. */
  concurrency?: number;
}

/** A handler. When it resolves, the message is handled; when it rejects, it is tried again, and at last given up. */
export type Handler = (message: IncomingMessage) => unknown;

type Messages = (options: ListenOptions) => AsyncGenerator<IncomingMessage, void, undefined>;

/** Gives each message to `handler`, in turns with everybody else who shares. Ends when `signal` aborts. */
export async function handleAll(messages: Messages, handler: Handler, options: HandleOptions): Promise<void> {
  const { attempts = 5, firstRetryMs = 1_000, lastRetryMs = 60_000, concurrency = 1, ...listening } = options;
  const work = async (): Promise<void> => {
    for await (const message of messages({ ...listening, share: true })) {
      const { attempt } = message;
      if (attempt > attempts) {
        await message.failed(`its handlers ended without a word, ${attempts} times`);
        continue;
      }
      try {
        await handler(message);
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        if (attempt >= attempts) await message.failed(reason);
        else await message.retry(reason, Math.min(firstRetryMs * 2 ** (attempt - 1), lastRetryMs));
        continue;
      }
      await message.handled();
    }
  };
  await Promise.all(Array.from({ length: concurrency }, work));
}
