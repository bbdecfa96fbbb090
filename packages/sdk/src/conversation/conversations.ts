import { type Group, GroupError } from "../crypto/mls/seam.ts";
import { groupIdOf } from "../crypto/mls/state.ts";
import { verifyCertificate } from "../crypto/identity.ts";
import {
  type Delivery,
  type DeviceCertificate,
  equal,
  fromBase64,
  isBase64,
  type RelayFrameData,
  toBase64,
  usernameKey,
} from "../protocol/index.ts";
import type { ReadTransaction, WriteTransaction } from "../store/store.ts";
import { GROUPS_PER_CONTACT, nameReplaced, replacedGroups } from "../trust/contact-records.ts";
import { meet, type Trust } from "../trust/contacts.ts";
import { deleteState } from "../records/group-state.ts";
import { owed } from "../records/owed.ts";
import { forgetGroup } from "../records/members.ts";
import { get, pad, put } from "../records/records.ts";
import { sendUnreadAgain } from "./resend.ts";
import { isUsedUp, LAST_RESORT_USES, packageOf, useKeyPackage, wasJoined } from "./welcomes.ts";
import type { GroupRecord } from "../records/group-records.ts";
import type { ContactRecord } from "../records/tables.ts";
import { addPair, pairsWith, type Pair } from "../turn/groups.ts";
import type { Turn } from "../turn/turn.ts";

/** Back-off of re-openings: doubles from the first to the last. Milliseconds. */
const REOPEN_FIRST_MS = 1_000;
const REOPEN_LAST_MS = 3_600_000;
/** Closed conversations of one contact that are known, at most: the oldest are the first to be forgotten. */
const CLOSED_AT_MOST = 100;

/**
 * The conversation to send in: with the contact's present device, one that has been answered before one that has not,
 * and between equals the smaller id, so that two sides that opened at once agree.
 */
export async function conversationFor(turn: Turn, contact: ContactRecord): Promise<Pair | undefined> {
  const usable = (await pairsWith(turn, contact.username)).filter(
    ({ record, peer }) =>
      (record.state === "open" || record.state === "opening") &&
      peer.device === contact.device_id &&
      // Older than the pin: opened with the identity key that was trusted before.
      record.created_at >= contact.pinned_at,
  );
  usable.sort(({ record: a }, { record: b }) => Number(b.answered) - Number(a.answered) || (a.id < b.id ? -1 : 1));
  return usable[0];
}

/** What a claimed key package led to. */
export type Opening = { conversation: Pair; welcome: Uint8Array } | { failed: Trust | "bad_key_package" };

/** Opens a conversation by a claimed key package: everything but sending it. */
export async function openConversation(turn: Turn, keys: RelayFrameData<"keys">): Promise<Opening> {
  const certificate = await readExpected(turn, fromBase64(keys.device.certificate), keys.username);
  const refuse = async (text: string): Promise<Opening> => {
    await turn.alert("bad_key_package", usernameKey(keys.username), text);
    return { failed: "bad_key_package" };
  };
  if (certificate === undefined || toBase64(certificate.identityKey) !== keys.identity_key)
    return refuse(`the relay shows a device of ${keys.username} that its identity key has not signed`);
  const trust = await meet(turn, certificate, "relay");
  if (trust !== "trusted") return { failed: trust };
  const { device } = turn.account;
  const encoded = fromBase64(keys.device.certificate);
  let opened: { group: Group; welcome: Uint8Array };
  try {
    opened = await turn.crypto.open(
      globalThis.crypto.getRandomValues(new Uint8Array(32)),
      device,
      fromBase64(keys.key_package),
      turn.relayNow,
      async (credential, key) =>
        (equal(credential, device.certificate) && equal(key, device.publicKey)) ||
        (equal(credential, encoded) && equal(key, certificate.deviceKey)),
    );
  } catch (error) {
    if (!(error instanceof GroupError)) throw error;
    return refuse(`a key package of ${certificate.username} is not acceptable: ${error.message}`);
  }
  const earlier = (await pairsWith(turn, certificate.username)).filter(({ record }) => record.state === "open");
  const owes = (await turn.tx.list({ prefix: owed(certificate.username), limit: 1 })).length > 0;
  const records = await newRecords(turn, opened.group, certificate, "opener");
  const { record } = records;
  record.state = "opening";
  record.replaces = [
    ...new Set([
      ...(await replacedGroups(turn.tx, certificate.username)),
      ...earlier.filter(({ peer }) => peer.device !== certificate.deviceId).map(({ record: old }) => old.id),
    ]),
  ].slice(-GROUPS_PER_CONTACT);
  await turn.tx.delete(`replaces/${certificate.username}`);
  if (owes || record.replaces.length > 0) await backOff(turn, certificate.username);
  const conversation = await addPair(turn, records, opened.group);
  await evict(turn, certificate.username, record.id);
  return { conversation, welcome: opened.welcome };
}

