/** A server for browsers of this machine: on its loopback addresses alone, by no other name, with the page's files and what that may ask for. */
import { randomBytes } from "node:crypto";
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { BackError, type Problem, problemOf } from "@aimessage/console/back";
import { PAGE_HEADERS, type PageFiles } from "@aimessage/sdk/program";
import { UsageError } from "../errors.ts";

const HOST = "127.0.0.1";
const HOST_6 = "::1";
const API = "/api/";
const STATUS: Record<string, number> = { forbidden: 403, unknown_path: 404, unauthorized: 401, too_large: 413 };

/** What a request may have of headers: pages of other ports set cookies, which browsers send here, too. Bytes. */
const MOST_HEADERS = 1024 * 1024;
/** How long one may take for its headers. Milliseconds. */
const HEADERS_MS = 10_000;
/** Whoever holds more of them, be it another user of this machine, must not take the process its files. */
const MOST_CONNECTIONS = 256;
/** A port that somebody has at one of the two loopback addresses is not taken at the other one. */
const TRIES = 20;

export interface LocalServer extends AsyncDisposable {
  /** By its own name if it has one, and by the address. */
  origins: readonly [string, ...string[]];
}

/** Does what the page asks for; `name` is what it asked for. What is thrown is the answer. */
type Api = (name: string, request: IncomingMessage, response: ServerResponse) => Promise<void>;

interface LocalOptions {
  /** 0: any that is free. */
  port: number;
  api?: Api;
  /**
   * Under a name that nobody had before and nobody will have (RFC 6761, section 6.3). What a browser has kept of an address and a port belongs
   * to whoever had them before, too: files, cookies, and scripts that answer in a server's stead.
   */
  ownName?: boolean;
}

/** @throws UsageError if somebody has that port */
export async function serveLocally(
  page: PageFiles,
  { port, api, ownName = false }: LocalOptions,
): Promise<LocalServer> {
  const name = ownName ? `${randomBytes(16).toString("hex")}.localhost` : undefined;
  let hosts: string[] = [];
  const listener = (request: IncomingMessage, response: ServerResponse): void => {
    respond(request, response).catch((error: unknown) => refuse(response, error));
  };

  async function respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url ?? "").split("?")[0] ?? "";
    if (!hosts.includes(request.headers.host ?? "")) throw failure("forbidden", "this console has another name");
    if (api !== undefined && path.startsWith(API)) return api(path.slice(API.length), request, response);
    if (request.method !== "GET" && request.method !== "HEAD") throw failure("forbidden", "pages are only read");
    if (!page.answer(path, response)) throw failure("unknown_path", `there is no ${path}`);
  }

  const servers = await listen(listener, port, ownName);
  const { port: given } = servers[0].address() as AddressInfo;
  hosts = [...(name === undefined ? [] : [`${name}:${given}`]), `${HOST}:${given}`];
  return {
    origins: hosts.map((host) => `http://${host}`) as [string, ...string[]],
    [Symbol.asyncDispose]: async () => {
      for (const server of servers) {
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
      }
    },
  };
}

/** At both loopback addresses, where there are both: browsers try them one after the other. */
async function listen(listener: RequestListener, port: number, both: boolean): Promise<[Server, ...Server[]]> {
  for (let tries = 1; ; tries++) {
    const server = await listenAt(HOST, port, listener);
    if (!both) return [server];
    const { port: given } = server.address() as AddressInfo;
    try {
      return [server, await listenAt(HOST_6, given, listener)];
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "EADDRNOTAVAIL" || code === "EAFNOSUPPORT") return [server];
      server.close();
      if (!(error instanceof UsageError) || port !== 0 || tries === TRIES) throw error;
    }
  }
}

async function listenAt(host: string, port: number, listener: RequestListener): Promise<Server> {
  const server = createServer(
    { maxHeaderSize: MOST_HEADERS, headersTimeout: HEADERS_MS, connectionsCheckingInterval: HEADERS_MS / 2 },
    listener,
  );
  server.maxConnections = MOST_CONNECTIONS;
  // A file may take long, and waits for those before it.
  server.requestTimeout = 0;
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      const taken = new UsageError(`port ${port} is taken`, "choose another one by --port");
      reject(error.code === "EADDRINUSE" ? taken : error);
    });
    server.listen(port, host, resolve);
  });
  return server;
}

export function failure(code: string, message: string, hint?: string): BackError {
  return new BackError({ code, message, ...(hint === undefined ? {} : { hint }) });
}

export function answer(
  response: ServerResponse,
  status: number,
  value: unknown,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { ...PAGE_HEADERS, ...headers, "content-type": "application/json" });
  response.end(JSON.stringify(value));
}

function refuse(response: ServerResponse, error: unknown): void {
  if (response.headersSent) return void response.destroy();
  const problem: Problem = problemOf(error);
  // What was not read of the request would be read as the next.
  answer(response, STATUS[problem.code] ?? 400, { error: problem }, { connection: "close" });
}
