import type { Server } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import type { Connection } from "./socket/connection.ts";

/** How long requests that have begun, and closing handshakes, may take. */
const PATIENCE_MS = 2000;

/** Of a cluster's relay, so many at a time: all at once would be a storm of logins at the others. */
const PART = 20;
const BETWEEN_MS = 250;
/** What all of them together may take for requests that have begun: where the store is away none comes to rest. */
const HAND_OVER_MS = 5_000;

/**
 * Takes no more, answers what has begun, closes every connection with 1001.
 * @param drain Of a relay that is one of several: it goes on for so many milliseconds, until balancers lead to others
 */
export async function shutDown(server: Server, connections: Set<Connection>, drain?: number): Promise<void> {
  if (drain !== undefined && connections.size > 0) await handOver(connections, drain);
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  for (const connection of connections) connection.stopReading();
  await until(() => [...connections].every((connection) => connection.isIdle));
  for (const connection of connections) connection.goAway();
  await until(() => connections.size === 0);
  for (const connection of connections) connection.terminate();
  server.closeAllConnections();
  await closed;
}

/** Has clients go to other relays, some after the others. */
async function handOver(connections: Set<Connection>, drain: number): Promise<void> {
  await delay(drain);
  const end = performance.now() + HAND_OVER_MS;
  const all = [...connections];
  const size = Math.ceil(all.length / PART);
  for (let first = 0; first < all.length; first += size) {
    const some = all.slice(first, first + size);
    for (const connection of some) connection.stopReading();
    await until(() => some.every((connection) => connection.isIdle), end);
    for (const connection of some) connection.goAway();
    if (first + size < all.length) await delay(BETWEEN_MS);
  }
}

async function until(condition: () => boolean, end = Infinity): Promise<void> {
  const deadline = Math.min(end, performance.now() + PATIENCE_MS);
  while (!condition() && performance.now() < deadline) await delay(5);
}
