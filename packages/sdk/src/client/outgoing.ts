import { authenticatedData, encodeContent, frameId, type Header, largestBody } from "../crypto/content.ts";
import {
  type ClientFrameInput,
  type RelayFrameData,
  randomId,
  toBase64,
  usernameKey,
  type WireReason,
  wireErrors,
} from "../protocol/index.ts";
import type { Refusal } from "./connection.ts";
import { stopWithoutKey } from "./contacts.ts";
import { applyAdmitted, closeConversation, conversationFor, forget, openConversation } from "./conversations.ts";
import { deleteRow, rowById, settle } from "./receipts.ts";
import { type CommitRecord, type ContactRecord, get, type OutboxRecord, pad, put, remove, toBytes } from "./records.ts";
import type { Conversation, Turn } from "./turn.ts";

/** Sends under way at a time. Half of what a relay lets an account burst by default. */
const WINDOW = 128;
/** Refusals for a stale epoch in a row after which the conversation is opened anew. */
const STALE_LIMIT = 5;
const RETRY_MS = 1_000;
/** Messages in the frame that opens a conversation, at most. */
const OPENING_MESSAGES = 32;

export type Answered<T> = { ok: T } | { refusal: Refusal };
export type SendData = ClientFrameInput<"send">;
export type CommitData = ClientFrameInput<"commit">;

/** What is under way on the present connection. Forgotten with it: what was not answered is sent again, byte by byte. */
export class Flight {
  readonly sends = new Map<number, { contact: string; group: string; kind: OutboxRecord["kind"] }>();
  readonly sendAnswers: { seq: number; answer: Answered<RelayFrameData<"ack">> }[] = [];
  readonly commitAnswers: { group: string; commitId: string; answer: Answered<RelayFrameData<"ack">> }[] = [];
  /** Groups in which a send was refused: what follows waits until all answers are in, and begins with `resume`. */
  readonly blocked = new Set<string>();
  /** Contacts to whom something waits, but there is no conversation. */
  readonly toOpen = new Set<string>();
  /** Back-off of single contacts, and of all: Unix milliseconds. */
  readonly pausedContacts = new Map<string, number>();
  pausedUntil = 0;
  readonly post: (seq: number, data: SendData) => void;
  readonly postCommit: (group: string) => void;

  constructor(post: (seq: number, data: SendData) => void, postCommit: (group: string) => void) {
    this.post = post;
    this.postCommit = postCommit;
  }

  hasReceiptUnderWay(contact: string): boolean {
    for (const send of this.sends.values()) if (send.contact === contact && send.kind === "receipt") return true;
    return false;
  }

  pause(contact: string, until: number): void {
    this.pausedContacts.set(contact, Math.max(until, this.pausedContacts.get(contact) ?? 0));
  }

  isPaused(contact: string, now: number): boolean {
    return (this.pausedContacts.get(contact) ?? 0) > now;
  }

  /** When the next pause ends, Unix milliseconds; undefined if nothing is paused. */
  nextResume(now: number): number | undefined {
    const ends = [this.pausedUntil, ...this.pausedContacts.values()].filter((end) => end > now);
    return ends.length === 0 ? undefined : Math.min(...ends);
  }
}

/** Encrypts what waits, contact by contact, each in order, as far as the window goes. */
export async function encryptQueued(turn: Turn, flight: Flight): Promise<void> {
  flight.toOpen.clear();
  if (flight.pausedUntil > turn.now) return;
  for (const username of await contactsWithQueue(turn)) {
    if (flight.sends.size >= WINDOW) return;
    if (flight.isPaused(username, turn.now)) continue;
    const contact = await turn.contact(username);
    if (contact?.stopped !== undefined) {
      await failAll(turn, flight, contact);
      continue;
    }
    const conversation = contact === undefined ? undefined : await conversationFor(turn, contact);
    if (conversation === undefined) flight.toOpen.add(username);
    else if (isReady(conversation, flight)) await encryptFor(turn, flight, username, conversation);
  }
}

function isReady({ record }: Conversation, flight: Flight): boolean {
  if (record.state !== "open" || record.epoch < record.wait_for_epoch) return false;
  if (!flight.blocked.has(record.id)) return true;
  for (const send of flight.sends.values()) if (send.group === record.id) return false;
  return true;
}

async function encryptFor(turn: Turn, flight: Flight, username: string, conversation: Conversation): Promise<void> {
  const { record } = conversation;
  for (const row of await queuedRows(turn, flight, username, WINDOW - flight.sends.size)) {
    if (await endIfExpired(turn, row)) continue;
    const wire = await get(turn.tx, "wire/", pad(row.seq));
    const data: SendData =
      wire?.group === record.id && !flight.blocked.has(record.id)
        ? (JSON.parse(wire.frame) as SendData)
        : await encryptRow(turn, conversation, row);
    const sent = flight.blocked.delete(record.id) ? { ...data, resume: true } : data;
    flight.sends.set(row.seq, { contact: username, group: record.id, kind: row.kind });
    turn.after.push(() => flight.post(row.seq, sent));
  }
}

