/** The files of a message before its command begins: where they are, or what becomes of the message without them. */
import type { IncomingMessage } from "@aimessage/sdk/node";
import { isGone, type SavedFile, wordOf } from "../saving.ts";
import type { Ended } from "./work.ts";

/** What its sender has to send again is waited for so long: an upload may take hours. Milliseconds. */
const OWED_MS = 12 * 3_600_000;
/** What another attempt does not change. */
const FOR_GOOD = new Set(["too_large", "file_changed"]);
/** What a sender hears of, and sends again if it has it. */
const OWED = new Set(["file_damaged", "file_expired"]);

export class FilesFirst {
  readonly #save: (message: IncomingMessage, signal: AbortSignal) => Promise<readonly SavedFile[]>;
  /** Since when the senders of messages owe something (`performance.now()`). */
  readonly #owed = new Map<string, number>();

  constructor(save: (message: IncomingMessage, signal: AbortSignal) => Promise<readonly SavedFile[]>) {
    this.#save = save;
  }

  /** @returns the paths of those that are there: all, but for what was there before and was taken away since */
  async of(message: IncomingMessage, signal: AbortSignal): Promise<string[] | Ended> {
    if (message.files.length === 0) return [];
    try {
      const files = await this.#save(message, signal);
      const missing = files.find(({ error }) => error !== undefined && !isGone(error));
      const ended = missing === undefined ? undefined : this.#without(message, missing);
      if (ended?.kind !== "again") this.#owed.delete(message.id);
      return ended ?? files.flatMap(({ path }) => path ?? []);
    } catch (error) {
      if (signal.aborted) return { kind: "given up" };
      throw error;
    }
  }

  /** No failure of the command: it has not begun. */
  #without({ id }: IncomingMessage, { name, error }: SavedFile): Ended {
    const word = error === undefined ? "" : wordOf(error);
    const reason = `${name} could not be saved: ${word.replaceAll("_", " ")}`;
    if (FOR_GOOD.has(word)) return { kind: "never", reason };
    if (OWED.has(word)) {
      const since = this.#owed.get(id) ?? performance.now();
      if (performance.now() - since > OWED_MS) return { kind: "never", reason };
      this.#owed.set(id, since);
    }
    return { kind: "again", reason, counts: false };
  }
}
