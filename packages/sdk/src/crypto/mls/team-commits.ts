/** Commits of a team: how ours are made, how others' are told, judged and followed. */
import type { CiphersuiteImpl, ClientState, PrivateMessage, Proposal, Welcome } from "ts-mls";
import { createCommit } from "ts-mls/createCommit.js";
import { encodeMlsMessage } from "ts-mls/message.js";
import { processPrivateMessage } from "ts-mls/processMessages.js";
import { emptyPskIndex } from "ts-mls/pskIndex.js";
import type { Commit } from "ts-mls/commit.js";
import { encodeCapabilities } from "ts-mls/capabilities.js";
import { encodeCredential } from "ts-mls/credential.js";
import { encodeExtension } from "ts-mls/extension.js";
import type { LeafNode } from "ts-mls/leafNode.js";
import { unprotectPrivateMessage } from "ts-mls/messageProtection.js";
import { encodeRatchetTree } from "ts-mls/ratchetTree.js";
import { hex } from "../hex.ts";
import { concat, equal } from "../../protocol/index.ts";
import { sealTree, TREE_KEY } from "../team/sealed-tree.ts";
import { readKeyPackage, SETTINGS } from "./key-package.ts";
import { type Derived, fittingKeys, watched } from "./own-keys.ts";
import { GroupError, type Group } from "./seam.ts";
import type { Change, Followed, Invitation, Judge, OwnCommit, TeamCommit, TeamProposal } from "./team-seam.ts";
import { checkTeam, leafNodeOf, leafOf, settingsExtension, settingsIn } from "./team-state.ts";
import { certificateIn, checkCapabilities } from "./tree-check.ts";
import { checkKeysOnce, leafAt } from "./tree-shape.ts";

/**
 * Makes a commit. Nothing of the state that it takes is changed, and messages may be encrypted in that until the commit is admitted; but two
 * commits of one epoch would be encrypted under one key.
 */
export async function makeCommit(
  suite: CiphersuiteImpl,
  state: ClientState,
  change: Change,
  authenticatedData: Uint8Array,
): Promise<OwnCommit> {
  const key = suite.rng.randomBytes(TREE_KEY);
  const watch = watched(suite);
  const result = await createCommit(
    { state, cipherSuite: watch.suite },
    {
      extraProposals: proposalsOf(change),
      authenticatedData,
      groupInfoExtensions: [{ extensionType: SETTINGS, extensionData: key }],
    },
  );
  const pending = asItMustBe(result.newState, state, watch.derived);
  return {
    pending: { state: { ...pending, historicalReceiverData: new Map() } },
    commit: encodeMlsMessage(result.commit),
    invitation: result.welcome && (await invitationOf(suite, pending, result.welcome, key)),
  };
}

function proposalsOf({ remove = [], add = [], settings }: Change): Proposal[] {
  // The library encrypts a path beside settings under the settings of before, and nobody could open it.
  if (settings !== undefined && remove.length + add.length > 0) throw new GroupError("settings are changed alone");
  if (settings !== undefined)
    return [
      {
        proposalType: "group_context_extensions",
        groupContextExtensions: { extensions: settingsExtension(settings) },
      },
    ];
  return [
    ...remove.map((removed) => ({ proposalType: "remove" as const, remove: { removed } })),
    ...add.map((bytes) => ({ proposalType: "add" as const, add: { keyPackage: readKeyPackage(bytes) } })),
  ];
}

/** One Welcome for each, which holds its secrets alone: at a thousand members all of them would be a megabyte. */
async function invitationOf(
  suite: CiphersuiteImpl,
  state: ClientState,
  welcome: Welcome,
  key: Uint8Array,
): Promise<Invitation> {
  const { groupId, epoch } = state.groupContext;
  return {
    welcomes: welcome.secrets.map((secrets) => ({
      ref: hex(secrets.newMember),
      welcome: encodeMlsMessage({
        version: "mls10",
        wireformat: "mls_welcome",
        welcome: { ...welcome, secrets: [secrets] },
      }),
    })),
    tree: await sealTree(
      suite,
      encodeRatchetTree(state.ratchetTree),
      { key },
      { group: hex(groupId), epoch: Number(epoch) },
    ),
  };
}