/** Encrypts one row in the present epoch, and remembers it as it leaves. */
async function encryptRow(turn: Turn, conversation: Conversation, row: OutboxRecord): Promise<SendData> {
  const { record } = conversation;
  const { device, identity } = turn.account;
  const messageId = frameId(row.id, row.attempt);
  const expiresAt = row.expires_at === undefined ? undefined : row.expires_at + turn.account.relay.clock_offset;
  record.send_counter += 1;
  const header: Header = {
    id: row.id,
    type: row.kind,
    content_type: row.content_type,
    counter: record.send_counter,
    sent_at: row.created_at,
    ...(expiresAt === undefined ? {} : { expires_at: expiresAt }),
    ...(row.reply_to === undefined ? {} : { reply_to: row.reply_to }),
    ...(row.thread === undefined ? {} : { thread: row.thread }),
    ...(record.send_counter === 1 && record.replaces.length > 0 ? { replaces: record.replaces } : {}),
  };
  const body = toBytes((await turn.tx.get(`out-body/${pad(row.seq)}`)) ?? "");
  const aad = authenticatedData({
    messageId,
    from: identity.username,
    fromDevice: device.id,
    to: row.to,
    toDevice: record.peer_device,
    expiresAt,
  });
  const { group, message, consumed } = await turn.crypto.encrypt(
    conversation.group,
    encodeContent({ header, body }),
    aad,
  );
  conversation.group = group;
  conversation.dirty = true;
  record.messages_since_commit += 1;
  if (record.role === "joiner") record.answered = true;
  turn.consumed.push(...consumed);
  const data: SendData = {
    to: row.to,
    message: toBase64(message),
    group_id: record.id,
    epoch: record.epoch,
    message_id: messageId,
    ...(expiresAt === undefined ? {} : { expires_at: expiresAt }),
  };
  if (row.group !== undefined && row.counter !== undefined)
    await turn.tx.delete(`sent/${row.group}/${pad(row.counter)}`);
  await put(turn.tx, "wire/", pad(row.seq), {
    group: record.id,
    epoch: record.epoch,
    counter: record.send_counter,
    frame: JSON.stringify(data),
  });
  await put(turn.tx, "out/", pad(row.seq), { ...row, group: record.id, counter: record.send_counter });
  await turn.tx.put(`sent/${record.id}/${pad(record.send_counter)}`, String(row.seq));
  return data;
}

/** Opens a conversation by claimed keys; the first messages that wait travel with the Welcome. */
export async function openWith(
  turn: Turn,
  flight: Flight,
  username: string,
  keys: RelayFrameData<"keys">,
): Promise<void> {
  const rows = await queuedRows(turn, flight, username, OPENING_MESSAGES);
  const asked = rows.find((row) => row.fingerprint !== undefined);
  if (asked !== undefined && asked.fingerprint !== (await turn.fingerprintOf(username, keys.identity_key))) {
    for (const row of rows.filter((one) => one.fingerprint === asked.fingerprint))
      await settle(turn, row, "failed", "fingerprint_mismatch");
    return;
  }
  const opening = await openConversation(turn, keys);
  if ("failed" in opening) {
    const contact = await turn.contact(username);
    if (contact?.stopped !== undefined) await failAll(turn, flight, contact);
    else flight.pause(username, turn.now + 10 * RETRY_MS);
    return;
  }
  const { conversation, welcome } = opening;
  const { record } = conversation;
  const messages: NonNullable<CommitData["messages"]> = [];
  const inside: number[] = [];
  let room = turn.account.relay.frame_bytes - 4 * welcome.length;
  for (const row of rows) {
    if (await endIfExpired(turn, row)) continue;
    const size = toBytes((await turn.tx.get(`out-body/${pad(row.seq)}`)) ?? "").length;
    // What does not fit goes as a frame of its own, once the conversation is open.
    if (size > largestBody(room)) break;
    const data = await encryptRow(turn, conversation, row);
    room -= data.message.length + 512;
    inside.push(row.seq);
    messages.push({
      to: data.to,
      message: data.message,
      message_id: data.message_id ?? row.id,
      ...(data.expires_at === undefined ? {} : { expires_at: data.expires_at }),
    });
    flight.sends.set(row.seq, { contact: username, group: record.id, kind: row.kind });
  }
  const commitId = randomId();
  const frame: CommitData = {
    commit_id: commitId,
    group_id: record.id,
    epoch: 0,
    members: [
      { username: usernameKey(turn.account.identity.username), device: turn.account.device.id },
      { username, device: record.peer_device },
    ],
    welcomes: [{ to: username, device: record.peer_device, welcome: toBase64(welcome) }],
    messages,
  };
  await turn.saveCommit({
    group: record.id,
    commit_id: commitId,
    kind: "open",
    epoch: 0,
    frame: JSON.stringify(frame),
    rows: inside,
    created_at: turn.now,
  });
  turn.after.push(() => flight.postCommit(record.id));
}

