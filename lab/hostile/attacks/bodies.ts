import { randomBytes } from "node:crypto";
import { Conversation } from "../conversation.ts";
import { type Attack, besiege, insist, victimOf } from "../foe.ts";

const BYTES = 500_000;

/** Strangers who write large messages that are quite in order. */
export const bodies: Attack = (target, signal) => {
  const body = randomBytes(BYTES);
  return besiege(target, { name: "large", accounts: 4, from: ["127.0.1.9"] }, signal, async (socket, foe, index) => {
    const conversation = await Conversation.open(foe, socket, victimOf(target, index), signal);
    for (let counter = 1; !signal.aborted && !socket.closed; counter++) {
      const { id, message } = await conversation.encrypt({ type: "message", counter }, body);
      const answer = await insist(socket, conversation.frame(id, message), signal);
      if (answer.type === "error") break;
    }
  });
};
