/** A team's tree, as it travels to those who join: beside their Welcomes, which hold its key. [P-15.6] */
import { concat, lengthPrefixed } from "../../protocol/index.ts";
import type { Primitives } from "../primitives.ts";

/** Bytes of the key. */
export const TREE_KEY = 32;
const NONCE = 12;

/** Where a tree is valid: the group's id in hex, and the epoch that the Welcomes open. */
export interface TreePlace {
  group: string;
  epoch: number;
}

/** @param nonce Of 12 bytes; a key seals one tree alone. */
export async function sealTree(
  primitives: Primitives,
  tree: Uint8Array,
  { key, nonce = primitives.rng.randomBytes(NONCE) }: { key: Uint8Array; nonce?: Uint8Array },
  place: TreePlace,
): Promise<Uint8Array> {
  return concat(nonce, await primitives.hpke.encryptAead(key, nonce, treeData(place), tree));
}

/** The tree, or undefined if this was not sealed for that place under that key. */
export async function openTree(
  primitives: Primitives,
  sealed: Uint8Array,
  key: Uint8Array,
  place: TreePlace,
): Promise<Uint8Array | undefined> {
  if (key.length !== TREE_KEY || sealed.length < NONCE) return undefined;
  try {
    return await primitives.hpke.decryptAead(key, sealed.slice(0, NONCE), treeData(place), sealed.slice(NONCE));
  } catch {
    return undefined;
  }
}

/** What the encryption of a tree is bound to. */
export function treeData({ group, epoch }: TreePlace): Uint8Array {
  return lengthPrefixed("aimessage tree 1", group, epoch);
}