/** The relay had no key package for us. */
export async function cannotOpen(turn: Turn, flight: Flight, username: string, refusal: Refusal): Promise<void> {
  const token = refusal.reason === "token_account" || refusal.reason === "encryption_required";
  if (token && (await stopWithoutKey(turn, username))) return;
  if (isTemporary(refusal) || refusal.reason === "no_key_packages") {
    flight.pause(username, turn.now + (refusal.retry_after_ms ?? 5 * RETRY_MS));
    return;
  }
  for (const row of await queuedRows(turn, flight, username, Number.MAX_SAFE_INTEGER)) {
    if (row.kind === "receipt") await deleteRow(turn, row);
    else await settle(turn, row, "refused", refusal.reason, true);
  }
}

/** Applies the relay's answers to what was sent. */
export async function applyAnswers(turn: Turn, flight: Flight): Promise<void> {
  for (const { group, commitId, answer } of flight.commitAnswers.splice(0)) {
    const commit = turn.cache.commits.get(group);
    // Its conversation may have been closed, or its epoch lost, meanwhile.
    if (commit?.commit_id === commitId) await applyCommitAnswer(turn, flight, commit, answer);
  }
  for (const { seq, answer } of flight.sendAnswers.splice(0)) {
    flight.sends.delete(seq);
    const row = await get(turn.tx, "out/", pad(seq));
    if (row === undefined || row.state !== "queued") continue;
    if ("ok" in answer) await stored(turn, row, answer.ok.status === "delivered");
    else await refusedSend(turn, flight, row, answer.refusal);
  }
}

async function stored(turn: Turn, row: OutboxRecord, delivered: boolean): Promise<void> {
  await settle(turn, { ...row, delivered }, "stored");
}

async function refusedSend(turn: Turn, flight: Flight, row: OutboxRecord, refusal: Refusal): Promise<void> {
  const wire = await get(turn.tx, "wire/", pad(row.seq));
  const conversation = wire === undefined ? undefined : await turn.conversation(wire.group);
  if (refusal.reason === "message_id_reused") return stored(turn, row, false);
  if (wire !== undefined) {
    flight.blocked.add(wire.group);
    // Nobody has seen it, nor what was sent behind it: the counters are given out again, in order.
    await remove(turn.tx, "wire/", pad(row.seq));
    await turn.tx.delete(`sent/${wire.group}/${pad(wire.counter)}`);
  }
  if (conversation !== undefined && wire !== undefined) {
    conversation.record.send_counter = Math.min(conversation.record.send_counter, wire.counter - 1);
    conversation.dirty = true;
  }
  const { record } = conversation ?? {};
  switch (refusal.reason as WireReason) {
    case "send_blocked":
      return;
    case "stale_epoch":
      if (conversation === undefined || record === undefined || wire === undefined) return;
      record.wait_for_epoch = wire.epoch + 1;
      record.stale_refusals += 1;
      if (record.stale_refusals > STALE_LIMIT)
        await closeConversation(
          turn,
          conversation,
          "stale_epoch",
          `the relay takes nothing for ${row.to} in this conversation any more`,
        );
      return;
    case "device_replaced":
    case "not_a_member":
      if (conversation !== undefined) await closeConversation(turn, conversation);
      return;
    case "rate_limited":
      flight.pausedUntil = turn.now + (refusal.retry_after_ms ?? RETRY_MS);
      return;
    default:
      if (isTemporary(refusal)) flight.pause(row.to, turn.now + (refusal.retry_after_ms ?? RETRY_MS));
      else if (row.kind === "receipt") await deleteRow(turn, row);
      else await settle(turn, row, refusal.reason === "expired" ? "expired" : "refused", refusal.reason, true);
  }
}

