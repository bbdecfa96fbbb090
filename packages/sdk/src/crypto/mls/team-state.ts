/** What is in the state of a team. */
import type { ClientConfig, ClientState, RatchetTree } from "ts-mls";
import type { Extension } from "ts-mls/extension.js";
import { encodeLeafNode } from "ts-mls/leafNode.js";
import { configOf } from "./config.ts";
import { SETTINGS } from "./key-package.ts";
import { type Authenticate, GroupError } from "./seam.ts";
import { type Leaf, TEAM_EPOCH_MESSAGES } from "./team-seam.ts";
import { certificateIn } from "./tree-check.ts";
import { leafAt } from "./tree-shape.ts";

export function teamConfig(authenticate: Authenticate): ClientConfig {
  return configOf(authenticate, TEAM_EPOCH_MESSAGES);
}

export function leafOf(tree: RatchetTree, index: number): Leaf | undefined {
  const leaf = leafAt(tree, 2 * index);
  return leaf && { index, certificate: certificateIn(leaf), signatureKey: leaf.signaturePublicKey };
}

/** The bytes of a leaf node, of whose digest statements speak. */
export function leafNodeOf(tree: RatchetTree, index: number): Uint8Array | undefined {
  const leaf = leafAt(tree, 2 * index);
  return leaf && encodeLeafNode(leaf);
}

export function settingsExtension(settings: Uint8Array): Extension[] {
  return [{ extensionType: SETTINGS, extensionData: settings }];
}

/** What the settings' extension holds, if it is the only one. */
export function settingsIn(extensions: Extension[]): Uint8Array | undefined {
  const [only, ...others] = extensions;
  return only?.extensionType === SETTINGS && others.length === 0 ? only.extensionData : undefined;
}

/** What holds of the state of each team. @throws GroupError if it does not of this one. */
export function checkTeam(state: ClientState): void {
  if (settingsIn(state.groupContext.extensions) === undefined) throw new GroupError("a team has settings, and no more");
  if (state.groupActiveState.kind !== "active") throw new GroupError("group is not active");
  if (Object.keys(state.unappliedProposals).length > 0) throw new GroupError("a proposal waits in the group");
}
