import type { GroupCrypto } from "../crypto/mls/group.ts";
import { createDevice, type Device } from "../crypto/identity.ts";
import { AgentError } from "../errors.ts";
import type { ClientStore, WriteTransaction } from "../store/store.ts";
import { registerDevice } from "./account.ts";
import { raiseAlert } from "../trust/alerts.ts";
import { type Connection, refused } from "../wire/connection.ts";
import { nameReplaced } from "../trust/contact-records.ts";
import { offerAgain } from "../records/file-offers.ts";
import { filesOf, sendAnew } from "../records/files.ts";
import { STATE_TABLES } from "../records/group-state.ts";
import { hasLeft } from "../records/outbox-records.ts";
import { type Account, toDeviceRecord, updateRelay } from "../records/own-account.ts";
import { oweAll } from "../records/owed.ts";
import { get, list, pad, put, remove } from "../records/records.ts";
import { isOfLink } from "../records/team-changes.ts";
import type { OutboxRecord } from "../records/tables.ts";
import type { OpRecord, TeamGroupRecord } from "../records/team-records.ts";

/** Copies of one agent that were put back one after another; more are a relay's invention, which would use counters up. */
const MOST_REPLACED = 10_000;

/**
 * This store is an old copy: the relay knows of things that this device has done and this store has not. Its ratchets may
 * have been used since by the store that it was copied from, and using them again would encrypt twice under one key. So
 * they are discarded, and the agent goes on as a new device of the same identity, as soon as the relay knows that.
 */
export async function replaceDevice(store: ClientStore, crypto: GroupCrypto, account: Account): Promise<void> {
  const device = await createDevice(crypto, account.identity, account.device.counter + 1, Date.now());
  await store.write(async (tx) => {
    await discardConversations(tx);
    await tellAgain(tx);
    await putNewDevice(tx, device);
    const relay = await get(tx, "meta/relay");
    if (relay !== undefined) await put(tx, "meta/relay", "", { ...relay, replaced_at: Date.now() });
    const text =
      "this store is an old copy; its keys were discarded, and conversations are opened anew by a new device";
    await raiseAlert(tx, Date.now(), { kind: "old_copy", text });
  });
}

/**
 * Registers the device that replaces another one. May be repeated.
 * @throws AgentError refused, relay_unreachable, relay_protocol
 */
export async function registerReplacement(
  store: ClientStore,
  crypto: GroupCrypto,
  account: Account,
  connection: Connection,
): Promise<void> {
  let refusal = await registerDevice(store, crypto, account, connection);
  if (refusal?.reason === "device_counter") {
    // The store that this one was copied from has been replaced itself.
    const { counter } = account.device;
    const highest = Math.max(refusal.highest ?? 0, counter);
    if (highest > counter + MOST_REPLACED)
      throw new AgentError("relay_protocol", `the relay says that this agent is on its device ${highest}`);
    const device = await createDevice(crypto, account.identity, highest + 1, Date.now());
    await store.write((tx) => putNewDevice(tx, device));
    account.device = device;
    refusal = await registerDevice(store, crypto, account, connection);
  }
  if (refusal !== undefined) throw refused(refusal);
  account.relay = await updateRelay(store, ({ new_device: _known, ...relay }) => relay);
}

async function putNewDevice(tx: WriteTransaction, device: Device): Promise<void> {
  const relay = await get(tx, "meta/relay");
  if (relay === undefined) return;
  await put(tx, "meta/device", "", toDeviceRecord(device));
  // The relay may have been told more since the store was copied.
  await tx.delete("meta/peers");
  await put(tx, "meta/relay", "", { ...relay, position: 0, new_device: true });
}

/** Messages of which their senders hear once more what became of them: the newest. */
const TOLD_AGAIN = 256;

/**
 * What the store that this one was copied from still had to say is lost with it, also to a sender that had asked again, since its own store had been put
 * back: it knows that its message was received, keeps no text of it, and waits for the rest.
 */
async function tellAgain(tx: WriteTransaction): Promise<void> {
  for (const row of await list(tx, "in/", { reverse: true, limit: TOLD_AGAIN })) await oweAll(tx, row);
}

