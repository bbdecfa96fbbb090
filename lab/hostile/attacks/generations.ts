import { Conversation } from "../conversation.ts";
import { type Attack, besiege, frames, pour, victimOf } from "../foe.ts";

const AHEAD = 1_900;

/** One ciphertext of a far generation, again and again under new ids: the recipient winds its ratchet for each. */
export const generations: Attack = (target, signal) =>
  besiege(target, { name: "ahead", accounts: 1, from: ["127.0.1.7"] }, signal, async (socket, foe, index) => {
    const conversation = await Conversation.open(foe, socket, victimOf(target, index), signal);
    let last = { id: "", message: "" };
    for (let counter = 1; counter <= AHEAD && !signal.aborted; counter++)
      last = await conversation.encrypt({ type: "message", counter }, Buffer.alloc(16));
    const repeats = frames((id) => conversation.frame(`${conversation.id.slice(0, 20)}-${id}`, last.message));
    await pour(socket, repeats, signal);
  });
