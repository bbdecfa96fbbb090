import { setTimeout as pause } from "node:timers/promises";
import { frameOf } from "../../shared/load-socket.ts";
import { type Attack, besiege } from "../foe.ts";

const ACCOUNTS = 256;
const BYTES = 1_000_000;
const PING_MS = 2_000;
const TEXT = 0x1;
const PING = 0x9;

/** Messages that are never finished, on connections that are kept alive. */
export const fragments: Attack = (target, signal) => {
  const begun = frameOf(TEXT, Buffer.alloc(BYTES, " "), false);
  const ping = frameOf(PING, Buffer.alloc(0));
  return besiege(target, { name: "piece", accounts: ACCOUNTS, from: ["127.0.1.3"] }, signal, async (socket) => {
    socket.write(begun);
    while (!signal.aborted && !socket.closed) {
      await pause(PING_MS);
      socket.write(ping);
    }
  });
};
