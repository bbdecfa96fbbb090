/**
 * Our private keys of a tree. The library takes what a commit or a Welcome gives for the keys of a path, and compares them with no public key: whoever
 * commits could publish others, and shut a part of the members out with what comes next.
 */
import type { CiphersuiteImpl, RatchetTree } from "ts-mls";
import { equal } from "../../protocol/index.ts";
import { GroupError } from "./seam.ts";
import { ancestorsOf } from "./tree-shape.ts";

/** Key pairs that were derived. */
export type Derived = readonly { privateKey: Uint8Array; publicKey: Uint8Array }[];

/** A suite that remembers the key pairs that are derived by it. */
export function watched(suite: CiphersuiteImpl): { suite: CiphersuiteImpl; derived: Derived } {
  const derived: { privateKey: Uint8Array; publicKey: Uint8Array }[] = [];
  const { hpke } = suite;
  const deriveKeyPair = async (material: Uint8Array) => {
    const pair = await hpke.deriveKeyPair(material);
    const publicKey = await hpke.exportPublicKey(pair.publicKey);
    derived.push({ privateKey: await hpke.exportPrivateKey(pair.privateKey), publicKey });
    return pair;
  };
  return { suite: { ...suite, hpke: { ...hpke, deriveKeyPair } }, derived };
}

/** Private keys by their nodes, and the leaf that they are of, as the library holds them. */
interface OwnKeys {
  leafIndex: number;
  privateKeys: Readonly<Record<number, Uint8Array>>;
}

/** A tree and our keys of it that are known to fit. */
interface Fitting {
  ratchetTree: RatchetTree;
  privatePath: OwnKeys;
}

/**
 * The keys that a member has of a tree: those of its leaf and of all nodes above that know it. Others are gone: of blank nodes, which mean nothing.
 * @param before What a key was known to fit in, which need not be derived anew. Without it, that of the leaf is known.
 * @throws GroupError if one of them is missing, or does not fit.
 */
export function fittingKeys(
  tree: RatchetTree,
  { leafIndex, privateKeys }: OwnKeys,
  derived: Derived,
  before?: Fitting,
): OwnKeys {
  const kept: Record<number, Uint8Array> = {};
  const own = 2 * leafIndex;
  for (const node of [own, ...ancestorsOf(own, tree.length)]) {
    const publicKey = publicKeyAt(tree, node);
    const found = tree[node];
    if (publicKey === undefined || (found?.nodeType === "parent" && found.parent.unmergedLeaves.includes(leafIndex)))
      continue;
    const key = privateKeys[node];
    if (key === undefined) throw new GroupError("a key of our path is missing");
    const fits = derived.some((pair) => equal(pair.privateKey, key) && equal(pair.publicKey, publicKey));
    if (!fits && !isKnown(node, key, publicKey, before))
      throw new GroupError("a key of our path does not fit the tree");
    kept[node] = key;
  }
  return { leafIndex, privateKeys: kept };
}

function isKnown(node: number, key: Uint8Array, publicKey: Uint8Array, before: Fitting | undefined): boolean {
  if (before === undefined) return node % 2 === 0;
  const known = publicKeyAt(before.ratchetTree, node);
  return known !== undefined && equal(known, publicKey) && before.privatePath.privateKeys[node] === key;
}

function publicKeyAt(tree: RatchetTree, node: number): Uint8Array | undefined {
  const found = tree[node];
  return found?.nodeType === "parent" ? found.parent.hpkePublicKey : found?.leaf.hpkePublicKey;
}
