import { type Attack, enlist, login, persist } from "../foe.ts";
import { openJunk } from "./mailbox.ts";

const ACCOUNTS = 10;

/** Conversations that are opened by junk, one after the other. */
export const welcomes: Attack = async (target, signal) => {
  await Promise.all(
    Array.from({ length: ACCOUNTS }, async (_, index) => {
      const foe = await enlist(target, `junk-${target.run}-${index}`, "127.0.1.4", signal);
      await persist(signal, async () => {
        const socket = await login(target, foe);
        while (!signal.aborted && !socket.closed) await openJunk(foe, socket, target.victim, signal);
        await socket.close();
      });
    }),
  );
};
