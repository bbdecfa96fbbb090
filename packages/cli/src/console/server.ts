/** The console's server: its page, and what that asks of the agents of this machine. On 127.0.0.1 alone. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type AgentsBack, BackError, type GivenFiles, methods, type Problem, problemOf } from "@aimessage/console/back";
import { PAGE_HEADERS, type PageFiles } from "@aimessage/sdk/program";
import * as z from "zod/mini";
import { isMeantFor, isOurs, Pass } from "./pass.ts";
import { Uploads } from "./uploads.ts";

const HOST = "127.0.0.1";
/** What a request may bring that is no file: a body of a message, four bytes a character. */
const MOST_BYTES = 64 * 1024 * 1024;
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

const STATUS: Record<string, number> = { forbidden: 403, unknown_path: 404, unauthorized: 401, too_large: 413 };

export interface ConsoleServer extends AsyncDisposable {
  origin: string;
  /** What the owner opens: good once. Another one each time that it is asked for behind a use. */
  link(): string;
  /** Called when a link was used. */
  onUse(listener: () => void): void;
}

/** @param port 0: any that is free @throws what the system says */
export async function serveConsole(back: AgentsBack, page: PageFiles, port = 0): Promise<ConsoleServer> {
  const pass = new Pass();
  const uploads = new Uploads();
  const ended = new AbortController();
  const used = new Set<() => void>();
  const server: Server = createServer((request, response) => {
    respond(request, response).catch((error: unknown) => refuse(response, error));
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, HOST, resolve);
  });
  const origin = `http://${HOST}:${(server.address() as AddressInfo).port}`;

  async function respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url ?? "").split("?")[0] ?? "";
    if (!isMeantFor(request.headers.host, origin)) throw failure("forbidden", "this console has another name");
    if (!path.startsWith("/api/")) {
      if (request.method !== "GET" && request.method !== "HEAD") throw failure("forbidden", "pages are only read");
      if (!page.answer(path, response)) throw failure("unknown_path", `there is no ${path}`);
      return;
    }
    if (!isOurs(request, origin)) throw failure("forbidden", "only the console's own page may ask");
    if (path === "/api/session") return session(request, response);
    if (!pass.has(request)) throw failure("unauthorized", "this tab may not ask any more", "open the console again");
    if (path === "/api/changes") return changes(response);
    if (request.method !== "POST") throw failure("forbidden", "this is asked for by POST");
    if (path === "/api/upload") return upload(request, response);
    if (path === "/api/file") return file(request, response);
    return call(path.slice("/api/".length), request, response);
  }

  async function session(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method !== "POST") throw failure("forbidden", "this is asked for by POST");
    const { code } = parsed(Session, await bodyOf(request));
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
    answer(response, 200, { answer: await back.answer(method as keyof typeof methods, given, more) });
  }

  async function upload(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const id = parsed(UploadId, new URL(request.url ?? "", origin).searchParams.get("id"));
    if (await uploads.bring(id, request)) return answer(response, 200, {});
    throw failure("internal", "the message of this file has not come");
  }

  async function file(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const asked = parsed(FileAsked, await bodyOf(request));
    const { stream, bytes } = await back.stream(asked, endOf(response));
    // A page that is told another type might be shown it.
    const headers = { ...PAGE_HEADERS, "content-type": "application/octet-stream" };
    let isBegun = false;
    // From the first piece on there is no way to say what is wrong but to break off: the page takes nothing that is not whole.
    for await (const piece of stream) {
      if (!isBegun) response.writeHead(200, { ...headers, "content-length": bytes });
      isBegun = true;
      if (!response.write(piece))
        await new Promise((resolve) => response.once("drain", resolve).once("close", resolve));
    }
    if (!isBegun) response.writeHead(200, { ...headers, "content-length": 0 });
    response.end();
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
    origin,
    link: () => `${origin}/#${pass.code}`,
    onUse: (listener) => void used.add(listener),
    [Symbol.asyncDispose]: async () => {
      ended.abort();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Aborted when nobody waits for an answer any more. */
function endOf(response: ServerResponse): AbortSignal {
  const end = new AbortController();
  response.once("close", () => end.abort());
  return end.signal;
}

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of request) {
    bytes += (piece as Buffer).length;
    if (bytes > MOST_BYTES) throw failure("too_large", "the request is too large");
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

function failure(code: string, message: string, hint?: string): BackError {
  return new BackError({ code, message, ...(hint === undefined ? {} : { hint }) });
}

function refuse(response: ServerResponse, error: unknown): void {
  if (response.headersSent) return void response.destroy();
  const problem: Problem = problemOf(error);
  // What was not read of the request would be read as the next.
  answer(response, STATUS[problem.code] ?? 400, { error: problem }, { connection: "close" });
}

function answer(response: ServerResponse, status: number, value: unknown, headers: Record<string, string> = {}): void {
  response.writeHead(status, { ...PAGE_HEADERS, ...headers, "content-type": "application/json" });
  response.end(JSON.stringify(value));
}
