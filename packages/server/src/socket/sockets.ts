import type { IncomingMessage, Server } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Config } from "../config/config.ts";
import type { Descriptors } from "./descriptors.ts";
import { refuse } from "./gate.ts";
import { countedAddress, networksOf } from "./request.ts";
import type { Log } from "../log.ts";
import { allowOneRequest } from "./one-request.ts";
import type { Metrics } from "../metrics.ts";
import { Bucket, Buckets } from "./rate-limit.ts";
import { Shares } from "./shares.ts";

/** The largest number that the system takes for it. */
const HUGE = 2 ** 31 - 1;

/** An address that connects so many times as often as it may gets no answer any more: each costs more than a socket. */
const HARSHER = 4;

/** Answers to requests that cannot be read, by what is wrong with them; else 400. */
const STATUS: Record<string, number> = { ERR_HTTP_REQUEST_TIMEOUT: 408, HPE_HEADER_OVERFLOW: 431 };

/** What it needs besides. `left`: what the process may still open. */
interface Beside {
  left: Descriptors | undefined;
  metrics: Metrics;
  log: Log;
}

/** The sockets of the relay's port. */
export interface Sockets {
  /** How many may be WebSockets. */
  readonly most: number;
  /** A socket has become a WebSocket, or takes its time for a file: it is counted elsewhere. @returns what has it counted here again */
  admitted(socket: Duplex): () => void;
  /** There is no room for a connection: that is counted and said. */
  refused(): false;
}

/**
 * Bounds the sockets of the relay's port. One that is no WebSocket has yet to ask for something, or waits for the answer:
 * those are as many as strangers may be, of all and of each address, and the oldest give way to new ones, so that whoever
 * wants a WebSocket comes through. Behind a proxy all have the proxy's address, which has no bound of its own. [P-1.4]
 */
export function boundSockets(server: Server, config: Config, { left, metrics, log }: Beside): Sockets {
  const { maxConnections, strangers, addressStrangers, addressConnectionsPerSecond, addressConnectionsBurst } =
    config.limits;
  server.maxConnections = Math.min(maxConnections + strangers, left?.sockets ?? HUGE, HUGE);
  const mostPlain = Math.min(strangers, Math.ceil(server.maxConnections / 4));
  const most = Math.min(maxConnections, server.maxConnections - mostPlain);
  const plain = new Shares<Socket>({
    most: mostPlain,
    share: addressStrangers,
    ownersOf: ({ remoteAddress }) => (config.trustProxy ? [] : networksOf(countedAddress(remoteAddress ?? ""))),
    between: "oldest",
    end: (socket) => {
      metrics.crowdedOut();
      socket.destroy();
    },
  });
  // Of TLS the server tells the socket beneath here, and the one above it when it is upgraded: both have the same ends. To ask the
  // system for them costs a login as much as all that is counted here.
  const waiting = config.tls === undefined ? undefined : new Map<string, Socket>();
  const doors = new Buckets(HARSHER * addressConnectionsPerSecond, HARSHER * addressConnectionsBurst);
  const [serve] = server.listeners("connection");
  server.removeAllListeners("connection");
  server.on("connection", (socket) => {
    const isFlood = !config.trustProxy && doors.take(countedAddress(socket.remoteAddress ?? "")) > 0;
    if (isFlood) {
      metrics.crowdedOut();
      return void socket.destroy();
    }
    serve?.call(server, socket);
    const name = waiting === undefined ? "" : nameOf(socket);
    waiting?.set(name, socket);
    socket.once("close", () => {
      plain.hold(socket, 0);
      if (waiting?.get(name) === socket) waiting.delete(name);
    });
    return plain.hold(socket, 1);
  });
  server.on(config.tls === undefined ? "connection" : "secureConnection", allowOneRequest);
  // Of a socket that has asked for something what comes behind it may be anything.
  const asked = new WeakMap<Duplex, IncomingMessage>();
  server.prependListener("request", (request: IncomingMessage) => void asked.set(request.socket, request));
  server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
    const request = asked.get(socket);
    // What has begun to come, and ends before it is whole, comes no more.
    if (!socket.writable || request?.complete === false) socket.destroy();
    else if (request === undefined) refuse(socket, STATUS[error.code ?? ""] ?? 400, "Bad request");
  });
  const refused = sayRefused(most, metrics, log, most < maxConnections ? left?.files : undefined);
  server.on("drop", refused);
  // The system's word when it cannot accept one: nobody else hears it, and the next may come through.
  server.once("listening", () => server.on("error", refused));
  return {
    most,
    refused,
    admitted(socket) {
      const name = waiting === undefined ? "" : nameOf(socket as Socket);
      const counted = waiting === undefined ? (socket as Socket) : waiting.get(name);
      waiting?.delete(name);
      if (counted === undefined) return () => {};
      plain.hold(counted, 0);
      return () => {
        // Once it is destroyed nothing tells of it any more, and its name may be another one's.
        if (counted.destroyed) return;
        waiting?.set(name, counted);
        plain.hold(counted, 1);
      };
    },
  };
}

function nameOf({ remoteAddress, remotePort, localAddress }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress}`;
}

/** Connections for which there is no room are counted, and told of once a minute. */
function sayRefused(most: number, metrics: Metrics, log: Log, files: number | undefined): () => false {
  const lines = new Bucket(1 / 60, 1);
  let count = 0;
  const reason = files === undefined ? "see --max-connections" : `it may open ${files} files: raise ulimit -n`;
  return () => {
    metrics.noRoom();
    count += 1;
    if (lines.take() > 0) return false;
    log.warn({ count }, `connections are refused: ${most} are open, and no more can be (${reason})`);
    count = 0;
    return false;
  };
}
