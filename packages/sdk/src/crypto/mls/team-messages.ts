/** Messages of a team, and in whose name they are. */
import type { CiphersuiteImpl, ClientState, PrivateMessage } from "ts-mls";
import { processPrivateMessage } from "ts-mls/processMessages.js";
import { emptyPskIndex } from "ts-mls/pskIndex.js";
import { equal } from "../../protocol/index.ts";
import { guard } from "./guard.ts";
import { GroupError } from "./seam.ts";
import { secretTreeOf } from "./state.ts";
import { stepsTo } from "./steps.ts";
import { type Leaf, TEAM_EPOCH_MESSAGES, type TeamMessage } from "./team-seam.ts";
import { leafOf } from "./team-state.ts";

/** Reads an application message of another member. @throws GroupError for everything else */
export async function readMessage(
  suite: CiphersuiteImpl,
  state: ClientState,
  message: PrivateMessage,
): Promise<TeamMessage> {
  const before = secretTreeOf(state, message.epoch);
  if (before === undefined) throw new GroupError("message of another epoch");
  if (message.contentType !== "application") throw new GroupError("not a message");
  const result = await guard("message does not decrypt", () =>
    processPrivateMessage(state, message, emptyPskIndex, suite, () => "reject"),
  ).catch(async (error: GroupError) => {
    error.steps = await stepsTo(suite, state, message, TEAM_EPOCH_MESSAGES);
    throw error;
  });
  if (result.kind !== "applicationMessage") throw new GroupError("not a message");
  const tree = state.historicalReceiverData.get(message.epoch)?.ratchetTree ?? state.ratchetTree;
  const sender = leafOf(tree, movedLeaf(before, secretTreeOf(result.newState, message.epoch) ?? []));
  if (sender === undefined || isOwn(state, sender)) throw new GroupError("message of nobody, or in our own name");
  return {
    group: { state: result.newState },
    sender,
    epoch: Number(message.epoch),
    plaintext: result.message,
    authenticatedData: message.authenticatedData,
    consumed: result.consumed,
  };
}

/** The leaf whose ratchet differs: the library does not say who has sent. */
function movedLeaf(before: ClientState["secretTree"], after: ClientState["secretTree"]): number {
  const moved = after.flatMap((node, index) => (node === before[index] ? [] : [index]));
  if (moved.length !== 1) throw new GroupError("not the ratchet of one leaf has moved");
  return moved[0]! / 2;
}

/** Whether a leaf, perhaps of the epoch before, is of our device: a swap gives that another one. */
function isOwn(state: ClientState, sender: Leaf): boolean {
  const own = leafOf(state.ratchetTree, state.privatePath.leafIndex);
  return own !== undefined && equal(own.signatureKey, sender.signatureKey);
}