/** Deletes all ratchets and key packages; what had not reached its recipient goes into the queue again. */
async function discardConversations(tx: WriteTransaction): Promise<void> {
  const secrets = [
    ...STATE_TABLES,
    "next/",
    "commit/",
    "wire/",
    "sent/",
    "key/",
    "key-secret/",
    "joined/",
    "contact-group/",
    "replaces/",
    "again/",
    "team-member/",
    "team-held/",
    "team-held-body/",
    "team-taken/",
    "team-pin/",
    "order/",
    "order-page/",
    "order-wait/",
    "order-start/",
    "heal/",
    "stuck/",
    "op-keys/",
  ];
  for (const prefix of secrets) for (const [key] of await tx.list({ prefix })) await tx.delete(key);
  for (const op of await list(tx, "op/")) await discardChange(tx, op);
  for (const group of await list(tx, "group/")) {
    if (group.state === "closed") continue;
    await put(tx, "group/", group.id, { ...group, state: "closed" });
    await nameReplaced(tx, group.contact, group.id);
  }
  for (const team of await list(tx, "team-group/")) await discardTeam(tx, team);
  for (const row of await list(tx, "out/")) {
    if (row.state !== "stored" && row.state !== "queued") continue;
    if (row.kind === "offer") await offerOnceMore(tx, row);
    else await queueOnceMore(tx, row);
  }
}

/** A group is known again by its record when a member takes the new device in. Whether one that was being founded is there the relay says. */
async function discardTeam(tx: WriteTransaction, { id, ...team }: TeamGroupRecord): Promise<void> {
  const { key, shared, epoch, state, accused, founder, created_at } = team;
  if (state === "founding") {
    await remove(tx, "team-group/", id);
    if ((await get(tx, "team/", key))?.group === id) await remove(tx, "team/", key);
    for (const op of await list(tx, "op/")) if (op.kind === "create" && op.key === key) await endCreating(tx, op.seq);
  }
  if (state !== "open" && state !== "stuck") return;
  // Another device counts from the beginning, and does not know the leaf of the one before it.
  const known = { id, key, epoch, created_at, send_counter: 0, base: 0, wait_for_epoch: 0 };
  const more = { ...(shared && { shared }), ...(accused && { accused }), ...(founder && { founder }) };
  await put(tx, "team-group/", id, { ...known, ...more, state: "stuck" });
}

async function endCreating(tx: WriteTransaction, seq: number): Promise<void> {
  await remove(tx, "op/", pad(seq));
  await put(tx, "op-end/", pad(seq), { at: Date.now(), reason: "device_replaced" });
}

/** What the owner wants stays, to be made by key packages that nobody has used since; what the link wanted was of the old device. */
async function discardChange(tx: WriteTransaction, op: OpRecord): Promise<void> {
  const { keys_kept: _kept, ...rest } = op;
  if (isOfLink(op)) await tx.delete(`op/${pad(op.seq)}`);
  else await put(tx, "op/", pad(op.seq), rest);
}

async function queueOnceMore(tx: WriteTransaction, row: OutboxRecord): Promise<void> {
  const { group: _group, counter: _counter, ...rest } = (await get(tx, "out/", pad(row.seq))) ?? row;
  const left = hasLeft(row) ? ({ left: true } as const) : {};
  await put(tx, "out/", pad(row.seq), { ...rest, ...left, state: "queued", attempt: 0 });
  // It leaves when its files are up, as before.
  if (!(await sendFilesAnew(tx, row))) await tx.put(`queue/${row.to}/${pad(row.seq)}`, "");
}

/** Under the keys of files, too, the store that this one was copied from may have sent something else. @returns whether there are such */
async function sendFilesAnew(tx: WriteTransaction, { seq, files }: OutboxRecord): Promise<boolean> {
  const waiting = files === undefined ? [] : (await filesOf(tx, seq)).filter(({ state }) => state === "waits");
  for (const { resent: _resent, ...file } of waiting) await sendAnew(tx, file);
  return waiting.length > 0;
}

/** What was said of files in a conversation that is no more. */
async function offerOnceMore(tx: WriteTransaction, offer: OutboxRecord): Promise<void> {
  for (const prefix of ["out/", "out-body/", `queue/${offer.to}/`]) await tx.delete(prefix + pad(offer.seq));
  const row = await get(tx, "out/", pad(offer.of ?? 0));
  if (row !== undefined) await offerAgain(tx, row);
}
