/**
 * Joining from the library's parts (RFC 9420, section 12.4.3.1), with the tree beside the Welcome. The library's own join refuses valid trees that have
 * unmerged leaves below a node with a new key, takes path secrets that do not fit, and needs more than ten times as long for a thousand members.
 */
import type { CiphersuiteImpl, ClientConfig, ClientState, RatchetTree, Welcome } from "ts-mls";
import { deriveSecret } from "ts-mls/crypto/kdf.js";
import type { GroupInfo } from "ts-mls/groupInfo.js";
import { verifyGroupInfoConfirmationTag, verifyGroupInfoSignature } from "ts-mls/groupInfo.js";
import { type KeyPackage, makeKeyPackageRef, type PrivateKeyPackage } from "ts-mls/keyPackage.js";
import { deriveKeySchedule } from "ts-mls/keySchedule.js";
import { encodeLeafNode } from "ts-mls/leafNode.js";
import { decodeRatchetTree, encodeRatchetTree } from "ts-mls/ratchetTree.js";
import { createSecretTree } from "ts-mls/secretTree.js";
import { decryptGroupInfo, decryptGroupSecrets } from "ts-mls/welcome.js";
import { equal } from "../../protocol/index.ts";
import { fittingKeys, watched } from "./own-keys.ts";
import { type Authenticate, GroupError } from "./seam.ts";
import { checkTree } from "./tree-check.ts";
import { ancestorsOf, leafAt, parentAt } from "./tree-shape.ts";

export interface Joining {
  welcome: Welcome;
  keyPackage: KeyPackage;
  keys: PrivateKeyPackage;
  /** The encoded tree to which a GroupInfo belongs. Called before anything of that is verified. */
  treeOf: (info: GroupInfo) => Promise<Uint8Array>;
  authenticate: Authenticate;
  config: ClientConfig;
}

export interface Joined {
  state: ClientState;
  /** The leaf of whoever has invited us. */
  signer: number;
}

/** @throws GroupError, or an error of the library, if anything of it is not right. Whether the group is known already is the caller's question. */
export async function joinFrom(suite: CiphersuiteImpl, joining: Joining): Promise<Joined> {
  const { keyPackage, keys, authenticate } = joining;
  const { info, secrets } = await openWelcome(suite, joining);
  const context = info.groupContext;
  const tree = readTree(await joining.treeOf(info));
  const signer = leafAt(tree, 2 * info.signer);
  if (signer === undefined || !(await verifyGroupInfoSignature(info, signer.signaturePublicKey, suite.signature)))
    throw new GroupError("the signature of the group's description is wrong");
  await checkTree(tree, { context, suite, authenticate });
  const leafIndex = leafIndexOf(tree, keyPackage);
  if (leafIndex === info.signer) throw new GroupError("the Welcome is our own");

  const noPsk = new Uint8Array(suite.kdf.size);
  const [keySchedule, encryptionSecret] = await deriveKeySchedule(secrets.joinerSecret, noPsk, context, suite.kdf);
  if (!(await verifyGroupInfoConfirmationTag(info, secrets.joinerSecret, noPsk, suite)))
    throw new GroupError("the confirmation tag is wrong");
  const watch = watched(suite);
  const privateKeys: Record<number, Uint8Array> = { [2 * leafIndex]: keys.hpkePrivateKey };
  if (secrets.pathSecret !== undefined)
    Object.assign(privateKeys, await keysAbove(watch.suite, tree, [leafIndex, info.signer], secrets.pathSecret));
  const privatePath = fittingKeys(tree, { leafIndex, privateKeys }, watch.derived);
  if (Object.keys(privatePath.privateKeys).length < Object.keys(privateKeys).length)
    throw new GroupError("a path secret of a node that does not know us");
  const secretTree = await createSecretTree((tree.length + 1) / 2, encryptionSecret, suite.kdf);
  encryptionSecret.fill(0);
  secrets.joinerSecret.fill(0);
  const state: ClientState = {
    groupContext: context,
    ratchetTree: tree,
    privatePath,
    signaturePrivateKey: keys.signaturePrivateKey,
    confirmationTag: info.confirmationTag,
    unappliedProposals: {},
    keySchedule,
    secretTree,
    historicalReceiverData: new Map(),
    groupActiveState: { kind: "active" },
    clientConfig: joining.config,
  };
  return { state, signer: info.signer };
}

async function openWelcome(suite: CiphersuiteImpl, { welcome, keyPackage, keys }: Joining) {
  const { cipherSuite, version } = keyPackage;
  if (welcome.cipherSuite !== cipherSuite) throw new GroupError("Welcome of another cipher suite");
  const ref = await makeKeyPackageRef(keyPackage, suite.hash);
  const initKey = await suite.hpke.importPrivateKey(keys.initPrivateKey);
  const secrets = await decryptGroupSecrets(initKey, ref, welcome, suite.hpke);
  if (secrets === undefined) throw new GroupError("malformed secrets in the Welcome");
  if (secrets.psks.length > 0) throw new GroupError("Welcome with a pre-shared key");
  const info = await decryptGroupInfo(welcome, secrets.joinerSecret, new Uint8Array(suite.kdf.size), suite);
  if (info === undefined) throw new GroupError("malformed description in the Welcome");
  if (info.groupContext.cipherSuite !== cipherSuite || info.groupContext.version !== version)
    throw new GroupError("group of another cipher suite or version");
  return { info, secrets };
}

function readTree(bytes: Uint8Array): RatchetTree {
  const decoded = decodeRatchetTree(bytes, 0);
  // The decoder takes several encodings of a blank node, and blank ones at the end.
  if (decoded === undefined || !equal(encodeRatchetTree(decoded[0]), bytes)) throw new GroupError("malformed tree");
  return decoded[0];
}

/** Where the leaf of our key package stands, as it was published. */
function leafIndexOf(tree: RatchetTree, { leafNode }: KeyPackage): number {
  const node = tree.findIndex(
    (found) => found?.nodeType === "leaf" && equal(found.leaf.hpkePublicKey, leafNode.hpkePublicKey),
  );
  const leaf = leafAt(tree, node);
  if (leaf === undefined || !equal(encodeLeafNode(leaf), encodeLeafNode(leafNode)))
    throw new GroupError("tree: our leaf is not in it");
  return node / 2;
}

/** The private keys from the lowest node that is above both leaves up to the root, of the secret that belongs to that node. */
async function keysAbove(
  suite: CiphersuiteImpl,
  tree: RatchetTree,
  [own, signer]: [own: number, signer: number],
  pathSecret: Uint8Array,
): Promise<Record<number, Uint8Array>> {
  const others = new Set(ancestorsOf(2 * signer, tree.length));
  const common = ancestorsOf(2 * own, tree.length).filter((node) => others.has(node));
  if (common[0] === undefined || parentAt(tree, common[0]) === undefined)
    throw new GroupError("a path secret of a blank node");
  const keys: Record<number, Uint8Array> = {};
  let secret = pathSecret;
  for (const node of common.filter((node) => parentAt(tree, node) !== undefined)) {
    if (node !== common[0]) secret = await deriveSecret(secret, "path", suite.kdf);
    const { privateKey } = await suite.hpke.deriveKeyPair(await deriveSecret(secret, "node", suite.kdf));
    keys[node] = await suite.hpke.exportPrivateKey(privateKey);
  }
  return keys;
}
