import type { GroupCrypto } from "../crypto/group.ts";
import { createDevice } from "../crypto/identity.ts";
import type { ClientStore, WriteTransaction } from "../store/store.ts";
import { type Account, readAccount, registerDevice, toDeviceRecord } from "./account.ts";
import { type Connection, type Refusal, refused } from "./connection.ts";
import { get, list, nextSeq, pad, put } from "./records.ts";

/**
 * This store is an old copy: the relay has seen a higher login counter than it ever used. Its ratchets may have been used
 * since by the store that it was copied from, and using them again would encrypt twice under one key. So they are
 * discarded, and the agent goes on as a new device of the same identity.
 */
export async function replaceDevice(
  store: ClientStore,
  crypto: GroupCrypto,
  account: Account,
  connection: Connection,
  highestLogin: number,
): Promise<void> {
  await store.write(async (tx) => {
    await discardConversations(tx);
    await put(tx, "alert/", pad(await nextSeq(tx, "alert")), {
      at: Date.now(),
      kind: "old_copy",
      text: "this store is an old copy; its keys were discarded, and conversations are opened anew by a new device",
    });
  });
  let counter = account.device.counter + 1;
  for (let attempt = 0; ; attempt++) {
    const device = await createDevice(crypto, account.identity, counter, Date.now());
    await store.write(async (tx) => {
      await put(tx, "meta/device", "", toDeviceRecord(device));
      await put(tx, "meta/relay", "", {
        ...account.relay,
        login_counter: highestLogin,
        position: 0,
        registered: false,
      });
    });
    const refusal = await register(store, crypto, account.server, connection);
    if (refusal === undefined) return;
    // The store that this one was copied from may have been replaced itself.
    if (refusal.reason !== "device_counter" || attempt > 0) throw refused(refusal);
    counter = Math.max(refusal.highest ?? 0, counter) + 1;
  }
}

async function register(
  store: ClientStore,
  crypto: GroupCrypto,
  server: string,
  connection: Connection,
): Promise<Refusal | undefined> {
  const account = await store.read((tx) => readAccount(tx));
  return account === undefined ? undefined : registerDevice(store, crypto, { ...account, server }, connection);
}

/** Deletes all ratchets and key packages; what had not reached its recipient goes into the queue again. */
async function discardConversations(tx: WriteTransaction): Promise<void> {
  const secrets = ["mls/", "next/", "commit/", "wire/", "sent/", "key/", "key-secret/", "contact-group/", "replaces/"];
  for (const prefix of secrets) for (const [key] of await tx.list({ prefix })) await tx.delete(key);
  for (const group of await list(tx, "group/")) {
    if (group.state === "closed") continue;
    await put(tx, "group/", group.id, { ...group, state: "closed" });
    const names = ((await tx.get(`replaces/${group.contact}`)) ?? "") as string;
    await tx.put(`replaces/${group.contact}`, `${names} ${group.id}`.trim());
  }
  for (const row of await list(tx, "out/")) {
    if (row.state !== "stored" && row.state !== "queued") continue;
    const { group: _group, counter: _counter, ...rest } = (await get(tx, "out/", pad(row.seq))) ?? row;
    await put(tx, "out/", pad(row.seq), { ...rest, state: "queued", attempt: 0 });
    await tx.put(`queue/${row.to}/${pad(row.seq)}`, "");
  }
}
