import type { CiphersuiteImpl, ClientState, PrivateMessage } from "ts-mls";
import { decryptSenderData } from "ts-mls/privateMessage.js";
import { secretTreeOf } from "./state.ts";

/** Steps of the sender's ratchet to the generation that a message names, as far as they are taken: fewer than `most`. */
export async function stepsTo(
  suite: CiphersuiteImpl,
  state: ClientState,
  message: PrivateMessage,
  most: number,
): Promise<number> {
  const past = state.historicalReceiverData.get(message.epoch);
  const secret = past?.senderDataSecret ?? state.keySchedule.senderDataSecret;
  const sender = await decryptSenderData(message, secret, suite).catch(() => undefined);
  const node = secretTreeOf(state, message.epoch)?.[2 * (sender?.leafIndex ?? 0)];
  if (sender === undefined || node === undefined) return 0;
  const { generation } = message.contentType === "application" ? node.application : node.handshake;
  const steps = sender.generation - generation;
  return steps < most ? Math.max(0, steps) : 0;
}
