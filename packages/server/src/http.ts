import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { relayName } from "@aimessage/sdk/protocol";
import type { Config } from "./config.ts";
import type { Metrics } from "./metrics.ts";

/** The bytes are the original's. [P-10.1] */
const HEALTH = '{"status":"ok","service":"aimessage-server"}';

/** How long a request may take to come in, and how often that is looked at. Milliseconds. */
const TIMES = { headersTimeout: 10_000, requestTimeout: 10_000, connectionsCheckingInterval: 2_000 };
/** Sockets beside those of WebSockets. */
const MORE_SOCKETS = 1_000;

/** The HTTP side of the relay's port. [P-10] */
export function httpServer(config: Config, metrics: Metrics, isReady: () => Promise<boolean>): Server {
  const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    respond(request, response, metrics, isReady).catch(() => response.destroy());
  };
  const { tls, limits } = config;
  const server =
    tls === undefined
      ? createServer(TIMES, onRequest)
      : createTlsServer({ ...TIMES, cert: readFileSync(tls.cert), key: readFileSync(tls.key) }, onRequest);
  // A socket that asks for nothing is no connection yet, but it takes a descriptor of the system, too.
  server.maxConnections = Math.min(limits.maxConnections + MORE_SOCKETS, 2 ** 31 - 1);
  return server;
}

async function respond(
  request: IncomingMessage,
  response: ServerResponse,
  metrics: Metrics,
  isReady: () => Promise<boolean>,
): Promise<void> {
  const path = pathOf(request);
  if (request.method !== "GET" && request.method !== "HEAD") return answer(response, 405, "Method not allowed");
  if (path === "/health") return answer(response, 200, HEALTH, "application/json");
  if (path === "/ready") {
    const ready = await isReady();
    return answer(response, ready ? 200 : 503, `{"status":"${ready ? "ready" : "not_ready"}"}`, "application/json");
  }
  if (path === "/metrics") return answer(response, 200, await metrics.text(), metrics.contentType);
  if (isSocketPath(path)) return answer(response, 426, "Connect here with a WebSocket");
  return answer(response, 404, "Not found");
}

function answer(response: ServerResponse, status: number, body: string, type = "text/plain; charset=utf-8"): void {
  response.writeHead(status, { "content-type": type, "content-length": Buffer.byteLength(body) });
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
  const address = isIP(last) === 0 ? (request.socket.remoteAddress ?? "") : last;
  const mapped = address.replace(/^::ffff:(?=\d+\.)/i, "");
  return isIP(mapped) === 6 ? network(mapped) : mapped;
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