async function applyCommitAnswer(
  turn: Turn,
  flight: Flight,
  commit: CommitRecord,
  answer: Answered<RelayFrameData<"ack">>,
): Promise<void> {
  const conversation = await turn.conversation(commit.group);
  if ("ok" in answer) {
    if (commit.kind === "update") {
      await turn.saveCommit({ ...commit, high_water: answer.ok.high_water ?? turn.position });
      return applyAdmitted(turn, turn.position + 1);
    }
    await turn.removeCommit(commit.group);
    if (conversation !== undefined) {
      conversation.record.state = "open";
      conversation.dirty = true;
    }
    for (const seq of commit.rows) {
      flight.sends.delete(seq);
      const row = await get(turn.tx, "out/", pad(seq));
      if (row?.state === "queued") await stored(turn, row, answer.ok.delivered ?? false);
    }
    return;
  }
  const { refusal } = answer;
  if (isTemporary(refusal)) {
    const wait = refusal.retry_after_ms ?? RETRY_MS;
    setTimeout(() => flight.postCommit(commit.group), wait);
    return;
  }
  if (commit.kind === "update") {
    // The winner is on its way to us; whatever else it was, a new conversation mends it.
    if (refusal.reason === "epoch_taken") await turn.removeCommit(commit.group);
    else if (conversation !== undefined) await closeConversation(turn, conversation);
    return;
  }
  await undoOpening(turn, flight, commit, conversation, refusal);
}

/** The relay did not admit the opening: nobody has seen it. */
async function undoOpening(
  turn: Turn,
  flight: Flight,
  commit: CommitRecord,
  conversation: Conversation | undefined,
  refusal: Refusal,
): Promise<void> {
  await turn.removeCommit(commit.group);
  if (conversation !== undefined) await forget(turn, conversation);
  for (const seq of commit.rows) {
    flight.sends.delete(seq);
    await remove(turn.tx, "wire/", pad(seq));
    const row = await get(turn.tx, "out/", pad(seq));
    if (row?.group === commit.group && row.counter !== undefined)
      await turn.tx.delete(`sent/${row.group}/${pad(row.counter)}`);
  }
  const retry: WireReason[] = ["device_replaced", "group_exists", "not_a_member"];
  const culprit = refusal.message_id === undefined ? undefined : await rowById(turn, refusal.message_id);
  if (culprit !== undefined && refusal.reason === "expired") await settle(turn, culprit, "expired", "expired", true);
  else if (!retry.includes(refusal.reason as WireReason))
    for (const seq of commit.rows) {
      const row = await get(turn.tx, "out/", pad(seq));
      if (row?.state !== "queued") continue;
      if (row.kind === "receipt") await deleteRow(turn, row);
      else await settle(turn, row, "refused", refusal.reason, true);
    }
  const contact = commit.rows.length === 0 ? undefined : conversation?.record.contact;
  if (contact !== undefined) flight.pause(contact, turn.now + RETRY_MS);
}

/** Nothing goes to a contact that is stopped: its messages fail, visibly, rather than leave later by surprise. */
async function failAll(turn: Turn, flight: Flight, contact: ContactRecord): Promise<void> {
  for (const row of await queuedRows(turn, flight, contact.username, Number.MAX_SAFE_INTEGER))
    if (row.kind === "message") await settle(turn, row, "failed", contact.stopped);
    else await deleteRow(turn, row);
}

async function endIfExpired(turn: Turn, row: OutboxRecord): Promise<boolean> {
  if (row.expires_at === undefined || row.expires_at > turn.now) return false;
  await settle(turn, row, "expired", "expired");
  return true;
}

/** Contacts with something in the queue, by skipping from one to the next. */
async function contactsWithQueue(turn: Turn): Promise<string[]> {
  const names: string[] = [];
  for (let after: string | undefined; ;) {
    const [next] = await turn.tx.list({ prefix: "queue/", after, limit: 1 });
    if (next === undefined) return names;
    const name = next[0].split("/")[1] ?? "";
    names.push(name);
    after = `queue/${name}/~`;
  }
}

/** Rows that wait for this contact and are not under way, in order. */
async function queuedRows(turn: Turn, flight: Flight, username: string, limit: number): Promise<OutboxRecord[]> {
  const prefix = `queue/${username}/`;
  const rows: OutboxRecord[] = [];
  const most = limit + flight.sends.size;
  for (const [key] of await turn.tx.list({ prefix, ...(Number.isSafeInteger(most) ? { limit: most } : {}) })) {
    const seq = Number(key.slice(prefix.length));
    if (rows.length >= limit) break;
    if (flight.sends.has(seq)) continue;
    const row = await get(turn.tx, "out/", pad(seq));
    if (row === undefined) await turn.tx.delete(key);
    else rows.push(row);
  }
  return rows;
}

function isTemporary(refusal: Refusal): boolean {
  return Object.hasOwn(wireErrors, refusal.reason)
    ? wireErrors[refusal.reason as WireReason].retry
    : refusal.code >= 500;
}
