import { type Attack, besiege, victimOf } from "../foe.ts";
import { openJunk } from "./mailbox.ts";

/** Conversations that are opened by junk, one after the other. */
export const welcomes: Attack = (target, signal) =>
  besiege(target, { name: "junk", accounts: 10, from: ["127.0.1.4"] }, signal, async (socket, foe, index) => {
    while (!signal.aborted && !socket.closed) await openJunk(foe, socket, victimOf(target, index), signal);
  });
