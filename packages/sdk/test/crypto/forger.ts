/** A member of a conversation who has the library, but none of our rules: what it sends must be refused. */
import {
  type ClientState,
  type CreateCommitOptions,
  createCommit,
  createGroup,
  createProposal,
  decodeMlsMessage,
  emptyPskIndex,
  encodeMlsMessage,
  generateKeyPackageWithKey,
  joinGroup,
  type KeyPackage,
  type PrivateKeyPackage,
  type Proposal,
  type Welcome,
} from "ts-mls";
import { defaultClientConfig } from "ts-mls/clientConfig.js";
import { nextEpochContext } from "ts-mls/clientState.js";
import { createConfirmationTag, createContentCommitSignature } from "ts-mls/framedContent.js";
import { decodeKeyPackage } from "ts-mls/keyPackage.js";
import { initializeEpoch } from "ts-mls/keySchedule.js";
import { protect } from "ts-mls/messageProtection.js";
import { GroupCrypto } from "../../src/crypto/mls/group.ts";
import type { Group, KeyPackagePair, LeafKeys } from "../../src/crypto/mls/seam.ts";
import { nodeCryptoProvider } from "../../src/node/provider.ts";
import { splitLengthPrefixed, utf8 } from "../../src/protocol/index.ts";
import { groupId, newLeaf, now, type Side } from "./pair.ts";
import { stateOf, suite } from "./thief.ts";

/** The group as the library alone sees it. */
export const unruled = (side: Side): ClientState => stateOf(side.crypto.encode(side.group));

export async function commitWith(state: ClientState, options: CreateCommitOptions): Promise<Uint8Array> {
  return encodeMlsMessage((await createCommit({ state, cipherSuite: suite }, options)).commit);
}

export async function proposalOf(state: ClientState, isPublic: boolean, proposal: Proposal): Promise<Uint8Array> {
  return encodeMlsMessage((await createProposal(state, isPublic, proposal, suite)).message);
}

/** A key package as the library takes it. */
export function keyPackageOf(encoded: Uint8Array): KeyPackage {
  // Two bytes of version and two of wire format come before it (RFC 9420, section 6).
  const decoded = decodeKeyPackage(encoded.slice(4), 0);
  if (decoded === undefined) throw new Error("not a key package");
  return decoded[0];
}

/** A key package that anybody may make for any lifetime, here of so many days. */
export async function newKeyPackage(crypto: GroupCrypto, name: string, days: number = 90): Promise<KeyPackage> {
  const { privateKey, publicKey, certificate } = await newLeaf(crypto, name);
  const notBefore = BigInt(Math.floor(now / 1000) - 86_400);
  const { publicPackage } = await generateKeyPackageWithKey(
    { credentialType: "basic", identity: certificate },
    { versions: ["mls10"], ciphersuites: [suite.name], extensions: [], proposals: [], credentials: ["basic"] },
    { notBefore, notAfter: notBefore + BigInt(days) * 86_400n },
    [],
    { signKey: privateKey, publicKey },
    suite,
  );
  return publicPackage;
}

/** A group that `leaf` founds alone. */
export async function found(crypto: GroupCrypto, leaf: LeafKeys): Promise<ClientState> {
  const own = await crypto.makeKeyPackage(leaf, now);
  const keys = privateKeysOf(own, leaf);
  return createGroup(groupId, keyPackageOf(own.public), keys, [], suite, { ...defaultClientConfig, ...anyLifetime });
}

const anyLifetime = { lifetimeConfig: { maximumTotalLifetime: 2n ** 40n, validateLifetimeOnReceive: false } };

function privateKeysOf({ secret }: KeyPackagePair, leaf: LeafKeys): PrivateKeyPackage {
  const [, init, hpke] = splitLengthPrefixed(secret) as [Uint8Array, Uint8Array, Uint8Array];
  return { initPrivateKey: init, hpkePrivateKey: hpke, signaturePrivateKey: leaf.privateKey };
}

export async function add(
  state: ClientState,
  ...keyPackages: KeyPackage[]
): Promise<{ state: ClientState; welcome: Uint8Array }> {
  const { newState, welcome } = await createCommit(
    { state, cipherSuite: suite },
    {
      extraProposals: keyPackages.map((keyPackage) => ({ proposalType: "add", add: { keyPackage } })),
      ratchetTreeExtension: true,
    },
  );
  return { state: newState, welcome: encodeWelcome(welcome as Welcome) };
}

