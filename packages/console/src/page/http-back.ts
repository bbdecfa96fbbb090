/** The port over HTTP, to the process of this machine that has opened the agents. */
import type { Given } from "../back/methods.ts";
import {
  type Answers,
  type Back,
  BackError,
  ENDED,
  type FileAsked,
  type FileGiven,
  type Method,
  type Problem,
} from "../back/port.ts";
import { sharedChanges } from "./shared-changes.ts";

/** Where this tab has its token; another tab has another one. */
const TOKEN = "aimessage token";
/** Nothing was heard of the server for so long, though it says something sooner. Milliseconds. */
const SILENT_MS = 40_000;

export class HttpBack implements Back {
  readonly #token: string;
  /** The console has ended. Whoever has its port now is told nothing. */
  #isOver = false;

  private constructor(token: string) {
    this.#token = token;
  }

  /** Takes the code out of the address, where it has been for a moment, and has it exchanged. @throws BackError */
  static async open(): Promise<HttpBack> {
    const code = location.hash.slice(1);
    if (code !== "" && !code.startsWith("/")) {
      history.replaceState(null, "", location.pathname);
      const { token } = (await answerOf(
        await fetch("/api/session", { method: "POST", body: JSON.stringify({ code }) }).catch(away),
      )) as { token: string };
      sessionStorage.setItem(TOKEN, token);
    }
    const token = sessionStorage.getItem(TOKEN);
    if (token !== null) return new HttpBack(token);
    throw new BackError({
      code: "unauthorized",
      message: "this page was not opened by the console's own link",
      hint: "run: aimessage console",
    });
  }

  async call<M extends Method>(method: M, given: Given<M>, files: FileGiven[] = []): Promise<Answers[M]> {
    const uploads = files.map((file) => ({ file, id: crypto.randomUUID() }));
    const named = uploads.map(({ id, file: { name, type } }) => ({ id, name, type }));
    const answer = this.#fetch(`/api/${method}`, { body: JSON.stringify({ given, files: named }) });
    const answered = new AbortController();
    // What the message says of them is heard from its own answer, and then nobody takes any more of them.
    for (const upload of uploads) void this.#upload(upload, answered.signal);
    try {
      return ((await answerOf(await answer)) as { answer: Answers[M] }).answer;
    } finally {
      answered.abort();
    }
  }

  async file(asked: FileAsked): Promise<Blob> {
    const response = await this.#fetch("/api/file", { body: JSON.stringify(asked) });
    if (!response.ok) await answerOf(response);
    return response.blob().catch(() => {
      throw new BackError({
        code: "bad_file",
        message: "the file broke off before it was whole",
        hint: "it may not be what its sender has described, or the relay or the console has gone: try it again",
      });
    });
  }

  changes(signal: AbortSignal): AsyncGenerator<string, void, undefined> {
    return this.#untilItEnds(sharedChanges((until) => this.#changes(until), signal));
  }

  async *#untilItEnds(changes: AsyncIterable<string>): AsyncGenerator<string, void, undefined> {
    try {
      yield* changes;
    } catch (error) {
      if (error instanceof BackError && error.code === ENDED) {
        this.#isOver = true;
        sessionStorage.removeItem(TOKEN);
      }
      throw error;
    }
  }

  async *#changes(signal: AbortSignal): AsyncGenerator<string, void, undefined> {
    const silence = new AbortController();
    const until = AbortSignal.any([signal, silence.signal]);
    const response = await this.#fetch("/api/changes", { method: "GET", signal: until }).catch(over);
    if (!response.ok) await answerOf(response);
    if (response.body === null) over();
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const timer = setTimeout(() => silence.abort(), SILENT_MS);
      const { done, value = "" } = await reader
        .read()
        .catch(over)
        .finally(() => clearTimeout(timer));
      if (done) over();
      const lines = (rest + value).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        const { agent } = JSON.parse(line) as { agent: string | null };
        if (agent !== null) yield agent;
      }
    }
  }

  async #upload({ file: { blob }, id }: { file: FileGiven; id: string }, signal: AbortSignal): Promise<void> {
    await this.#fetch(`/api/upload?id=${id}`, { body: blob, signal }).catch(() => undefined);
  }

  async #fetch(path: string, init: RequestInit): Promise<Response> {
    if (this.#isOver) over();
    const headers = { authorization: `Bearer ${this.#token}` };
    return fetch(path, { method: "POST", ...init, headers, cache: "no-store", credentials: "omit" }).catch(away);
  }
}

/** What a failure of the connection means, unless it was broken off here. */
function failing(problem: Problem): (cause: unknown) => never {
  return (cause) => {
    if (cause instanceof DOMException && cause.name === "AbortError") throw cause;
    throw new BackError(problem);
  };
}

const away = failing({
  code: "away",
  message: "the console does not answer",
  hint: "it may have been ended: run aimessage console again",
});

/** Of the connection that is always there: when the console's end closes it, that has ended. A port that is free then may be another's. */
const over: (cause?: unknown) => never = failing({
  code: ENDED,
  message: "the console has ended",
  hint: "run: aimessage console",
});

async function answerOf(response: Response): Promise<unknown> {
  const value = (await response.json().catch(away)) as { error?: Problem };
  if (response.ok) return value;
  throw new BackError(value.error ?? { code: "internal", message: `the console has answered ${response.status}` });
}
