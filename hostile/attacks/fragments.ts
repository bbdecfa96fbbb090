import { frameOf } from "../../bench/load/socket.ts";
import { type Attack, enlist, login, pause, persist } from "../foe.ts";

const ACCOUNTS = 16;
const CONNECTIONS = 16;
const BYTES = 1_000_000;
const PING_MS = 2_000;
const TEXT = 0x1;
const PING = 0x9;

/** Messages that are never finished, on connections that are kept alive. */
export const fragments: Attack = async (target, signal) => {
  const begun = frameOf(TEXT, Buffer.alloc(BYTES, " "), false);
  const ping = frameOf(PING, Buffer.alloc(0));
  await Promise.all(
    Array.from({ length: ACCOUNTS }, async (_, index) => {
      const foe = await enlist(target, `piece-${target.run}-${index}`, "127.0.1.3", signal);
      for (let count = 0; count < CONNECTIONS; count++)
        void persist(signal, async () => {
          const socket = await login(target, foe);
          socket.write(begun);
          while (!signal.aborted && !socket.closed) {
            await pause(PING_MS, signal);
            socket.write(ping);
          }
          await socket.close();
        });
    }),
  );
  await new Promise((resolve) => signal.addEventListener("abort", resolve));
};
