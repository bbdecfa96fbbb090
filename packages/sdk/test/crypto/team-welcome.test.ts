/** What a joiner asks of a Welcome (RFC 9420, section 12.4.3.1), by Welcomes that a member has made so. */
import { type CiphersuiteImpl, type ClientState, createCommit, decodeMlsMessage, encodeMlsMessage } from "ts-mls";
import { type GroupInfo, extractWelcomeSecret, signGroupInfo } from "ts-mls/groupInfo.js";
import type { GroupSecrets } from "ts-mls/groupSecrets.js";
import { makeKeyPackageRef } from "ts-mls/keyPackage.js";
import { encodeRatchetTree } from "ts-mls/ratchetTree.js";
import { decryptGroupInfo, decryptGroupSecrets, encryptGroupInfo, encryptGroupSecrets } from "ts-mls/welcome.js";
import { expect, it } from "vitest";
import { privatePackage, readKeyPackage } from "../../src/crypto/mls/key-package.ts";
import { stateOf } from "../../src/crypto/mls/state.ts";
import { teamConfig } from "../../src/crypto/mls/team-state.ts";
import { sealTree } from "../../src/crypto/team/sealed-tree.ts";
import { utf8 } from "../../src/protocol/index.ts";
import { anyone, cryptoOf, type Outsider, outsider, quickProvider, team } from "./team.ts";

const crypto = await cryptoOf(quickProvider);
const suite = crypto.teams.primitives as CiphersuiteImpl;
const other = (value: Uint8Array) => value.with(0, 1 ^ value[0]!);

interface Lie {
  /** Changed before it is signed. */
  info?: (info: GroupInfo) => Partial<GroupInfo>;
  /** Changed afterwards. */
  signed?: (info: GroupInfo) => Partial<GroupInfo>;
  secrets?: (secrets: GroupSecrets) => Partial<GroupSecrets>;
  key?: Uint8Array;
}

/** Adds somebody, with a description of the group and secrets that are changed, signed and sealed anew. */
async function invite(by: ClientState, who: Outsider, lie: Lie): Promise<{ welcome: Uint8Array; tree: Uint8Array }> {
  const keyPackage = readKeyPackage(who.keyPackage.public);
  const key = lie.key ?? new Uint8Array(32).fill(1);
  const state = { ...by, clientConfig: teamConfig(anyone) };
  const made = await createCommit(
    { state, cipherSuite: suite },
    {
      extraProposals: [{ proposalType: "add", add: { keyPackage } }],
      groupInfoExtensions: [{ extensionType: 0xf0a1, extensionData: key }],
    },
  );
  const ref = await makeKeyPackageRef(keyPackage, suite.hash);
  const init = await suite.hpke.importPrivateKey(privatePackage(who.keyPackage.secret, who.leaf).initPrivateKey);
  const secrets = (await decryptGroupSecrets(init, ref, made.welcome!, suite.hpke))!;
  const zeros = new Uint8Array(suite.kdf.size);
  const info = (await decryptGroupInfo(made.welcome!, secrets.joinerSecret, zeros, suite))!;
  const resigned = await signGroupInfo({ ...info, ...lie.info?.(info) }, state.signaturePrivateKey, suite.signature);
  const changed = { ...resigned, ...lie.signed?.(resigned) };
  const welcomeSecret = await extractWelcomeSecret(secrets.joinerSecret, zeros, suite.kdf);
  const encryptedGroupInfo = await encryptGroupInfo(changed, welcomeSecret, suite);
  const to = await suite.hpke.importPublicKey(keyPackage.initKey);
  const said = { ...secrets, ...lie.secrets?.(secrets) };
  const { ct, enc } = await encryptGroupSecrets(to, encryptedGroupInfo, said, suite.hpke);
  const welcome = {
    ...made.welcome!,
    secrets: [{ newMember: ref, encryptedGroupSecrets: { kemOutput: enc, ciphertext: ct } }],
    encryptedGroupInfo,
  };
  const { groupId, epoch } = changed.groupContext;
  const place = { group: Buffer.from(groupId).toString("hex"), epoch: Number(epoch) };
  return {
    welcome: encodeMlsMessage({ version: "mls10", wireformat: "mls_welcome", welcome }),
    tree: await sealTree(suite, encodeRatchetTree(made.newState.ratchetTree), { key }, place),
  };
}

