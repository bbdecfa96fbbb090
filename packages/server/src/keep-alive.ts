import type { Connection } from "./connection.ts";
import type { Limits } from "./limits.ts";

/** Pings quiet connections, ends dead ones and those that never log in: one timer for all of them. [P-1.5] */
export function keepAlive(connections: Set<Connection>, limits: Limits): Disposable {
  const { pingInterval, readDeadline, loginTimeout } = limits;
  const timer = setInterval(
    () => {
      const now = performance.now();
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