/** A team, with the state of its founder and of its newest member, by the library alone. */
export async function team(count: number): Promise<{ founder: Side; member: Side }> {
  const crypto = await GroupCrypto.load(nodeCryptoProvider);
  const [leaf, last] = [await newLeaf(crypto, "founder"), await newLeaf(crypto, "newest")];
  const own = await crypto.makeKeyPackage(last, now);
  const others = await Promise.all(
    Array.from({ length: count - 2 }, (_, index) => newKeyPackage(crypto, `member ${index}`)),
  );
  const founded = await add(await found(crypto, leaf), ...others, keyPackageOf(own.public));
  const keys = privateKeysOf(own, last);
  const keyRetentionConfig = { ...defaultClientConfig.keyRetentionConfig, retainKeysForEpochs: 1 };
  const config = { ...defaultClientConfig, ...anyLifetime, keyRetentionConfig };
  const joined = await joinGroup(
    decodeWelcome(founded.welcome),
    keyPackageOf(own.public),
    keys,
    emptyPskIndex,
    suite,
    undefined,
    undefined,
    config,
  );
  return {
    founder: {
      crypto,
      leaf,
      group: { state: { ...founded.state, clientConfig: config, historicalReceiverData: new Map() } },
    },
    member: { crypto, leaf: last, group: { state: joined } },
  };
}

/** The state after a commit that removes the members with the highest leaves. */
export async function removeLast({ group }: Side, count: number): Promise<Group> {
  const state = group.state as ClientState;
  const leaves = state.ratchetTree.flatMap((node, index) => (node?.nodeType === "leaf" ? [index / 2] : []));
  const { newState } = await createCommit(
    { state, cipherSuite: suite },
    { extraProposals: leaves.slice(-count).map((removed) => ({ proposalType: "remove", remove: { removed } })) },
  );
  return { state: newState };
}

export function encodeWelcome(welcome: Welcome): Uint8Array {
  return encodeMlsMessage({ version: "mls10", wireformat: "mls_welcome", welcome });
}

function decodeWelcome(bytes: Uint8Array): Welcome {
  const message = decodeMlsMessage(bytes, 0)?.[0];
  if (message?.wireformat !== "mls_welcome") throw new Error("not a Welcome");
  return message.welcome;
}

const zeros = () => new Uint8Array(suite.kdf.size);

/** A commit that is right in everything but that it brings no new keys. */
export async function commitWithoutPath(state: ClientState): Promise<Uint8Array> {
  const sender = { senderType: "member", leafIndex: state.privatePath.leafIndex } as const;
  const { framedContent, signature } = await createContentCommitSignature(
    state.groupContext,
    "mls_private_message",
    { proposals: [], path: undefined },
    sender,
    utf8(""),
    state.signaturePrivateKey,
    suite.signature,
  );
  const context = await nextEpochContext(
    state.groupContext,
    "mls_private_message",
    framedContent,
    signature,
    state.groupContext.treeHash,
    state.confirmationTag,
    suite.hash,
  );
  const { keySchedule } = await initializeEpoch(state.keySchedule.initSecret, zeros(), context, zeros(), suite.kdf);
  const confirmationTag = await createConfirmationTag(
    keySchedule.confirmationKey,
    context.confirmedTranscriptHash,
    suite.hash,
  );
  const { privateMessage } = await protect(
    state.keySchedule.senderDataSecret,
    utf8(""),
    state.groupContext,
    state.secretTree,
    { ...framedContent, auth: { contentType: "commit", signature, confirmationTag } },
    state.privatePath.leafIndex,
    state.clientConfig.paddingConfig,
    suite,
  );
  return encodeMlsMessage({ version: "mls10", wireformat: "mls_private_message", privateMessage });
}

/** The state with another credential at its own leaf, so that its next commit carries that. */
export function withCredential(state: ClientState, name: string): ClientState {
  const at = state.privatePath.leafIndex * 2;
  const ratchetTree = state.ratchetTree.map((node, index) =>
    index === at && node?.nodeType === "leaf"
      ? { ...node, leaf: { ...node.leaf, credential: { credentialType: "basic" as const, identity: utf8(name) } } }
      : node,
  );
  return { ...state, ratchetTree };
}
