import { randomUUID } from "node:crypto";
import { textFrame } from "../../bench/load/socket.ts";
import { Conversation } from "../conversation.ts";
import { type Attack, besiege, pour, victimOf } from "../foe.ts";

const AHEAD = 1_900;

/** One ciphertext of a far generation, again and again under new ids: the recipient winds its ratchet for each. */
export const generations: Attack = (target, signal) =>
  besiege(target, { name: "ahead", accounts: 1, from: ["127.0.1.7"] }, signal, async (socket, foe, index) => {
    const conversation = await Conversation.open(foe, socket, victimOf(target, index), signal);
    let last = { id: "", message: "" };
    for (let counter = 1; counter <= AHEAD && !signal.aborted; counter++)
      last = await conversation.encrypt({ type: "message", counter }, Buffer.alloc(16));
    const again = {
      next: () => ({ value: textFrame(JSON.stringify(conversation.frame(randomUUID(), last.message))) }),
    };
    await pour(socket, again, signal);
  });
