import type { GroupCrypto, KeyPackagePair } from "../crypto/group.ts";
import { toBase64 } from "../protocol/index.ts";
import type { ClientStore } from "../store/store.ts";
import { type Account, saveKeyPackages, STOCK } from "./account.ts";
import type { Connection } from "./connection.ts";
import { list, put, remove } from "./records.ts";
import type { Turn } from "./turn.ts";

const DAY_MS = 86_400_000;
/** The last resort is replaced on first use or at this age; its private part lives a day longer. */
const LAST_RESORT_MS = 7 * DAY_MS;
/** Longer than any relay hands a package out. */
const PACKAGE_MS = 91 * DAY_MS;

/** Fills the stock at the relay up, and replaces the last resort if it was used or is old. */
export async function replenish(
  store: ClientStore,
  crypto: GroupCrypto,
  account: Account,
  connection: Connection,
): Promise<void> {
  const now = Date.now();
  const keys = await store.read((tx) => list(tx, "key/"));
  const fresh = keys.some(
    (key) => key.last_resort && key.delete_at === undefined && now - key.created_at < LAST_RESORT_MS,
  );
  const stock = Number((await store.read((tx) => tx.get("meta/relay-stock"))) ?? "0");
  const packages: KeyPackagePair[] = [];
  for (let count = stock; count < STOCK; count++) packages.push(await crypto.makeKeyPackage(account.device, now));
  const lastResort = fresh ? undefined : await crypto.makeKeyPackage(account.device, now);
  await store.write(async (tx) => {
    await saveKeyPackages(tx, packages, false);
    if (lastResort === undefined) return;
    for (const key of keys)
      if (key.last_resort && key.delete_at === undefined)
        await put(tx, "key/", key.ref, { ...key, delete_at: now + DAY_MS });
    await saveKeyPackages(tx, [lastResort], true);
  });
  const answer = await connection.ask("publish_keys", {
    key_packages: packages.map((pair) => toBase64(pair.public)),
    ...(lastResort === undefined ? {} : { last_resort: toBase64(lastResort.public) }),
  });
  if ("refusal" in answer || answer.frame.type !== "ack") return;
  const filled = answer.frame.data.key_packages ?? STOCK;
  await store.write((tx) => tx.put("meta/relay-stock", String(filled)));
}

/** Whether the last resort has to be replaced. */
export async function lastResortIsDue(turn: Turn): Promise<boolean> {
  const keys = await list(turn.tx, "key/");
  return !keys.some(
    (key) => key.last_resort && key.delete_at === undefined && turn.now - key.created_at < LAST_RESORT_MS,
  );
}

/** Deletes private parts whose time is over. */
export async function sweepKeyPackages(turn: Turn): Promise<void> {
  for (const key of await list(turn.tx, "key/")) {
    if (turn.now < (key.delete_at ?? key.created_at + PACKAGE_MS)) continue;
    await remove(turn.tx, "key/", key.ref);
    await turn.tx.delete(`key-secret/${key.ref}`);
  }
}
