import type { Server } from "node:http";
import { expect, test } from "vitest";
import { shutDown } from "../src/shutdown.ts";
import type { Connection } from "../src/socket/connection.ts";

test(
  "a relay whose requests come to no end hands its connections over all the same, soon",
  { tags: ["long"] },
  async () => {
    const server = { close: (done: () => void) => done(), closeIdleConnections() {}, closeAllConnections() {} };
    const connections = new Set<Connection>();
    for (let count = 0; count < 40; count++) {
      const connection = { isIdle: false, stopReading() {}, goAway: () => void connections.delete(left) };
      const left = connection as unknown as Connection;
      connections.add(left);
    }
    const begun = performance.now();
    await shutDown(server as unknown as Server, connections, 0);
    expect(connections.size).toBe(0);
    expect(performance.now() - begun).toBeLessThan(20_000);
  },
);
