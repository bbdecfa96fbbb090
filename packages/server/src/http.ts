import { isIP } from "node:net";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { isLoopback, relayName, type WireReason } from "@aimessage/sdk/protocol";
import type { Config } from "./config.ts";
import type { Metrics } from "./metrics.ts";

/** The bytes are the original's. [P-10.1] */
const HEALTH = '{"status":"ok","service":"aimessage-server"}';

/**
 * How long a request may take to come in, and how often that is looked at; how long a socket may be idle, or a handshake may
 * take. Milliseconds. A socket has one request: no program needs a second one, and what is open takes room.
 */
const TIMES = {
  headersTimeout: 10_000,
  requestTimeout: 10_000,
  connectionsCheckingInterval: 2_000,
  keepAliveTimeout: 1_000,
  handshakeTimeout: 10_000,
};

type Respond = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>;

/** The HTTP side of the relay's port; with TLS it has yet to be given its certificate. `visit` counts a request for its address: 0, or milliseconds to wait. [P-10] */
export function httpServer(
  config: Config,
  metrics: Metrics,
  hindrance: () => Promise<WireReason | undefined>,
  visit: (request: IncomingMessage) => number,
): Server {
  const respond: Respond = (request, response) => {
    const wait = visit(request);
    if (wait === 0) return answerOwn(request, response, config, metrics, hindrance);
    response.setHeader("retry-after", Math.ceil(wait / 1000));
    return answer(response, 429, "Rate limit exceeded");
  };
  return serverFor(respond, config.tls);
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
  server.maxRequestsPerSocket = 1;
  server.once("listening", () => server.on("error", () => {}));
  return server;
}

/** An upgrade to anything else is not taken, and the request answered as it is (RFC 9110, section 7.8). */
function isForWebSocket({ headers }: IncomingMessage): boolean {
  return headers.upgrade?.toLowerCase() === "websocket";
}

async function answerOwn(
  request: IncomingMessage,
  response: ServerResponse,
  config: Config,
  metrics: Metrics,
  hindrance: () => Promise<WireReason | undefined>,
): Promise<void> {
  const path = pathOf(request);
  if (request.method !== "GET" && request.method !== "HEAD") return answer(response, 405, "Method not allowed");
  if (path === "/health") return answer(response, 200, HEALTH, "application/json");
  if (path === "/ready") {
    const reason = await hindrance().catch(() => "internal");
    const body = JSON.stringify(reason === undefined ? { status: "ready" } : { status: "not_ready", reason });
    return answer(response, reason === undefined ? 200 : 503, body, "application/json");
  }
  if (path === "/metrics" && config.metrics === undefined) {
    if (isOfThisMachine(request)) return answerMetrics(request, response, metrics);
    return answer(response, 403, "Only for programs of this machine: see --metrics-port");
  }
  if (isSocketPath(path)) return answer(response, 426, "Connect here with a WebSocket");
  return answer(response, 404, "Not found");
}

async function answerMetrics(request: IncomingMessage, response: ServerResponse, metrics: Metrics): Promise<void> {
  if (request.method !== "GET" && request.method !== "HEAD") return answer(response, 405, "Method not allowed");
  return answer(response, 200, await metrics.text(), metrics.contentType);
}

const FORWARDING = new Set(["forwarded", "via", "x-real-ip"]);

/**
 * Whether a program of this machine asks for what is here: the socket comes from here, the name that it knows is that of this
 * machine (a web page can point its own name here by DNS rebinding), and no proxy has passed it on.
 */
export function isOfThisMachine({ socket, headers }: IncomingMessage): boolean {
  const { host = "" } = headers;
  return (
    isLoopback(socket.remoteAddress ?? "") &&
    URL.canParse(`http://${host}`) &&
    isLoopback(new URL(`http://${host}`).hostname) &&
    !Object.keys(headers).some((name) => FORWARDING.has(name) || name.startsWith("x-forwarded-"))
  );
}

function answer(response: ServerResponse, status: number, body: string, type = "text/plain; charset=utf-8"): void {
  response.writeHead(status, {
    "content-type": type,
    "content-length": Buffer.byteLength(body),
    connection: "close",
  });
  response.end(body);
}

export function pathOf(request: IncomingMessage): string {
  return (request.url ?? "/").split("?", 1)[0] ?? "/";
}

/** The original's README uses both. [P-1.1] */
export function isSocketPath(path: string): boolean {
  return path === "/ws" || path === "/";
}

/**
 * Whether a web page may connect: programs send no origin; pages of the relay's own names and of the configured origins
 * may. Never judged by the Host header, which a page can point here by DNS rebinding. [P-1.4]
 */
export function originAllowed(origin: string | undefined, origins: string[], names: string[]): boolean {
  if (origin === undefined || origins.includes(origin)) return true;
  return URL.canParse(origin) && names.includes(relayName(new URL(origin)));
}

/**
 * Whom limits for each address count: the socket's address, or the one that a trusted proxy has added. Of an IPv6 address the
 * first 64 bits: one customer has all the others (RFC 6177).
 */
export function addressOf(request: IncomingMessage, trustProxy: boolean): string {
  const forwarded = trustProxy ? request.headers["x-forwarded-for"] : undefined;
  const last = withoutPort((Array.isArray(forwarded) ? forwarded.join(",") : forwarded)?.split(",").at(-1) ?? "");
  return countedAddress(isIP(last) === 0 ? (request.socket.remoteAddress ?? "") : last);
}

/** An address as limits count it. */
export function countedAddress(address: string): string {
  const mapped = address.replace(/^::ffff:(?=\d+\.)/i, "");
  return isIP(mapped) === 6 ? network(mapped) : mapped;
}

/** Whom an address counts for where all share something: itself, and of IPv6 the 48 bits that one customer has at most, too (RFC 6177). */
export function networksOf(counted: string): string[] {
  const [first, second, third, fourth] = counted.split(":", 4);
  return fourth === undefined ? [counted] : [counted, `${first}:${second}:${third}::/48`];
}

/** Some proxies write `10.0.0.1:5000`, and `[2001:db8::1]:5000`. */
function withoutPort(address: string): string {
  const [, bracketed, plain] = /^\[([^\]]*)\](?::\d+)?$|^([^:]*):\d+$/.exec(address.trim()) ?? [];
  return bracketed ?? plain ?? address.trim();
}

function network(address: string): string {
  const [head = "", tail] = address.split("::", 2);
  const groups = head === "" ? [] : head.split(":");
  const after = tail === undefined || tail === "" ? [] : tail.split(":");
  if (tail !== undefined) while (groups.length + after.length < 8) groups.push("0");
  return `${[...groups, ...after].slice(0, 4).join(":").toLowerCase()}::/64`;
}
