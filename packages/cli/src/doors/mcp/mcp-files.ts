/** Files of messages as an assistant has them: by their paths, below a root, and never a byte of them. */
import { setTimeout as delay } from "node:timers/promises";
import type { FilesRoot, IncomingMessage, SendOptions } from "@aimessage/sdk/node";
import { saveAll, type SavedFile } from "../../saving.ts";

/** How long what is not there yet is waited for at least. Milliseconds. */
const LEAST_MS = 500;

/** How long an outcome is kept for whoever was cut off: the next to ask has it tried anew. Milliseconds. */
const KEPT_MS = 60_000;

/** What became of the files of a message that are to be saved, as far as it is known when nobody waits any longer. */
export interface SoFar {
  files?: readonly SavedFile[];
  isSaving?: boolean;
}

interface Saving {
  files: Promise<readonly SavedFile[]>;
  /** `performance.now()`. */
  endedAt?: number;
}

export class McpFiles {
  readonly #root: FilesRoot;
  readonly #end = new AbortController();
  /** They outlive the calls that have begun them: hosts cut calls at some seconds. */
  readonly #running = new Map<string, Saving>();

  constructor(root: FilesRoot) {
    this.#root = root;
  }

  /** @throws AgentError bad_file */
  given(paths: readonly string[] | undefined): Pick<SendOptions, "files"> {
    return paths === undefined ? {} : { files: this.#root.files(paths) };
  }

  /** @param patience Milliseconds. @throws AgentError bad_file, and what ended it */
  async save(message: IncomingMessage, dir: string, patience: number): Promise<SoFar> {
    if (message.files.length === 0) return {};
    const to = this.#root.folder(dir);
    const key = `${message.id} ${to.folder}`;
    const before = this.#running.get(key);
    const isOver = before?.endedAt !== undefined && performance.now() - before.endedAt > KEPT_MS;
    const saving = before === undefined || isOver ? this.#begin(message, to) : before;
    this.#running.set(key, saving);
    const files = await Promise.race([saving.files, delay(Math.max(patience, LEAST_MS))]).catch((error: unknown) => {
      this.#running.delete(key);
      throw error;
    });
    if (files === undefined) return { isSaving: true };
    this.#running.delete(key);
    return { files };
  }

  #begin(message: IncomingMessage, to: { folder: string; root: string }): Saving {
    const saving: Saving = { files: saveAll(message, { ...to, signal: this.#end.signal }) };
    const ended = () => void (saving.endedAt = performance.now());
    saving.files.then(ended, ended);
    return saving;
  }

  /** What is not there yet goes on another time, from where it is left. */
  async end(): Promise<void> {
    this.#end.abort();
    await Promise.allSettled(Array.from(this.#running.values(), ({ files }) => files));
  }
}
