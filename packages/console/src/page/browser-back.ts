import { type Agent, fileToSend } from "@aimessage/sdk/browser";
import { AgentsBack, MOST_FILE_BYTES } from "../back/agents-back.ts";
import type { Given } from "../back/methods.ts";
import { type Answers, type Back, BackError, type FileAsked, type FileGiven, type Method } from "../back/port.ts";
import { problemOf } from "../back/problems.ts";

/** A file lies in the browser's file system until its download is surely over. Milliseconds. */
const KEPT_MS = 600_000;
/** Where it is written down what lies there, for the case that this page is closed before. */
const SAVED = "aimessage saved";

interface Saved {
  agent: string;
  path: string;
  at: number;
}

/** The port over agents of this page. */
export class BrowserBack extends AgentsBack implements Back {
  call<M extends Method>(method: M, given: Given<M>, files: FileGiven[] = []): Promise<Answers[M]> {
    const sent = files.map(({ blob, name }) => fileToSend(blob, name));
    return this.answer(method, given, sent.length === 0 ? {} : { files: sent });
  }

  /** Whole and verified on the browser's disk, of which nothing is in memory. */
  async file(asked: FileAsked): Promise<Blob> {
    try {
      const agent = (await this.agentOf(asked.agent)) as Agent;
      await this.#removeOld(asked.agent, agent);
      const path = await (await this.fileOf(asked)).save("", { maxBytes: MOST_FILE_BYTES });
      keep((all) => [...all, { agent: asked.agent, path, at: Date.now() }]);
      setTimeout(() => void this.#removeOld(asked.agent, agent), KEPT_MS + 1_000);
      const file = await agent.savedFile(path);
      if (file === undefined) throw new Error("the browser has removed the file");
      // A page that is told another type might be shown it.
      return file.slice(0, file.size, "application/octet-stream");
    } catch (error) {
      throw new BackError(problemOf(error));
    }
  }

  async #removeOld(name: string, agent: Agent): Promise<void> {
    const isOld = (saved: Saved): boolean => saved.agent === name && Date.now() - saved.at > KEPT_MS;
    for (const { path } of read().filter(isOld)) await agent.removeSaved(path).catch(() => undefined);
    keep((all) => all.filter((saved) => !isOld(saved)));
  }
}

function read(): Saved[] {
  try {
    return JSON.parse(localStorage.getItem(SAVED) ?? "[]") as Saved[];
  } catch {
    return [];
  }
}

function keep(change: (all: Saved[]) => Saved[]): void {
  localStorage.setItem(SAVED, JSON.stringify(change(read())));
}
