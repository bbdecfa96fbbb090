/** The console's server: its page, and what that asks of the agents of this machine. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { pipeline } from "node:stream/promises";
import { type AgentsBack, type GivenFiles, methods } from "@aimessage/console/back";
import { PAGE_HEADERS, type PageFiles } from "@aimessage/sdk/program";
import * as z from "zod/mini";
import { answer, failure, type LocalServer, serveLocally } from "./local.ts";
import { isOurs, Pass } from "./pass.ts";
import { Uploads } from "./uploads.ts";

/** What a request may bring that is no file: a body of a message, four bytes a character. */
const MOST_BYTES = 64 * 1024 * 1024;
const MOST_SESSION_BYTES = 1_000;
/** How long may be between two pieces of what is to be exchanged for a token. Milliseconds. */
const SESSION_MS = 5_000;
/** A page that is told nothing for so long is told that nothing has changed. Milliseconds. */
const ALIVE_MS = 15_000;

const Session = z.strictObject({ code: z.string().check(z.maxLength(200)) });
const FileAsked = z.strictObject({
  agent: z.string(),
  id: z.string(),
  index: z.int().check(z.nonnegative(), z.maximum(100)),
});
const UploadId = z.string().check(z.regex(/^[\w-]{16,64}$/));
const Upload = z.strictObject({
  id: UploadId,
  name: z.string().check(z.minLength(1), z.maxLength(300)),
  type: z.string().check(z.maxLength(128)),
});
/** A call: what the method takes, and the files that go with it. */
const Call = z.strictObject({ given: z.unknown(), files: z.optional(z.array(Upload).check(z.maxLength(16))) });

export interface ConsoleServer extends LocalServer {
  /** What the owner opens, by each of its names: good once. Others each time that they are asked for behind a use. */
  links(): string[];
  /** Called when a link was used. */
  onUse(listener: () => void): void;
}

/** @param port 0: any that is free @throws UsageError if somebody has that port */
export async function serveConsole(back: AgentsBack, page: PageFiles, port = 0): Promise<ConsoleServer> {
  const pass = new Pass();
  const uploads = new Uploads();
  const ended = new AbortController();
  const used = new Set<() => void>();
  const server = await serveLocally(page, { port, api: respond, ownName: true });

  async function respond(asked: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (!isOurs(request)) throw failure("forbidden", "only the console's own page may ask");
    if (asked === "session") return session(request, response);
    if (!pass.has(request)) throw failure("unauthorized", "this tab may not ask any more", "open the console again");
    if (asked === "changes") return changes(response);
    if (request.method !== "POST") throw failure("forbidden", "this is asked for by POST");
    if (asked === "upload") return upload(request, response);
    if (asked === "file") return file(request, response);
    return call(asked, request, response);
  }

  async function session(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method !== "POST") throw failure("forbidden", "this is asked for by POST");
    // Anybody of this machine may come as far as this.
    request.setTimeout(SESSION_MS, () => request.destroy());
    const { code } = parsed(Session, await bodyOf(request, MOST_SESSION_BYTES));
    request.setTimeout(0);
    const token = pass.exchange(code);
    if (token === undefined) throw failure("unauthorized", "this link was used before", "open the console again");
    for (const listener of used) listener();
    answer(response, 200, { token });
  }

  async function call(method: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (!Object.hasOwn(methods, method)) throw failure("unknown_path", `there is no method ${method}`);
    const { given, files = [] } = parsed(Call, await bodyOf(request));
    const more: GivenFiles = { signal: endOf(response) };
    if (files.length > 0)
      more.files = files.map(({ id, name, type }) => ({
        stream: uploads.take(id),
        name,
        ...(type === "" ? {} : { type }),
      }));
    const over = uploads.expect(files.map(({ id }) => id));
    try {
      answer(response, 200, { answer: await back.answer(method as keyof typeof methods, given, more) });
    } finally {
      over();
    }
  }

  async function upload(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const id = parsed(UploadId, new URLSearchParams(request.url?.split("?")[1]).get("id"));
    if (await uploads.bring(id, request)) return answer(response, 200, {});
    throw failure("internal", "the message of this file has not come");
  }

  async function file(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const asked = parsed(FileAsked, await bodyOf(request));
    const { stream, bytes } = await back.stream(asked, endOf(response));
    // A page that is told another type might be shown it.
    const headers = { ...PAGE_HEADERS, "content-type": "application/octet-stream" };
    const pieces = stream[Symbol.asyncIterator]();
    // What is wrong from the start can be said.
    const first = await pieces.next();
    response.writeHead(200, { ...headers, "content-length": bytes });
    // From the first piece on there is no way to say what is wrong but to break off: the page takes nothing that is not whole.
    await pipeline(async function* () {
      if (first.done !== true) yield first.value;
      yield* { [Symbol.asyncIterator]: () => pieces };
    }, response);
  }

  async function changes(response: ServerResponse): Promise<void> {
    response.writeHead(200, { ...PAGE_HEADERS, "content-type": "application/x-ndjson" });
    response.flushHeaders();
    const tell = (agent: string | null): boolean => response.write(`${JSON.stringify({ agent })}\n`);
    const alive = setInterval(() => tell(null), ALIVE_MS);
    try {
      for await (const agent of back.changes(AbortSignal.any([endOf(response), ended.signal]))) tell(agent);
    } finally {
      clearInterval(alive);
      response.end();
    }
  }

  return {
    origins: server.origins,
    links: () => server.origins.map((origin) => `${origin}/#${pass.code}`),
    onUse: (listener) => void used.add(listener),
    [Symbol.asyncDispose]: async () => {
      ended.abort();
      await server[Symbol.asyncDispose]();
    },
  };
}

/** Aborted when nobody waits for an answer any more. */
function endOf(response: ServerResponse): AbortSignal {
  const end = new AbortController();
  response.once("close", () => end.abort());
  return end.signal;
}

async function bodyOf(request: IncomingMessage, most = MOST_BYTES): Promise<unknown> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of request) {
    bytes += (piece as Buffer).length;
    if (bytes > most) throw failure("too_large", "the request is too large");
    pieces.push(piece as Buffer);
  }
  try {
    return JSON.parse(Buffer.concat(pieces).toString("utf8")) as unknown;
  } catch {
    throw failure("usage", "the request is no JSON");
  }
}

function parsed<T extends z.ZodMiniType>(schema: T, value: unknown): z.infer<T> {
  const result = schema.safeParse(value);
  if (!result.success) throw failure("usage", result.error.issues[0]?.message ?? "the request is not one");
  return result.data;
}
