/** Messages that are with a reader, until it says what became of them. */
import { idMeantBy, type IncomingMessage, type Reply } from "@aimessage/sdk/node";

/** Before a message comes again whose reader wants that, if it does not say when. Milliseconds. */
const RETRY_MS = 1_000;

/** A reader's word on a message. */
export type Word =
  | { kind: "handled"; reply?: Reply }
  | { kind: "failed"; reason?: string | undefined }
  | { kind: "retry"; reason?: string | undefined; afterMs?: number | undefined };

export class Desk {
  readonly #waiting = new Map<string, { message: IncomingMessage; free: (word: Word) => void }>();

  /** Resolves when the reader's word on a message is on disk; to undefined if it is given back without one. */
  wait(message: IncomingMessage, signal: AbortSignal): Promise<Word | undefined> {
    return new Promise((resolve) => {
      const done = (word?: Word): void => {
        this.#waiting.delete(message.id);
        signal.removeEventListener("abort", givenBack);
        resolve(word);
      };
      const givenBack = (): void => done();
      this.#waiting.set(message.id, { message, free: done });
      signal.addEventListener("abort", givenBack);
      if (signal.aborted) done();
    });
  }

  /** Settles a message that waits here, by its id or the beginning of it. @returns whether it does @throws AgentError usage */
  async say(id: string, word: Word): Promise<boolean> {
    const waiting = this.#waiting.get(idMeantBy(id, this.#waiting.keys()));
    if (waiting === undefined) return false;
    await settle(waiting.message, word);
    waiting.free(word);
    return true;
  }
}

export function settle(message: IncomingMessage, word: Word): Promise<void> {
  if (word.kind === "handled") return message.handled(word.reply);
  if (word.kind === "failed") return message.failed(word.reason ?? "failed");
  // A reader that has failed says so.
  return message.retry(word.reason ?? "its reader wants it again", word.afterMs ?? RETRY_MS, { counts: false });
}
