/** Ratchet trees (RFC 9420, section 4 and appendix C) as arrays of nodes: leaves at even places, and the length is one less than a power of two. */
import type { RatchetTree } from "ts-mls";
import { equal } from "../../protocol/index.ts";
import { GroupError } from "./seam.ts";

export function isLeaf(node: number): boolean {
  return node % 2 === 0;
}

/** How far above the leaves it is: as many ones stand at the end of its number. */
function level(node: number): number {
  return 31 - Math.clz32(~node & (node + 1));
}

/** The two below a node that is no leaf. */
export function childrenOf(node: number): [left: number, right: number] {
  const step = 2 ** (level(node) - 1);
  return [node - step, node + step];
}

/** The nodes above one, from below, the root included. */
export function ancestorsOf(node: number, length: number): number[] {
  const above: number[] = [];
  for (let at = node, step = 2 ** level(node); step < (length + 1) / 2; step *= 2) {
    at = at % (4 * step) < 2 * step ? at + step : at - step;
    above.push(at);
  }
  return above;
}

/** The parent at a node, or undefined if that is blank. */
export function parentAt(tree: RatchetTree, node: number) {
  const found = tree[node];
  return found?.nodeType === "parent" ? found.parent : undefined;
}

/** The leaf at a node, or undefined if that is blank. */
export function leafAt(tree: RatchetTree, node: number) {
  const found = tree[node];
  return found?.nodeType === "leaf" ? found.leaf : undefined;
}

/** The nodes whose keys reach all leaves below a node (RFC 9420, section 4.1.1). */
export function resolutionOf(tree: RatchetTree, node: number): number[] {
  const found = tree[node];
  if (found?.nodeType === "parent") return [node, ...found.parent.unmergedLeaves.map((leaf) => 2 * leaf)];
  if (found !== undefined) return [node];
  return isLeaf(node) ? [] : childrenOf(node).flatMap((child) => resolutionOf(tree, child));
}

/**
 * What can be wrong with a tree before any of it is verified (RFC 9420, section 12.4.3.1): a leaf where a parent belongs, unmerged leaves that are
 * none of the node's, or that a node in between does not know, and keys that are there twice.
 */
export function checkShape(tree: RatchetTree): void {
  for (const [node, found] of tree.entries()) {
    if (found === undefined) continue;
    if ((found.nodeType === "leaf") !== isLeaf(node)) throw new GroupError("tree: a leaf is no leaf");
    if (found.nodeType === "parent") checkUnmerged(tree, node, found.parent.unmergedLeaves);
  }
  checkKeysOnce(tree);
}

function checkUnmerged(tree: RatchetTree, node: number, unmerged: number[]): void {
  let last = -1;
  for (const leaf of unmerged) {
    if (leaf <= last) throw new GroupError("tree: unmerged leaves are out of order");
    last = leaf;
    const above = ancestorsOf(2 * leaf, tree.length);
    const at = above.indexOf(node);
    if (at < 0 || leafAt(tree, 2 * leaf) === undefined) throw new GroupError("tree: an unmerged leaf is not below");
    for (const between of above.slice(0, at))
      if (parentAt(tree, between)?.unmergedLeaves.includes(leaf) === false)
        throw new GroupError("tree: a node does not know an unmerged leaf");
  }
}

/** No encryption key and no signature key may stand in a tree twice. The library does not look, where a commit adds somebody. */
export function checkKeysOnce(tree: RatchetTree): void {
  const [encryption, signature] = [new Keys(), new Keys()];
  for (const found of tree) {
    if (found === undefined) continue;
    encryption.add(found.nodeType === "leaf" ? found.leaf.hpkePublicKey : found.parent.hpkePublicKey);
    if (found.nodeType === "leaf") signature.add(found.leaf.signaturePublicKey);
  }
}

/** Keys by their first bytes, since whole ones are long; whoever makes many that begin alike slows itself down most. */
class Keys {
  readonly #seen = new Map<string, Uint8Array[]>();

  add(key: Uint8Array): void {
    const start = String.fromCharCode(...key.subarray(0, 16));
    const like = this.#seen.get(start);
    if (like?.some((other) => equal(other, key)) === true) throw new GroupError("tree: a key stands there twice");
    if (like === undefined) this.#seen.set(start, [key]);
    else like.push(key);
  }
}
