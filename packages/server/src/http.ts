import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { isLoopback, type WireReason } from "@aimessage/sdk/protocol";
import { PAGE_HEADERS, PageFiles } from "@aimessage/sdk/program";
import type { Config } from "./config/config.ts";
import type { Metrics } from "./metrics.ts";
import { isBlobPath } from "./blobs/http.ts";
import { refuseBy, retryAfter } from "./blobs/respond.ts";
import { allowAnother, isLegible, mayBeFollowed } from "./socket/one-request.ts";
import { isOfThisMachine, isSocketPath, pathOf } from "./socket/request.ts";

/** The bytes are the original's. [P-10.1] */
const HEALTH = '{"status":"ok","service":"aimessage-server"}';

/**
 * How long the head of a request may take to come in, and how often that is looked at; how long a socket may be idle, or a handshake
 * may take. Milliseconds. A socket has one request, unless it is for a file: no program needs a second one, and what is open takes
 * room. Bodies are for those that take files to bound; of all others nothing is read.
 */
const TIMES = {
  headersTimeout: 10_000,
  requestTimeout: 0,
  connectionsCheckingInterval: 2_000,
  keepAliveTimeout: 1_000,
  handshakeTimeout: 10_000,
};

/** Where the console's page is. */
const CONSOLE = "/console";
/** Read when somebody asks for it. */
let page: Promise<PageFiles> | undefined;

/** What keeps a relay from its work, and what keeps it from files alone. */
export interface Hindrances {
  all: () => Promise<WireReason | undefined>;
  files: () => Promise<WireReason | undefined>;
}

/** Answers requests for files. */
export type AnswerFile = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

type Respond = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>;

/** The HTTP side of the relay's port; with TLS it has yet to be given its certificate. `visit` counts a request for its address: 0, or milliseconds to wait. [P-10] */
export function httpServer(
  config: Config,
  metrics: Metrics,
  hindrance: Hindrances,
  visit: (request: IncomingMessage) => number,
  answerFile: AnswerFile,
): Server {
  const unlessTooOften = (request: IncomingMessage, response: ServerResponse, how: () => void | Promise<void>) => {
    const wait = visit(request);
    if (wait === 0) return how();
    response.setHeader("retry-after", retryAfter(wait)["retry-after"]);
    return answer(response, 429, "Rate limit exceeded");
  };
  const respond: Respond = (request, response) => {
    if (isBlobPath(pathOf(request))) {
      const { socket } = request;
      if (isLegible(request)) {
        if (mayBeFollowed(socket)) response.once("finish", () => allowAnother(socket));
        else response.setHeader("connection", "close");
        return answerFile(request, response);
      }
      const wait = visit(request);
      if (wait === 0) return refuseBy(response, "invalid_data", { close: true });
      return refuseBy(response, "rate_limited", { headers: retryAfter(wait), close: true });
    }
    return unlessTooOften(request, response, () => answerOwn(request, response, { config, metrics, hindrance }));
  };
  const server = serverFor(respond, config.tls);
  // By itself Node refuses it, and lets the socket stay.
  server.on("checkExpectation", (request: IncomingMessage, response: ServerResponse) => {
    void unlessTooOften(request, response, () => answer(response, 417, "Expectation failed"));
  });
  return server;
}

/** `/metrics` on a port of its own. On a loopback address only programs of this machine are answered. [P-10.3] */
export function metricsServer(host: string, metrics: Metrics): Server {
  return serverFor((request, response) => {
    if (pathOf(request) !== "/metrics") return answer(response, 404, "Not found");
    if (isLoopback(host) && !isOfThisMachine(request))
      return answer(response, 403, "Only for programs of this machine");
    return answerMetrics(request, response, metrics);
  }, undefined);
}

function serverFor(respond: Respond, tls: Config["tls"]): Server {
  const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    Promise.resolve(respond(request, response)).catch(() => response.destroy());
  };
  const options = { ...TIMES, shouldUpgradeCallback: isForWebSocket };
  const server = tls === undefined ? createServer(options, onRequest) : createTlsServer(options, onRequest);
  server.once("listening", () => server.on("error", () => {}));
  return server;
}

interface Own {
  config: Config;
  metrics: Metrics;
  hindrance: Hindrances;
}

/** An upgrade to anything else is not taken, and the request answered as it is (RFC 9110, section 7.8). */
function isForWebSocket({ headers }: IncomingMessage): boolean {
  return headers.upgrade?.toLowerCase() === "websocket";
}

async function answerOwn(
  request: IncomingMessage,
  response: ServerResponse,
  { config, metrics, hindrance }: Own,
): Promise<void> {
  const path = pathOf(request);
  if (request.method !== "GET" && request.method !== "HEAD") return answer(response, 405, "Method not allowed");
  if (path === "/health") return answer(response, 200, HEALTH, "application/json");
  if (path === "/ready") {
    const reason = await hindrance.all().catch(() => "internal");
    const files = reason === undefined ? await hindrance.files() : undefined;
    const body = JSON.stringify(reason === undefined ? { status: "ready", files } : { status: "not_ready", reason });
    return answer(response, reason === undefined ? 200 : 503, body, "application/json");
  }
  if (path === "/metrics" && config.metrics === undefined) {
    if (isOfThisMachine(request)) return answerMetrics(request, response, metrics);
    return answer(response, 403, "Only for programs of this machine: see --metrics-port");
  }
  if (config.console && (path === CONSOLE || path.startsWith(`${CONSOLE}/`))) return answerPage(path, response);
  if (isSocketPath(path)) return answer(response, 426, "Connect here with a WebSocket");
  return answer(response, 404, "Not found");
}

/** A file of the console's page. */
async function answerPage(path: string, response: ServerResponse): Promise<void> {
  page ??= import("#console-page").then(({ files }) => new PageFiles(files));
  response.setHeader("connection", "close");
  if (path === CONSOLE) response.writeHead(308, { ...PAGE_HEADERS, location: `${CONSOLE}/` }).end();
  else if (!(await page).answer(path.slice(CONSOLE.length), response)) answer(response, 404, "Not found");
}

async function answerMetrics(request: IncomingMessage, response: ServerResponse, metrics: Metrics): Promise<void> {
  if (request.method !== "GET" && request.method !== "HEAD") return answer(response, 405, "Method not allowed");
  return answer(response, 200, await metrics.text(), metrics.contentType);
}

function answer(response: ServerResponse, status: number, body: string, type = "text/plain; charset=utf-8"): void {
  response.writeHead(status, {
    "content-type": type,
    "content-length": Buffer.byteLength(body),
    connection: "close",
  });
  response.end(body);
}