/** Joins the group of a Welcome, if it may be joined. Whatever is wrong with it is reported, and it is dropped. */
export async function acceptWelcome(
  turn: Turn,
  { from, device: fromDevice, group_id: announcedGroup, message }: Delivery,
): Promise<void> {
  const username = usernameKey(from);
  const refuse = (kind: string, text: string) => turn.alert(kind, username, text);
  if (username === usernameKey(turn.account.identity.username))
    return refuse("bad_welcome", "a Welcome came in this agent's own name");
  const welcome = isBase64(message) ? fromBase64(message) : new Uint8Array();
  if (announcedGroup !== undefined && (await isKnownGroup(turn, announcedGroup)))
    return refuse("welcome_replayed", `a Welcome from ${from} names a conversation that is known already`);
  const key = await packageOf(turn, welcome);
  if (key === undefined)
    return refuse("welcome_without_key", `a Welcome from ${from} uses a key package that this device does not have`);
  if (await isUsedUp(turn, key, from))
    return refuse("too_many_welcomes", `${from} opens more than ${LAST_RESORT_USES} conversations by one key package`);
  const { device } = turn.account;
  let peer: DeviceCertificate | undefined;
  let group: Group;
  try {
    group = await turn.crypto.join(welcome, key.secret, device, async (credential, leafKey) => {
      if (equal(credential, device.certificate)) return equal(leafKey, device.publicKey);
      peer = await readExpected(turn, credential, from);
      return peer !== undefined && equal(peer.deviceKey, leafKey) && (fromDevice ?? peer.deviceId) === peer.deviceId;
    });
  } catch (error) {
    if (!(error instanceof GroupError)) throw error;
    return refuse("bad_welcome", `a Welcome from ${from} is not acceptable: ${error.message}`);
  }
  const id = groupIdOf(group);
  const known = (await isKnownGroup(turn, id)) || (await wasJoined(turn, key, from, id));
  if (peer === undefined || (announcedGroup ?? id) !== id || known)
    return refuse("bad_welcome", `a Welcome from ${from} is not what the relay says it is`);
  const trust = await meet(turn, peer, "welcome");
  if (trust !== "trusted") return;
  await useKeyPackage(turn, key, from, id);
  // First thing after joining, our own keys replace those of the published package.
  const records = await newRecords(turn, group, peer, "joiner");
  records.record.committed_at = 0;
  await addPair(turn, records, group);
  await evict(turn, records.record.contact, records.record.id);
}

/** Ends a conversation for good. The next one with this contact names it as replaced. */
export async function closeConversation(turn: Turn, conversation: Pair, kind?: string, text?: string): Promise<void> {
  const { record } = conversation;
  if (kind !== undefined && text !== undefined) await turn.alert(kind, record.contact, text);
  record.state = "closed";
  await nameReplaced(turn.tx, record.contact, record.id);
  await turn.removeCommit(record.id);
  await forget(turn, conversation);
  await sendUnreadAgain(turn, record);
}

