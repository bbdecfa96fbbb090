import { type IncomingMessage, STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import type { Config } from "../config/config.ts";
import { addressOf, isSocketPath, networksOf, originAllowed, pathOf } from "./request.ts";
import { Buckets, SharedBucket } from "./rate-limit.ts";

interface GateOptions {
  names: () => string[];
  /** For one more of an address. */
  hasRoom: (address: string) => boolean;
  /** Told of the address and the HTTP status. */
  onRefused: (address: string, status: number) => void;
}

/** Decides which upgrade requests become connections, and which others are answered. [P-1] */
export function gate(config: Config, { names, hasRoom, onRefused }: GateOptions) {
  const { limits, origins, trustProxy } = config;
  const all = new SharedBucket(limits.connectionsPerSecond, limits.connectionsBurst);
  const each = new Buckets(limits.addressConnectionsPerSecond, limits.addressConnectionsBurst);

  /** Counts a request for anything but a WebSocket. @returns 0, or milliseconds until its address may ask again */
  const visit = (request: IncomingMessage): number => {
    const address = addressOf(request, trustProxy);
    const wait = each.take(address);
    if (wait > 0) onRefused(address, 429);
    return wait;
  };

  /** The client's address, or undefined if the request was refused and the socket closed. */
  const admit = (request: IncomingMessage, socket: Duplex): string | undefined => {
    const address = addressOf(request, trustProxy);
    const { origin } = request.headers;
    const refused = (status: number, text: string, retryAfter?: number): undefined => {
      onRefused(address, status);
      return refuse(socket, status, text, retryAfter);
    };
    if (!isSocketPath(pathOf(request))) return refused(404, "Not found");
    if (!originAllowed(origin, origins, names())) return refused(403, "Origin not allowed");
    const tooMany = (wait: number): undefined => refused(429, "Rate limit exceeded", Math.ceil(wait / 1000));
    // The address first: one that is over its limit must not use up that of all, nor have room looked for again and again.
    const own = each.take(address);
    if (own > 0) return tooMany(own);
    if (!hasRoom(address)) return refused(503, "Too many connections");
    const wait = all.take(networksOf(address));
    return wait > 0 ? tooMany(wait) : address;
  };
  return { admit, visit };
}

export function refuse(socket: Duplex, status: number, text: string, retryAfter?: number): undefined {
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}`,
    "Connection: close",
    "Content-Type: text/plain; charset=utf-8",
    `Content-Length: ${Buffer.byteLength(text)}`,
    ...(retryAfter === undefined ? [] : [`Retry-After: ${retryAfter}`]),
  ];
  // Not `end` alone: a client that keeps its side open would keep the socket for ever, and the relay from ending.
  socket.once("finish", () => socket.destroy());
  socket.end(`${head.join("\r\n")}\r\n\r\n${text}`);
  return undefined;
}
