/** Whether a tree is what RFC 9420 asks of one that a joiner is given. The library refuses valid ones that have unmerged leaves. */
import type { CiphersuiteImpl, LeafNode, RatchetTree } from "ts-mls";
import { extensionsSupportedByCapabilities } from "ts-mls/extension.js";
import type { GroupContext } from "ts-mls/groupContext.js";
import { verifyLeafNodeSignature } from "ts-mls/leafNode.js";
import { encodeParentHashInput } from "ts-mls/parentHash.js";
import { encodeTreeHashInput } from "ts-mls/treeHash.js";
import { equal } from "../../protocol/index.ts";
import { type Authenticate, GroupError } from "./seam.ts";
import { checkShape, childrenOf, isLeaf, leafAt, parentAt, resolutionOf } from "./tree-shape.ts";

/** What a tree is compared with. */
export interface TreeContext {
  context: GroupContext;
  suite: CiphersuiteImpl;
  authenticate: Authenticate;
}

/**
 * RFC 9420, sections 7.3, 7.9 and 12.4.3.1. Linear in the members, as long as few of them are unmerged.
 * @throws GroupError if the tree may not be joined.
 */
export async function checkTree(tree: RatchetTree, given: TreeContext): Promise<void> {
  checkShape(tree);
  const hashes = await treeHashes(tree, given.suite.hash);
  if (!equal(hashes[(tree.length - 1) / 2]!, given.context.treeHash)) throw new GroupError("tree: another tree's hash");
  await checkParentHashes(tree, hashes, given.suite.hash);
  await checkLeaves(tree, given);
}

async function checkLeaves(tree: RatchetTree, { context, suite, authenticate }: TreeContext): Promise<void> {
  checkCapabilities(tree, context);
  for (const [node, found] of tree.entries()) {
    if (found?.nodeType !== "leaf") continue;
    if (!(await verifyLeafNodeSignature(found.leaf, context.groupId, node / 2, suite.signature)))
      throw new GroupError("tree: the signature of a leaf is wrong");
    if (!(await authenticate(certificateIn(found.leaf), found.leaf.signaturePublicKey)))
      throw new GroupError("tree: the certificate of a leaf is wrong");
  }
}

/**
 * Whether each leaf knows what the others and the group use (RFC 9420, section 7.3). The library does not ask it of a leaf that a commit adds, and then
 * nobody could join any more.
 */
export function checkCapabilities(tree: RatchetTree, context: GroupContext): void {
  const leaves = tree.flatMap((found) => (found?.nodeType === "leaf" ? [found.leaf] : []));
  const credentials = [...new Set(leaves.map(({ credential }) => credential.credentialType))];
  for (const { capabilities, extensions } of leaves) {
    if (!credentials.every((type) => capabilities.credentials.includes(type)))
      throw new GroupError("tree: a leaf does not know a credential's type");
    if (!extensionsSupportedByCapabilities([...context.extensions, ...extensions], capabilities))
      throw new GroupError("tree: a leaf does not know an extension");
  }
}

/** What a leaf's credential holds; nothing if it is none of ours. */
export function certificateIn({ credential }: LeafNode): Uint8Array {
  return credential.credentialType === "basic" ? credential.identity : new Uint8Array();
}

type Hash = CiphersuiteImpl["hash"];

/** RFC 9420, section 7.8. That of each node, at its place. */
async function treeHashes(tree: RatchetTree, hash: Hash): Promise<Uint8Array[]> {
  const hashes: Uint8Array[] = [];
  const visit = async (node: number): Promise<Uint8Array> => {
    if (isLeaf(node)) return (hashes[node] = await leafHash(node, leafAt(tree, node), hash));
    const [left, right] = childrenOf(node);
    const [leftHash, rightHash] = [await visit(left), await visit(right)];
    const input = { nodeType: "parent", parentNode: parentAt(tree, node), leftHash, rightHash } as const;
    return (hashes[node] = await hash.digest(encodeTreeHashInput(input)));
  };
  await visit((tree.length - 1) / 2);
  return hashes;
}

function leafHash(node: number, leafNode: LeafNode | undefined, hash: Hash): Promise<Uint8Array> {
  return hash.digest(encodeTreeHashInput({ nodeType: "leaf", leafIndex: node / 2, leafNode }));
}

/**
 * RFC 9420, section 7.9.2: each parent P has a child C, with one node D in C's resolution that carries P's hash, and what else is in that
 * resolution are leaves that P knows as unmerged: all of them that are below C.
 */
async function checkParentHashes(tree: RatchetTree, hashes: Uint8Array[], hash: Hash): Promise<void> {
  for (const node of tree.keys()) {
    const parent = parentAt(tree, node);
    if (parent === undefined) continue;
    const unmerged = parent.unmergedLeaves.map((leaf) => 2 * leaf);
    const [left, right] = childrenOf(node);
    const below = { left: unmerged.filter((leaf) => leaf < node), right: unmerged.filter((leaf) => leaf > node) };
    const matches = async (child: number, merged: number[], sibling: number, gone: number[]) => {
      const carried = parentHashIn(tree, child, merged);
      if (carried === undefined) return false;
      const originalSiblingTreeHash = await hashWithout(tree, sibling, gone, { hashes, hash });
      const { hpkePublicKey: encryptionKey, parentHash } = parent;
      return equal(
        carried,
        await hash.digest(encodeParentHashInput({ encryptionKey, parentHash, originalSiblingTreeHash })),
      );
    };
    if (
      !(await matches(left, below.left, right, below.right)) &&
      !(await matches(right, below.right, left, below.left))
    )
      throw new GroupError("tree: a parent hash is wrong");
  }
}

/** What the one node of a child's resolution carries that is none of `unmerged`, if these are in it and no others are. */
function parentHashIn(tree: RatchetTree, child: number, unmerged: number[]): Uint8Array | undefined {
  const resolution = resolutionOf(tree, child);
  const [only, ...others] = resolution.filter((node) => !unmerged.includes(node));
  if (only === undefined || others.length > 0 || resolution.length !== unmerged.length + 1) return undefined;
  const leaf = leafAt(tree, only);
  if (leaf !== undefined) return leaf.leafNodeSource === "commit" ? leaf.parentHash : undefined;
  return parentAt(tree, only)?.parentHash;
}

/** The hash of a subtree as it was before these leaves came (RFC 9420, section 7.9). */
async function hashWithout(
  tree: RatchetTree,
  node: number,
  gone: number[],
  known: { hashes: Uint8Array[]; hash: Hash },
): Promise<Uint8Array> {
  if (gone.length === 0) return known.hashes[node]!;
  if (isLeaf(node)) return leafHash(node, undefined, known.hash);
  const [left, right] = childrenOf(node);
  const leftHash = await hashWithout(
    tree,
    left,
    gone.filter((leaf) => leaf < node),
    known,
  );
  const rightHash = await hashWithout(
    tree,
    right,
    gone.filter((leaf) => leaf > node),
    known,
  );
  const parent = parentAt(tree, node);
  const unmergedLeaves = parent?.unmergedLeaves.filter((leaf) => !gone.includes(2 * leaf)) ?? [];
  const parentNode = parent === undefined ? undefined : { ...parent, unmergedLeaves };
  return known.hash.digest(encodeTreeHashInput({ nodeType: "parent", parentNode, leftHash, rightHash }));
}
