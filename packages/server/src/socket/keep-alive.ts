import type { Connection } from "./connection.ts";
import type { Context } from "../context.ts";
import { unread } from "./held.ts";
import type { Limits } from "../config/limits.ts";

/**
 * Pings quiet connections, ends dead ones, those that never log in or end their message, and those that read too little while all hold too
 * much: one timer for all of them. [P-1.5]
 */
export function keepAlive(connections: Set<Connection>, { config: { limits }, unfinished }: Context): Disposable {
  const { pingInterval, readDeadline, loginTimeout } = limits;
  const timer = setInterval(
    () => {
      const now = performance.now();
      endSlowReaders(connections, limits);
      unfinished.endAfter(readDeadline);
      for (const connection of connections) {
        if (now - connection.heardAt > readDeadline) connection.terminate();
        else if (connection.login === undefined && now - connection.openedAt > loginTimeout) connection.terminate();
        else if (now - Math.max(connection.pingedAt, connection.heardAt) >= pingInterval) connection.ping();
      }
    },
    Math.max(10, Math.min(1000, pingInterval / 10)),
  );
  timer.unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

/** Of those that read too little the largest of whoever has most goes first, and not the largest of all: it may be one against many. */
function endSlowReaders(connections: Set<Connection>, limits: Limits): void {
  let bytes = 0;
  for (const connection of connections) bytes += connection.unread;
  if (bytes <= limits.bufferedBytesOfAll) return;
  const all = unread(limits);
  for (const connection of connections) all.hold(connection, connection.unread);
}