const inContext = (change: (context: GroupInfo["groupContext"]) => Partial<GroupInfo["groupContext"]>): Lie => ({
  info: ({ groupContext }) => ({ groupContext: { ...groupContext, ...change(groupContext) } }),
});

it.each<[string, string, Lie]>([
  ["another signature", "signature of the group", { signed: ({ signature }) => ({ signature: other(signature) }) }],
  ["another signer", "signature of the group", { signed: () => ({ signer: 1 }) }],
  ["a signer who is none", "signature of the group", { signed: () => ({ signer: 9 }) }],
  [
    "another confirmation tag",
    "confirmation tag",
    { info: ({ confirmationTag }) => ({ confirmationTag: other(confirmationTag) }) },
  ],
  ["another epoch", "confirmation tag", inContext(() => ({ epoch: 7n }))],
  ["another transcript", "confirmation tag", inContext(() => ({ confirmedTranscriptHash: new Uint8Array(64) }))],
  ["another tree hash", "another tree's hash", inContext(({ treeHash }) => ({ treeHash: other(treeHash) }))],
  ["another group", "signature of a leaf", inContext(() => ({ groupId: new Uint8Array(32) }))],
  [
    "another suite",
    "another cipher suite",
    inContext(() => ({ cipherSuite: "MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519" })),
  ],
  ["no settings", "confirmation tag", inContext(() => ({ extensions: [] }))],
  [
    "an extension that nobody knows",
    "does not know an extension",
    inContext(({ extensions }) => ({
      extensions: [...extensions, { extensionType: 0xf0a2, extensionData: utf8("x") }],
    })),
  ],
  [
    "another joiner secret",
    "Welcome refused",
    { secrets: ({ joinerSecret }) => ({ joinerSecret: other(joinerSecret) }) },
  ],
  ["a path secret where the commit has no path", "path", { secrets: () => ({ pathSecret: utf8("x".repeat(64)) }) }],
  [
    "a pre-shared key",
    "pre-shared key",
    {
      secrets: () => ({
        psks: [{ psktype: "external", pskId: utf8("x"), pskNonce: new Uint8Array(64) }] as GroupSecrets["psks"],
      }),
    },
  ],
  ["no key of the tree", "another tree", { info: () => ({ extensions: [] }) }],
  [
    "a key of the tree that is none",
    "another tree",
    { info: () => ({ extensions: [{ extensionType: 0xf0a1, extensionData: utf8("x") }] }) },
  ],
])("a Welcome is refused with %s", async (_name, error, lie) => {
  // Others' Updates keep keys in the tree, so that there is a signature of a leaf that is bound to its group.
  const members = await team(crypto, 3);
  const late = await outsider(crypto, "late");
  const state = stateOf(members[0]!.group);
  const join = async (what: Lie) =>
    crypto.teams.join(await invite(state, late, what), late.keyPackage.secret, late.leaf, anyone);
  await join({});
  await expect(join(lie)).rejects.toThrow(error);
});

it("a Welcome is refused by whom it is not for, with another's leaf, and if it is no Welcome", async () => {
  const members = await team(crypto, 3);
  const [late, second] = [await outsider(crypto, "late"), await outsider(crypto, "second")];
  const invited = await invite(stateOf(members[0]!.group), late, {});
  const join = (what: typeof invited, who: Outsider) =>
    crypto.teams.join(what, who.keyPackage.secret, who.leaf, anyone);
  await expect(join(invited, second)).rejects.toThrow("Welcome refused");
  await expect(join({ ...invited, welcome: late.keyPackage.public }, late)).rejects.toThrow("malformed Welcome");
  expect(decodeMlsMessage(invited.welcome, 0)).toBeDefined();
  const { inviter } = await join(invited, late);
  expect([inviter.index, new TextDecoder().decode(inviter.certificate)]).toEqual([0, "m0"]);
});
