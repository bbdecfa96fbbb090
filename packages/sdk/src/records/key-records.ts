/** Key packages as the store has them, and how many are at the relay. */
import { CAPS, isInLifetime } from "../crypto/mls/key-package.ts";
import type { KeyPackagePair } from "../crypto/mls/seam.ts";
import type { ReadTransaction, WriteTransaction } from "../store/store.ts";
import { put, remove } from "./records.ts";
import type { KeyRecord } from "./tables.ts";

/** Key packages in the stock at the relay. */
export const STOCK = 20;

/** Saves the private parts of key packages, before their public parts are published. */
export async function saveKeyPackages(
  tx: WriteTransaction,
  pairs: KeyPackagePair[],
  state: Omit<KeyRecord, "ref" | "caps">,
): Promise<void> {
  for (const pair of pairs) {
    await put(tx, "key/", pair.ref, { ref: pair.ref, caps: pair.caps, ...state });
    await tx.put(`key-secret/${pair.ref}`, pair.secret);
  }
}

/** Removes a key package's private part, and what is known of its use. */
export async function removeKeyPackage(tx: WriteTransaction, ref: string): Promise<void> {
  await remove(tx, "key/", ref);
  await tx.delete(`key-secret/${ref}`);
  for (const [key] of await tx.list({ prefix: `joined/${ref}/` })) await tx.delete(key);
}

/**
 * The least that the relay had of our single-use key packages since the login, as far as it has said, and others have shown by using
 * them: what was published since may be newer than a claim.
 */
export async function leastStock(tx: ReadTransaction): Promise<number> {
  return Number((await tx.get("meta/least-stock")) ?? "0");
}

/** No more than so many are left. */
export async function lessIsLeft(tx: WriteTransaction, stock: number): Promise<void> {
  if (stock < (await leastStock(tx))) await tx.put("meta/least-stock", String(Math.max(0, stock)));
}

/** By the relay's clock, Unix ms. */
export function madeAt({ made_at, created_at }: KeyRecord): number {
  return made_at ?? created_at;
}

/**
 * Whether the last resort that the relay hands out announces all that ours do by now: it tells of which version the stock is, since
 * nothing but a new one is in its place.
 */
export function announcesAll(keys: KeyRecord[]): boolean {
  const last = keys.filter((key) => key.last_resort && isOffered(key));
  return last.length === 0 || last.some(({ caps = [] }) => CAPS.every((cap) => caps.includes(cap)));
}

/** Whether the relay may hand it out. */
function isOffered({ delete_at, published }: KeyRecord): boolean {
  return delete_at === undefined && published !== false;
}

/** Of those that the relay may hand out, how many others can use by its clock, and how many they cannot. */
export function countKeyPackages(keys: KeyRecord[], there: number): { valid: number; invalid: number } {
  const offered = keys.filter(isOffered);
  const valid = offered.filter((key) => isInLifetime(madeAt(key), there)).length;
  return { valid, invalid: offered.length - valid };
}
