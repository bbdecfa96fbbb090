import { randomUUID } from "node:crypto";
import { textFrame } from "../../bench/load/socket.ts";
import { Conversation } from "../conversation.ts";
import { type Attack, enlist, login, persist, pour } from "../foe.ts";

const AHEAD = 1_900;

/** One ciphertext of a far generation, again and again under new ids: the recipient winds its ratchet for each. */
export const generations: Attack = async (target, signal) => {
  const foe = await enlist(target, `ahead-${target.run}`, "127.0.1.7", signal);
  await persist(signal, async () => {
    const socket = await login(target, foe);
    const conversation = await Conversation.open(target, foe, socket, signal);
    let last = { id: "", message: "" };
    for (let count = 0; count < AHEAD && !signal.aborted; count++)
      last = await conversation.encrypt({ type: "message", counter: count + 1 }, Buffer.alloc(16));
    const again = {
      next: () => ({ value: textFrame(JSON.stringify(conversation.frame(randomUUID(), last.message))) }),
    };
    await pour(socket, again, signal);
    await socket.close();
  });
};
