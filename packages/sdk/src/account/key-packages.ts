import type { GroupCrypto } from "../crypto/mls/group.ts";
import { isInLifetime } from "../crypto/mls/key-package.ts";
import type { KeyPackagePair } from "../crypto/mls/seam.ts";
import { toBase64 } from "../protocol/index.ts";
import type { ClientStore } from "../store/store.ts";
import type { Connection } from "../wire/connection.ts";
import { madeAt, removeKeyPackage, saveKeyPackages, STOCK } from "../records/key-records.ts";
import type { Account } from "../records/own-account.ts";
import { list, put } from "../records/records.ts";
import type { KeyRecord } from "../records/tables.ts";
import type { Turn } from "../turn/turn.ts";

const DAY_MS = 86_400_000;
/** The last resort is replaced on first use or at this age; its private part lives a day longer. */
const LAST_RESORT_MS = 7 * DAY_MS;
/** What a package takes in a frame, and room to spare. */
const PACKAGE_BYTES = 4_096;
/** Longer than any relay hands a package out. */
const PACKAGE_MS = 91 * DAY_MS;

/** Private parts that are kept for packages which others may have claimed, at most. */
const KEPT = 10 * STOCK;

/** The parts that fill a stock. */
export interface Filling {
  store: ClientStore;
  crypto: GroupCrypto;
  account: Account;
  connection: Connection;
}

/**
 * Fills the stock at the relay up, and replaces the last resort if it was used or is old; or replaces all of it.
 * @returns whether the relay has said that it is so now
 */
export async function replenish({ store, crypto, account, connection }: Filling, renew = false): Promise<boolean> {
  const now = Date.now();
  const there = now + account.relay.clock_offset;
  const keys = await store.read((tx) => list(tx, "key/"));
  const stock = renew ? 0 : Number((await store.read((tx) => tx.get("meta/relay-stock"))) ?? "0");
  const pairs: KeyPackagePair[] = [];
  const withLastResort = renew || !keys.some((key) => isFresh(key, now, there));
  const count = Math.max(0, STOCK - stock) + (withLastResort ? 1 : 0);
  while (pairs.length < count && connection.open) pairs.push(await crypto.makeKeyPackage(account.device, there));
  if (pairs.length < count) return false;
  const lastResort = withLastResort ? pairs[0] : undefined;
  const packages = withLastResort ? pairs.slice(1) : pairs;
  await store.write(async (tx) => {
    const made = { created_at: now, made_at: there, published: false };
    await saveKeyPackages(tx, packages, { last_resort: false, ...made });
    if (lastResort !== undefined) await saveKeyPackages(tx, [lastResort], { last_resort: true, ...made });
  });
  const room = Math.max(1, Math.floor(account.relay.frame_bytes / PACKAGE_BYTES) - 1);
  let filled: number | undefined;
  for (let at = 0; at === 0 || at < packages.length; at += room) {
    const answer = await connection.ask("publish_keys", {
      key_packages: packages.slice(at, at + room).map((pair) => toBase64(pair.public)),
      ...(lastResort === undefined || at > 0 ? {} : { last_resort: toBase64(lastResort.public) }),
      ...(renew && at === 0 ? { replace: true } : {}),
    });
    if ("refusal" in answer || answer.frame.type !== "ack") return false;
    filled = answer.frame.data.key_packages;
  }
  // A relay that replaces nothing has more now, and hands the others out for longer.
  const withdrawn = renew && filled !== undefined && filled <= packages.length;
  const isReplaced = (key: KeyRecord): boolean =>
    key.last_resort ? lastResort !== undefined : withdrawn || (renew && !isInLifetime(madeAt(key), there));
  const published = new Set(pairs.map((pair) => pair.ref));
  await store.write(async (tx) => {
    await tx.put("meta/relay-stock", String(filled ?? STOCK));
    for (const key of await list(tx, "key/"))
      if (published.has(key.ref)) await put(tx, "key/", key.ref, { ...key, published: true });
      // May have been claimed just now. Until this answer the relay may have handed out any that was there before.
      else if (key.delete_at === undefined && isReplaced(key))
        await put(tx, "key/", key.ref, { ...key, delete_at: now + DAY_MS });
  });
  return true;
}

/** Whether this is the last resort that the relay hands out, and by neither clock has done so for too long. */
function isFresh(key: KeyRecord, now: number, there: number): boolean {
  const { last_resort, published, delete_at, created_at } = key;
  const age = Math.max(now - created_at, there - madeAt(key));
  return last_resort && published === true && delete_at === undefined && age < LAST_RESORT_MS;
}

/** Whether the last resort has to be replaced. */
export async function lastResortIsDue(turn: Turn): Promise<boolean> {
  const keys = await list(turn.tx, "key/");
  return !keys.some((key) => isFresh(key, turn.now, turn.relayNow));
}

/** Deletes private parts whose time is over, and of too many those that are missed least. */
export async function sweepKeyPackages(turn: Turn): Promise<void> {
  const keys = (await list(turn.tx, "key/")).sort(
    (one, other) => worth(other) - worth(one) || other.created_at - one.created_at,
  );
  for (const [index, key] of keys.entries()) {
    if (index < KEPT && turn.now < (key.delete_at ?? key.created_at + PACKAGE_MS)) continue;
    await removeKeyPackage(turn.tx, key.ref);
  }
}

/** The present last resort is missed most, and least what perhaps never came to the relay. */
function worth(key: KeyRecord): number {
  if (key.published === false) return 0;
  return key.last_resort && key.delete_at === undefined ? 2 : 1;
}
