import { randomBytes } from "node:crypto";
import { Conversation } from "../conversation.ts";
import { type Attack, enlist, insist, login, persist } from "../foe.ts";

const STRANGERS = 4;
const BYTES = 500_000;

/** Strangers who write large messages that are quite in order. */
export const bodies: Attack = async (target, signal) => {
  const body = randomBytes(BYTES);
  await Promise.all(
    Array.from({ length: STRANGERS }, async (_, index) => {
      const foe = await enlist(target, `large-${target.run}-${index}`, "127.0.1.9", signal);
      await persist(signal, async () => {
        const socket = await login(target, foe);
        const conversation = await Conversation.open(target, foe, socket, signal);
        for (let counter = 1; !signal.aborted && !socket.closed; counter++) {
          const { id, message } = await conversation.encrypt({ type: "message", counter }, body);
          const answer = await insist(socket, conversation.frame(id, message), signal);
          if (answer.type === "error") break;
        }
        await socket.close();
      });
    }),
  );
};