/** Deletes the secrets of a conversation, and keeps its record, by which its id is known. */
export async function forget(turn: Turn, conversation: Pair): Promise<void> {
  const { record } = conversation;
  conversation.dirty = false;
  turn.cache.groups.delete(record.id);
  await deleteState(turn.tx, record.id);
  await turn.tx.delete(`contact-group/${record.contact}/${record.id}`);
  await put(turn.tx, "group/", record.id, { ...record, state: "closed" });
  await knowClosed(turn.tx, record);
}

/** Of the closed conversations of a contact the newest are known, by their order. */
export async function knowClosed(tx: WriteTransaction, record: GroupRecord): Promise<void> {
  const key = closedKey(record);
  if ((await tx.get(key)) !== undefined) return;
  await tx.put(key, "");
  const closed = await tx.list({ prefix: `closed/${record.contact}/` });
  for (const [old] of closed.slice(0, Math.max(0, closed.length - CLOSED_AT_MOST))) {
    await forgetGroup(tx, old.slice(old.lastIndexOf("/") + 1));
    await tx.delete(old);
  }
}

/** In the order in which they began. */
export function closedKey({ contact, created_at, id }: GroupRecord): string {
  return `closed/${contact}/${pad(created_at)}/${id}`;
}

/** How long the next opening of this contact has to wait for the back-off. Milliseconds. */
export async function reopenDelay(tx: ReadTransaction, username: string, now: number): Promise<number> {
  const contact = await get(tx, "contact/", username);
  if (contact === undefined) return 0;
  const left = contact.reopen_at - now;
  // Longer than it was told to wait: the clock was set back since.
  return left > backOffMs(contact.reopenings - 1) ? 0 : Math.max(0, left);
}

async function backOff(turn: Turn, username: string): Promise<void> {
  const contact = await turn.contact(username);
  if (contact === undefined) return;
  const wait = backOffMs(contact.reopenings);
  turn.saveContact({ ...contact, reopenings: contact.reopenings + 1, reopen_at: turn.now + wait });
}

/** How long the opening after so many waits. */
function backOffMs(reopenings: number): number {
  return Math.min(REOPEN_FIRST_MS * 2 ** reopenings, REOPEN_LAST_MS);
}

async function readExpected(turn: Turn, encoded: Uint8Array, username: string): Promise<DeviceCertificate | undefined> {
  const certificate = await verifyCertificate(turn.crypto, encoded);
  return certificate?.username === usernameKey(username) ? certificate : undefined;
}

async function isKnownGroup(turn: Turn, id: string): Promise<boolean> {
  return (
    turn.cache.groups.has(id) ||
    (await turn.tx.get(`group/${id}`)) !== undefined ||
    (await turn.tx.get(`team-group/${id}`)) !== undefined
  );
}

/** Whether a group is one of two. */
export async function isConversation(turn: Turn, id: string): Promise<boolean> {
  return (await turn.tx.get(`group/${id}`)) !== undefined || turn.cache.groups.get(id)?.kind === "pair";
}

async function newRecords(
  turn: Turn,
  group: Group,
  { username, deviceId }: DeviceCertificate,
  role: GroupRecord["role"],
): Promise<Pick<Pair, "record" | "peer">> {
  const contact = await turn.contact(username);
  const record: GroupRecord = {
    id: groupIdOf(group),
    contact: username,
    role,
    state: "open",
    epoch: 1,
    answered: false,
    // Our clock may have been set back since it was pinned: a conversation that is older than its pin is not read.
    created_at: Math.max(turn.now, contact?.pinned_at ?? 0),
    send_counter: 0,
    messages_since_commit: 0,
    committed_at: turn.now,
    wait_for_epoch: 0,
    replaces: [],
  };
  return { record, peer: { name: username, device: deviceId, receive_counter: 0 } };
}

async function evict(turn: Turn, contact: string, keep: string): Promise<void> {
  const all = (await pairsWith(turn, contact)).filter(({ record }) => record.id !== keep);
  all.sort(({ record: a }, { record: b }) => a.created_at - b.created_at);
  for (const old of all.slice(0, Math.max(0, all.length + 1 - GROUPS_PER_CONTACT))) await closeConversation(turn, old);
}
