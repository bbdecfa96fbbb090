import type { Server } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import type { Connection } from "./socket/connection.ts";

/** How long requests that have begun, and closing handshakes, may take. */
const PATIENCE_MS = 2000;

/** Takes no more, answers what has begun, closes every connection with 1001. */
export async function shutDown(server: Server, connections: Set<Connection>): Promise<void> {
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

async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  while (!condition() && performance.now() < deadline) await delay(5);
}
