import { AgentError } from "../errors.ts";
import type { ListenOptions } from "./listen.ts";
import type { IncomingMessage } from "./message.ts";

/** How handlers are tried again. */
export interface HandleOptions extends Omit<ListenOptions, "share"> {
  /**
   * How often a message is given to a handler before it is a dead letter; also if the process died meanwhile. Default 5. Handlers that a
   * file keeps waiting (`save` has thrown what can be tried again) are not counted.
   */
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

/** Codes of errors by which a file is not there yet: its sender owes it, the relay is away, or there is no room. */
const NOT_YET = new Set(["file_failed", "relay_unreachable", "disk_full"]);

/** Whether a handler could not begin, since a file of its message will only be there later. */
function isNotYet({ files }: IncomingMessage, error: unknown): boolean {
  return files.length > 0 && error instanceof AgentError && NOT_YET.has(error.code) && error.shouldRetry();
}

/** Gives each message to `handler`, in turns with everybody else who shares. Ends when `signal` aborts. */
export async function handleAll(messages: Messages, handler: Handler, options: HandleOptions): Promise<void> {
  const { attempts = 5, firstRetryMs = 1_000, lastRetryMs = 60_000, concurrency = 1, ...listening } = options;
  const wait = (before: number): number => Math.min(firstRetryMs * 2 ** before, lastRetryMs);
  const work = async (): Promise<void> => {
    for await (const message of messages({ ...listening, share: true })) {
      const attempt = message.attempt - message.waits;
      if (attempt > attempts) {
        await message.failed(`its handlers ended without a word, ${attempts} times`);
        continue;
      }
      try {
        await handler(message);
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        if (isNotYet(message, error)) await message.retry(reason, wait(message.waits), { counts: false });
        else if (attempt >= attempts) await message.failed(reason);
        else await message.retry(reason, wait(attempt - 1));
        continue;
      }
      await message.handled();
    }
  };
  await Promise.all(Array.from({ length: concurrency }, work));
}
