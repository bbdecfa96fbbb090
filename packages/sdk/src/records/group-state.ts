/**
 * The MLS state of a group in parts, as the store has them: `mls/<group>`, `tree/<group>/<epoch>` and `ratchet/<group>/<epoch>/<page>`. What is in them is
 * the business of `crypto/mls`.
 */
import type { PartName, PartsChanged } from "../crypto/mls/seam.ts";
import type { ReadTransaction, WriteTransaction } from "../store/store.ts";
import { pad, toBytes } from "./records.ts";

/** Prefixes of all parts. */
export const STATE_TABLES = ["mls/", "tree/", "ratchet/"] as const;

function keyOf(group: string, [table, ...numbers]: PartName): string {
  return [table, group, ...numbers.map(pad)].join("/");
}

export async function readPart(tx: ReadTransaction, group: string, name: PartName): Promise<Uint8Array | undefined> {
  const value = await tx.get(keyOf(group, name));
  return value === undefined ? undefined : toBytes(value);
}

export async function saveState(tx: WriteTransaction, group: string, { put, remove }: PartsChanged): Promise<void> {
  for (const [name, bytes] of put) await tx.put(keyOf(group, name), bytes);
  for (const name of remove) await tx.delete(keyOf(group, name));
}

/** Whatever of it is there. */
export async function deleteState(tx: WriteTransaction, group: string): Promise<void> {
  await tx.delete(keyOf(group, ["mls"]));
  for (const table of STATE_TABLES)
    for (const [key] of await tx.list({ prefix: `${table}${group}/` })) await tx.delete(key);
}
