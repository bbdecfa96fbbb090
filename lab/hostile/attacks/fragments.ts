import { setTimeout as delay } from "node:timers/promises";
import { maskedFrame, opcodes } from "../../shared/websocket.ts";
import { type Attack, besiege } from "../foe.ts";

const ACCOUNTS = 256;
const BYTES = 1_000_000;
const PING_MS = 2_000;

/** Messages that are never finished, on connections that are kept alive. */
export const fragments: Attack = (target, signal) => {
  const begun = maskedFrame(opcodes.text, Buffer.alloc(BYTES, " "), { fin: false });
  const ping = maskedFrame(opcodes.ping, Buffer.alloc(0));
  return besiege(target, { name: "piece", accounts: ACCOUNTS, from: ["127.0.1.3"] }, signal, async (socket) => {
    socket.write(begun);
    while (!signal.aborted && !socket.closed) {
      await delay(PING_MS);
      socket.write(ping);
    }
  });
};
