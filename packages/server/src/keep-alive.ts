import type { Connection } from "./connection.ts";
import type { Limits } from "./limits.ts";
import type { Unfinished } from "./unfinished.ts";

/**
 * Pings quiet connections, ends dead ones, those that never log in or end their message, and those that read too little while all hold too
 * much: one timer for all of them. [P-1.5]
 */
export function keepAlive(connections: Set<Connection>, unfinished: Unfinished, limits: Limits): Disposable {
  const { pingInterval, readDeadline, loginTimeout } = limits;
  const timer = setInterval(
    () => {
      const now = performance.now();
      dropSlowReaders(connections, limits.bufferedBytesOfAll);
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

function dropSlowReaders(connections: Set<Connection>, most: number): void {
  let unread = 0;
  for (const connection of connections) unread += connection.unread;
  if (unread <= most) return;
  for (const connection of [...connections].sort((a, b) => b.unread - a.unread)) {
    if (unread <= most) return;
    unread -= connection.unread;
    connection.drop("slow reader dropped");
  }
}
