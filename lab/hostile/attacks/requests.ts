import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { type Attack, persist } from "../foe.ts";

const SOCKETS = 2_000;
const AGAIN_MS = 1_000;

/** As many connections as there may be of one address, each kept by a request now and then. */
export const requests: Attack = async (target, signal) => {
  const request = "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";
  await Promise.all(
    Array.from({ length: SOCKETS }, () =>
      persist(signal, async () => {
        const socket = connect({ port: target.port, host: "127.0.0.1", localAddress: "127.0.1.5" });
        socket.on("error", () => {});
        socket.resume();
        try {
          await once(socket, "connect", { signal });
          while (!signal.aborted && !socket.destroyed) {
            socket.write(request);
            await delay(AGAIN_MS);
          }
        } finally {
          socket.destroy();
        }
      }),
    ),
  );
};