/** A new state whose tree and keys are as they must be. */
function asItMustBe(next: ClientState, before: ClientState, derived: Derived): ClientState {
  if (next.groupContext.epoch !== before.groupContext.epoch + 1n) throw new GroupError("not the next epoch");
  checkTeam(next);
  checkKeysOnce(next.ratchetTree);
  checkCapabilities(next.ratchetTree, next.groupContext);
  return { ...next, privatePath: fittingKeys(next.ratchetTree, next.privatePath, derived, before) };
}

/** What a commit of the present epoch would do; its own maker can ask that, too. @throws if it does not open */
export async function describeCommit(
  suite: CiphersuiteImpl,
  state: ClientState,
  message: PrivateMessage,
): Promise<TeamCommit> {
  if (message.epoch !== state.groupContext.epoch || message.contentType !== "commit")
    throw new GroupError("not a commit of this epoch");
  const { groupContext, secretTree, ratchetTree, keySchedule, clientConfig } = state;
  const { content } = await unprotectPrivateMessage(
    keySchedule.senderDataSecret,
    message,
    secretTree,
    ratchetTree,
    groupContext,
    clientConfig.keyRetentionConfig,
    suite,
  );
  const { sender } = content.content;
  if (content.content.contentType !== "commit" || sender.senderType !== "member") throw new GroupError("not a commit");
  const { commit } = content.content;
  const committer = leafOf(ratchetTree, sender.leafIndex);
  if (committer === undefined) throw new GroupError("commit of nobody");
  const proposals = commit.proposals.map((one): TeamProposal =>
    one.proposalOrRefType === "proposal" ? proposalIn(state, one.proposal) : { kind: "other" },
  );
  return {
    epoch: Number(message.epoch),
    committer,
    proposals,
    path: pathOf(commit, leafAt(ratchetTree, 2 * committer.index)!),
    authenticatedData: message.authenticatedData,
    removesUs: proposals.some((one) => one.kind === "remove" && one.leaf === state.privatePath.leafIndex),
  };
}

function proposalIn({ ratchetTree }: ClientState, proposal: Proposal): TeamProposal {
  if (proposal.proposalType === "add") {
    const { leafNode } = proposal.add.keyPackage;
    return { kind: "add", certificate: certificateIn(leafNode), signatureKey: leafNode.signaturePublicKey };
  }
  if (proposal.proposalType === "remove") {
    const { removed } = proposal.remove;
    return { kind: "remove", leaf: removed, node: leafNodeOf(ratchetTree, removed) };
  }
  if (proposal.proposalType === "group_context_extensions") {
    return { kind: "settings", settings: settingsIn(proposal.groupContextExtensions.extensions) };
  }
  return { kind: "other" };
}

/** Whoever drops an extension from its capabilities would make the tree one that nobody may join. */
function pathOf({ path }: Commit, before: LeafNode): TeamCommit["path"] {
  if (path === undefined) return "none";
  return equal(saidBy(path.leafNode), saidBy(before)) ? "same" : "changed";
}

function saidBy({ credential, signaturePublicKey, capabilities, extensions }: LeafNode): Uint8Array {
  return concat(
    encodeCredential(credential),
    signaturePublicKey,
    encodeCapabilities(capabilities),
    ...extensions.map((extension) => encodeExtension(extension)),
  );
}

/**
 * Follows a commit of another member. What it would do is told and judged first: a member that is removed, while its leaf goes to another,
 * would get nothing but an error from the library.
 * @throws if it does not open; then nobody is known to have signed it.
 */
export async function followCommit(
  suite: CiphersuiteImpl,
  state: ClientState,
  message: PrivateMessage,
  judge: Judge,
): Promise<Followed> {
  const commit = await describeCommit(suite, state, message);
  if (commit.committer.index === state.privatePath.leafIndex) throw new GroupError("commit in our own name");
  const before: Group = { state };
  const reason = await judge(commit, before);
  if (reason !== undefined) return { kind: "refused", commit, reason };
  if (commit.removesUs) return { kind: "removed", commit };
  const watch = watched(suite);
  try {
    const result = await processPrivateMessage(state, message, emptyPskIndex, watch.suite, ({ kind }) =>
      kind === "commit" ? "accept" : "reject",
    );
    if (result.kind !== "newState") throw new GroupError("not a commit");
    const next = asItMustBe(result.newState, state, watch.derived);
    return { kind: "applied", commit, group: { state: next }, consumed: result.consumed };
  } catch (cause) {
    return { kind: "unusable", commit, cause: cause instanceof Error ? cause : new GroupError("commit", { cause }) };
  }
}
