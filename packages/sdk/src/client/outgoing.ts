import { authenticatedData, encodeContent, frameId, type Header } from "../crypto/content.ts";
import { toBase64 } from "../protocol/index.ts";
import { isWaiting } from "./commits.ts";
import { conversationFor } from "./conversations.ts";
import type { Flight, SendData } from "./flight.ts";
import { contactsWithQueue, endIfExpired, failAll, queuedRows } from "./queue.ts";
import { get, type OutboxRecord, pad, put, toBytes } from "./records.ts";
import type { Conversation, Turn } from "./turn.ts";

/** Sends under way at a time. Half of what a relay lets an account burst by default. */
const WINDOW = 128;

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
  if (record.state !== "open" || isWaiting(record)) return false;
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
export async function encryptRow(turn: Turn, conversation: Conversation, row: OutboxRecord): Promise<SendData> {
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
