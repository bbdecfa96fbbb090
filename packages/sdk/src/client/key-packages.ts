import type { GroupCrypto, KeyPackagePair } from "../crypto/group.ts";
import { toBase64 } from "../protocol/index.ts";
import type { ClientStore } from "../store/store.ts";
import { type Account, saveKeyPackages, STOCK } from "./account.ts";
import type { Connection } from "./connection.ts";
import { type KeyRecord, list, put, removeKeyPackage } from "./records.ts";
import type { Turn } from "./turn.ts";

const DAY_MS = 86_400_000;
/** The last resort is replaced on first use or at this age; its private part lives a day longer. */
const LAST_RESORT_MS = 7 * DAY_MS;
/** What a package takes in a frame, and room to spare. */
const PACKAGE_BYTES = 4_096;
/** Longer than any relay hands a package out. */
const PACKAGE_MS = 91 * DAY_MS;

/** Private parts that are kept for packages which others may have claimed, at most. */
const KEPT = 10 * STOCK;

/** Fills the stock at the relay up, and replaces the last resort if it was used or is old. */
export async function replenish(
  store: ClientStore,
  crypto: GroupCrypto,
  account: Account,
  connection: Connection,
): Promise<void> {
  const now = Date.now();
  const keys = await store.read((tx) => list(tx, "key/"));
  const stock = Number((await store.read((tx) => tx.get("meta/relay-stock"))) ?? "0");
  const packages: KeyPackagePair[] = [];
  for (let count = stock; count < STOCK; count++) packages.push(await crypto.makeKeyPackage(account.device, now));
  const lastResort = keys.some((key) => isFresh(key, now))
    ? undefined
    : await crypto.makeKeyPackage(account.device, now);
  await store.write(async (tx) => {
    await saveKeyPackages(tx, packages, { last_resort: false, published: false });
    if (lastResort !== undefined) await saveKeyPackages(tx, [lastResort], { last_resort: true, published: false });
  });
  const room = Math.max(1, Math.floor(account.relay.frame_bytes / PACKAGE_BYTES) - 1);
  let filled: number | undefined;
  for (let at = 0; at === 0 || at < packages.length; at += room) {
    const answer = await connection.ask("publish_keys", {
      key_packages: packages.slice(at, at + room).map((pair) => toBase64(pair.public)),
      ...(lastResort === undefined || at > 0 ? {} : { last_resort: toBase64(lastResort.public) }),
    });
    if ("refusal" in answer || answer.frame.type !== "ack") return;
    filled = answer.frame.data.key_packages;
  }
  const published = new Set([...packages, lastResort].map((pair) => pair?.ref));
  await store.write(async (tx) => {
    await tx.put("meta/relay-stock", String(filled ?? STOCK));
    for (const key of await list(tx, "key/"))
      if (published.has(key.ref)) await put(tx, "key/", key.ref, { ...key, published: true });
      // May have been claimed just now. Until this answer the relay may have handed out any last resort before.
      else if (lastResort !== undefined && key.last_resort && key.delete_at === undefined)
        await put(tx, "key/", key.ref, { ...key, delete_at: now + DAY_MS });
  });
}

/** Whether this is the last resort that the relay hands out, and may do so for longer. */
function isFresh({ last_resort, published, delete_at, created_at }: KeyRecord, now: number): boolean {
  return last_resort && published === true && delete_at === undefined && now - created_at < LAST_RESORT_MS;
}

/** Whether the last resort has to be replaced. */
export async function lastResortIsDue(turn: Turn): Promise<boolean> {
  const keys = await list(turn.tx, "key/");
  return !keys.some((key) => isFresh(key, turn.now));
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
