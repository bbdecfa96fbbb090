/** Saves the files of messages, beside whatever is done for these: again and again, until each is there. */
import { setTimeout as delay } from "node:timers/promises";
import { type Agent, AgentError, type Message } from "@aimessage/sdk/node";
import { print } from "./orders.ts";
import { RETRY_MS } from "./patience.ts";

/** Another try of all that is not there yet. Milliseconds. */
const AGAIN_MS = 500;
/** What may pass: a relay that is away, a disk that is full, a file that is sent again. */
const PASSING = new Set(["file_failed", "relay_unreachable", "disk_full", "store_busy", "home_unwritable"]);
const OURS = /^agent\d/;

export class Files {
  readonly #agent: Agent;
  readonly #folder: string;
  /** Ids of messages that may have files which are not there yet. */
  readonly #open = new Set<string>();

  constructor(agent: Agent, folder: string) {
    this.#agent = agent;
    this.#folder = folder;
  }

  add({ id, files }: Pick<Message, "id" | "files">): void {
    if (files.length > 0) this.#open.add(id);
  }

  /** Whoever was here before may have died on the way. */
  async run(signal: AbortSignal): Promise<void> {
    try {
      for (const entry of await this.#agent.inbox()) if (OURS.test(entry.from)) this.add(entry);
      while (!signal.aborted) {
        for (const id of this.#open) if (await this.#save(id, signal)) this.#open.delete(id);
        await delay(AGAIN_MS, undefined, { signal });
      }
    } catch (error) {
      if (!signal.aborted && !(error instanceof AgentError && error.code === "closed")) throw error;
    }
  }

  /** @returns whether all of it is there, or never will be */
  async #save(id: string, signal: AbortSignal): Promise<boolean> {
    try {
      const message = await this.#agent.message(id);
      for (const file of message.files)
        print({ kind: "saved", id: message.peerId, path: await file.save(this.#folder, { signal }) });
      return true;
    } catch (error) {
      if (signal.aborted) return false;
      const { code } = error as AgentError;
      // A store that was put back may not know it any more.
      if (code === "unknown_message") return true;
      if (!PASSING.has(code)) throw error;
      await delay(RETRY_MS);
      return false;
    }
  }
}
