/** What is in a group's state. */
import type { ClientState, GroupState } from "ts-mls";
import { addHistoricalReceiverData } from "ts-mls/clientState.js";
import { hex } from "../hex.ts";
import { equal } from "../../protocol/index.ts";
import { type Group, GroupError } from "./seam.ts";

/** The group's id in lower-case hex. */
export function groupIdOf(group: Group): string {
  return hex(stateOf(group).groupContext.groupId);
}

export function epochOf(group: Group): number {
  return Number(stateOf(group).groupContext.epoch);
}

/** Messages that this member has encrypted in the present epoch, whether or not anybody got them. */
export function sentInEpoch(group: Group): number {
  return stateOf(group).secretTree[ownNodeIndex(stateOf(group))]?.application.generation ?? 0;
}

/** The group after our own commit. What is under way of the epoch that ends is still read. */
export function afterOwn(before: ClientState, pending: ClientState): ClientState {
  const [{ groupId, epoch }, next] = [before.groupContext, pending.groupContext];
  if (!equal(next.groupId, groupId)) throw new GroupError("commit of another group");
  if (next.epoch !== epoch + 1n) throw new GroupError("commit of another epoch");
  const [history] = addHistoricalReceiverData(before);
  return { ...pending, historicalReceiverData: history };
}

/** Overwrites secrets that a committed step has used up. Best effort: the runtime may have copied them. */
export function wipe(consumed: Uint8Array[]): void {
  for (const secret of consumed) secret.fill(0);
}

export function leavesOf(state: GroupState): { credential: Uint8Array; signatureKey: Uint8Array }[] {
  return state.ratchetTree.flatMap((node) => {
    if (node?.nodeType !== "leaf") return [];
    const { credential, signaturePublicKey } = node.leaf;
    const identity = credential.credentialType === "basic" ? credential.identity : new Uint8Array();
    return [{ credential: identity, signatureKey: signaturePublicKey }];
  });
}

export function checkTwoLeaves(state: ClientState): void {
  const leaves = leavesOf(state);
  if (leaves.length !== 2 || state.ratchetTree.length > 3) throw new GroupError("not exactly two members");
  if (state.groupActiveState.kind !== "active") throw new GroupError("group is not active");
}

export function ownNodeIndex(state: ClientState): number {
  return state.privatePath.leafIndex * 2;
}

export function secretTreeOf(state: ClientState, epoch: bigint): ClientState["secretTree"] | undefined {
  return epoch === state.groupContext.epoch ? state.secretTree : state.historicalReceiverData.get(epoch)?.secretTree;
}

export function stateOf({ state }: Group): ClientState {
  return state as ClientState;
}
