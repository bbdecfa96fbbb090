import { textFrame } from "../../bench/load/socket.ts";
import { Conversation } from "../conversation.ts";
import { type Attack, enlist, insist, login, persist } from "../foe.ts";

const STEP = 399;

/** Receipts whose counters leave as large a gap as is not given up. */
export const gaps: Attack = async (target, signal) => {
  const foe = await enlist(target, `gaps-${target.run}`, "127.0.1.8", signal);
  const body = Buffer.from("{}");
  await persist(signal, async () => {
    const socket = await login(target, foe);
    const conversation = await Conversation.open(target, foe, socket, signal);
    for (let counter = 1; !signal.aborted && !socket.closed; counter += STEP) {
      const { id, message } = await conversation.encrypt({ type: "receipt", counter }, body);
      const answer = await insist(socket, conversation.frame(id, message), signal);
      if (answer.type === "error") break;
    }
    socket.write(textFrame("{}"));
    await socket.close();
  });
};
