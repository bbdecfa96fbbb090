import { Conversation } from "../conversation.ts";
import { type Attack, besiege, insist, victimOf } from "../foe.ts";

const STEP = 399;

/** Receipts whose counters leave as large a gap as is not given up. */
export const gaps: Attack = (target, signal) =>
  besiege(target, { name: "gaps", accounts: 1, from: ["127.0.1.8"] }, signal, async (socket, foe, index) => {
    const conversation = await Conversation.open(foe, socket, victimOf(target, index + 1), signal);
    for (let counter = 1; !signal.aborted && !socket.closed; counter += STEP) {
      const { id, message } = await conversation.encrypt({ type: "receipt", counter }, Buffer.from("{}"));
      const answer = await insist(socket, conversation.frame(id, message), signal);
      if (answer.type === "error") break;
    }
  });
