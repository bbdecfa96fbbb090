import { type Content, decodeContent, frameId, type Header, isBoundTo, isFrameIdOf } from "../crypto/content.ts";
import { GroupError } from "../crypto/group.ts";
import { type Delivery, fromBase64, isBase64, usernameKey } from "../protocol/index.ts";
import type { Pushed } from "./connection.ts";
import { acceptCommit, applyAdmitted, applyCommit } from "./commits.ts";
import { mayAnswer } from "./contacts.ts";
import { acceptWelcome, closeConversation } from "./conversations.ts";
import { LAST_ATTEMPT, requeue, rowById, settle, unlink } from "./outbox-rows.ts";
import { owe } from "./message.ts";
import { applyReceipt, confirm } from "./reports.ts";
import { leave, sendAgain } from "./resend.ts";
import { fromBody, get, nextSeq, owed, pad, put } from "./records.ts";
import type { Conversation, Turn } from "./turn.ts";

/** The part of a turn that goes into what comes and into what was left of it before. */
const SHARE = 0.8;
/** Counters of a conversation that were not read, at most. With more it is lost, and what is unread is sent in another. */
const MISSING_AT_MOST = 400;
/** What it costs to join or to follow a commit, to try to decrypt, and one step of a ratchet: ms of an ordinary core. */
const HANDSHAKE = 10;
const ATTEMPT = 0.5;
const STEP = 0.02;
/** Messages of both sides between two commits of the other one. What comes sooner, for its age or after a race, is rare. */
const COMMIT_EVERY = 50;
const DAY_MS = 86_400_000;
/** What two measured clocks may be apart although they agree. Milliseconds. */
const MEASURED_MS = 2_000;
/**
 * Messages of one contact that were not read and of which it has not been told, at most. Of more it hears by what it is told
 * of: their counters are gaps in its conversation, or that is replaced.
 */
const OWED_AT_MOST = 1_000;
const OWED_TO_STRANGERS = 200;

/**
 * Processes what the relay has pushed, in the order of `seq`. Nothing in it can fail the turn: what is not readable is
 * recorded, and asked for again; a kind of entry that this version does not know is skipped. [P-13.2]
 * @returns how many the turn had time for
 */
export async function receive(turn: Turn, batch: Pushed[]): Promise<number> {
  let count = 0;
  for (const { delivery, offline } of batch) {
    if (count > 0 && !turn.mayGoOn(SHARE)) return count;
    if (await isLookedFor(turn, delivery)) return count;
    count += 1;
    if (delivery.seq <= turn.position) continue;
    await applyAdmitted(turn, delivery.seq);
    const at = `pushed/${delivery.seq}`;
    if (!turn.aside.has(at)) await turn.on(at, () => receiveOne(turn, delivery, offline));
    else await leaveAlone(turn, delivery);
    turn.position = delivery.seq;
  }
  await applyAdmitted(turn, turn.position + 1);
  return count;
}

/** Whether room is still looked for, before what a stranger has sent is refused. */
async function isLookedFor(turn: Turn, delivery: Delivery): Promise<boolean> {
  if ((delivery.kind ?? "application") !== "application") return false;
  if (await hasRoom(turn, usernameKey(delivery.from), delivery)) return false;
  return !(await turn.cache.strangers.hasLooked(turn));
}

async function hasRoom(turn: Turn, contact: string, { message }: Delivery): Promise<boolean> {
  return !(await turn.isStranger(contact)) || turn.cache.strangers.hasRoom(contact, (message.length * 3) / 4);
}

/** What the turn has failed on: its sender hears that it was not readable, unless that fails, too. */
async function leaveAlone(turn: Turn, { kind, seq, from, message_id }: Delivery): Promise<void> {
  turn.wasted(usernameKey(from), HANDSHAKE);
  const at = `unread/${seq}`;
  if ((kind ?? "application") === "application" && !turn.aside.has(at))
    await turn.on(at, () => unreadable(turn, usernameKey(from), message_id));
}

async function receiveOne(turn: Turn, delivery: Delivery, offline: boolean): Promise<void> {
  switch (delivery.kind ?? "application") {
    case "application":
      return receiveApplication(turn, delivery, offline);
    case "welcome":
      return receiveWelcome(turn, delivery);
    case "commit":
      return receiveCommit(turn, delivery);
    case "notice":
      return receiveNotice(turn, delivery);
  }
}

/** Of whoever is not read now, messages in another conversation are not readable: it hears of them as of those. */
async function receiveWelcome(turn: Turn, { from, device, group_id, message }: Delivery): Promise<void> {
  const username = usernameKey(from);
  if ((await turn.contact(username))?.blocked === true || isSpent(turn, username)) return;
  const alone = (await turn.conversationsWith(username)).length === 0;
  const [ref] = turn.crypto.welcomeRefs(isBase64(message) ? fromBase64(message) : new Uint8Array());
  const isTried = ref !== undefined && (await turn.tx.get(`key/${ref}`)) !== undefined;
  await acceptWelcome(turn, from, device, group_id, message);
  const joined = alone && (await turn.conversationsWith(username)).length > 0;
  if (isTried && !joined) turn.wasted(username, HANDSHAKE);
}

async function receiveCommit(turn: Turn, delivery: Delivery): Promise<void> {
  const conversation = await find(turn, delivery.group_id);
  // A commit of a conversation that is gone has nothing to advance.
  if (conversation === undefined) return;
  const { record } = conversation;
  if (isSpent(turn, record.contact)) {
    // Without it nothing that follows can be read.
    const text = `${record.contact} keeps this agent busy with what leads to nothing`;
    return closeConversation(turn, conversation, "wasteful", text);
  }
  await applyUnanswered(turn, conversation, delivery.epoch);
  const accepted = await acceptCommit(turn, conversation, delivery.epoch ?? -1, delivery.message);
  const said = record.send_counter + record.receive_counter;
  if (!accepted || said - (record.said_at_commit ?? 0) < COMMIT_EVERY) turn.wasted(record.contact, HANDSHAKE);
  record.said_at_commit = said;
}

function isSpent(turn: Turn, contact: string): boolean {
  return turn.cache.waste.isSpent(contact, turn.clock());
}

async function receiveApplication(turn: Turn, delivery: Delivery, offline: boolean): Promise<void> {
  const from = usernameKey(delivery.from);
  const conversation = await find(turn, delivery.group_id);
  if (conversation === undefined) return unreadable(turn, from, delivery.message_id);
  const { record } = conversation;
  const contact = await turn.contact(record.contact);
  if (contact === undefined || record.created_at < contact.pinned_at) {
    await closeConversation(turn, conversation);
    return unreadable(turn, from, delivery.message_id);
  }
  // Before any work is done for it: what is not read is no reason for an attempt.
  if (contact.blocked || isSpent(turn, record.contact)) return unreadable(turn, record.contact, delivery.message_id);
  if (!(await hasRoom(turn, record.contact, delivery)))
    return unreadable(turn, record.contact, delivery.message_id, "stranger_quota");
  await applyUnanswered(turn, conversation, delivery.epoch);
  const content = await open(turn, conversation, delivery);
  if (content === undefined) return unreadable(turn, record.contact, delivery.message_id);
  await countAndFollow(turn, conversation, content);
  if (content.header.type === "receipt") await applyReceipt(turn, conversation, content.body);
  else await keep(turn, conversation, content, delivery, offline);
  if ((record.gaps ?? []).length >= MISSING_AT_MOST) {
    // What it says was received would be a lie: not every loss can be named.
    await turn.tx.delete(owed(record.contact, "read", record.id));
    await closeConversation(
      turn,
      conversation,
      "too_many_lost",
      `more than ${MISSING_AT_MOST} messages of ${record.contact} were lost`,
    );
  }
}

/** The other side is in the epoch that our commit opens: it was admitted, though its answer has not reached us. */
async function applyUnanswered(turn: Turn, { record }: Conversation, epoch: number | undefined): Promise<void> {
  const pending = turn.cache.commits.get(record.id);
  if (pending?.kind === "update" && epoch === pending.epoch + 1 && record.epoch === pending.epoch)
    await applyCommit(turn, record.id);
}

/** Decrypts, and compares what was encrypted with what the relay says around it. */
async function open(turn: Turn, conversation: Conversation, delivery: Delivery): Promise<Content | undefined> {
  const { record } = conversation;
  const { waste } = turn.cache;
  const bytes = isBase64(delivery.message) ? fromBase64(delivery.message) : new Uint8Array();
  if (waste.remembers && waste.hasFailed(await turn.crypto.digest(bytes))) return undefined;
  try {
    const opened = await turn.crypto.decrypt(conversation.group, bytes);
    if (opened.kind !== "application") throw new GroupError("a commit as an application message");
    conversation.group = opened.group;
    conversation.dirty = true;
    turn.consumed.push(...opened.consumed);
    const content = decodeContent(opened.plaintext);
    const { device, identity } = turn.account;
    const bound = isBoundTo(opened.authenticatedData, {
      messageId: delivery.message_id,
      from: delivery.from,
      fromDevice: record.peer_device,
      to: identity.username,
      toDevice: device.id,
      expiresAt: delivery.expires_at,
    });
    if (content === undefined) throw new GroupError("malformed content");
    if (
      !bound ||
      usernameKey(delivery.from) !== record.contact ||
      !isFrameIdOf(delivery.message_id, content.header.id)
    ) {
      await turn.alert(
        "relay_mismatch",
        record.contact,
        `a message from ${record.contact} came with other names, ids or expiry than its sender gave it`,
      );
      return undefined;
    }
    return content;
  } catch (error) {
    if (!(error instanceof GroupError)) throw error;
    if (error.steps !== undefined) {
      waste.remember(await turn.crypto.digest(bytes));
      turn.wasted(record.contact, ATTEMPT + error.steps * STEP);
    }
    return undefined;
  }
}

/** Keeps the books of the conversation: counters, gaps, what it replaces, that it works. */
async function countAndFollow(turn: Turn, conversation: Conversation, { header }: Content): Promise<void> {
  const { record } = conversation;
  turn.heard.add(record.contact);
  const gaps = new Set(record.gaps);
  gaps.delete(header.counter);
  const newest = Math.min(header.counter, record.receive_counter + MISSING_AT_MOST + 1);
  const hasGap = newest > record.receive_counter + 1;
  for (let counter = record.receive_counter + 1; counter < newest; counter++) gaps.add(counter);
  record.gaps = [...gaps];
  record.receive_counter = Math.max(record.receive_counter, header.counter);
  if (header.read !== undefined && header.read > (record.confirmed ?? 0)) {
    record.confirmed = Math.min(header.read, record.send_counter);
    await confirm(turn, record.contact, record.id, header.read);
  }
  record.messages_since_commit += 1;
  record.heard_at = Math.floor(turn.now / DAY_MS) * DAY_MS;
  if (record.role === "opener") record.answered = true;
  // Receipts cause no receipts; what they carry is cumulative or is asked for again by its counter.
  if (header.type === "message" || hasGap)
    await turn.tx.put(owed(record.contact, "read", record.id), String(record.receive_counter));
  for (const id of header.replaces ?? []) await leave(turn, record.contact, id);
  const contact = await turn.contact(record.contact);
  if (contact === undefined) return;
  const { stopped, new_identity_key: _newKey, ...works } = contact;
  if (contact.reopenings > 0 || contact.reopen_at > 0 || stopped !== undefined)
    turn.saveContact({ ...works, reopenings: 0, reopen_at: 0 });
}

/** Puts a message into the inbox, once. */
async function keep(
  turn: Turn,
  conversation: Conversation,
  content: Content,
  { from: name }: Delivery,
  offline: boolean,
): Promise<void> {
  const { header, body } = content;
  const { contact: from } = conversation.record;
  const contact = await turn.contact(from);
  const seen = `seen/${from}/${header.id}`;
  const before = await turn.tx.get(seen);
  if (before !== undefined) return repeatOutcome(turn, Number(before));
  await turn.tx.put(`seen-at/${pad(turn.now)}/${from}/${header.id}`, "");
  const seq = await nextSeq(turn.tx, "in");
  await turn.tx.put(seen, String(seq));
  await put(turn.tx, "in/", pad(seq), {
    seq,
    id: header.id,
    from,
    from_name: name,
    ...(contact === undefined ? {} : { identity_key: contact.identity_key }),
    content_type: header.content_type,
    ...(header.reply_to === undefined ? {} : { reply_to: header.reply_to }),
    ...(header.thread === undefined ? {} : { thread: header.thread }),
    sent_at: header.sent_at,
    received_at: turn.now,
    ...timesOf(turn, header),
    offline,
    verified: contact?.verified ?? false,
    ...((await turn.isStranger(from)) ? { strange: turn.cache.strangers.add(from, body.length) } : {}),
    state: "unhandled",
  });
  await turn.tx.put(`in-body/${pad(seq)}`, fromBody(body));
  await turn.tx.put(`unhandled/${pad(seq)}`, "");
}

/** When it ends by the relay's clock, and by its sender's where that is earlier by more than measuring them explains. */
function timesOf(turn: Turn, { sent_at, lifetime, expires_at }: Header): { expires_at?: number; late_at?: number } {
  const expires = expires_at === undefined ? Infinity : expires_at - turn.account.relay.clock_offset;
  const late = lifetime === undefined ? Infinity : sent_at + lifetime;
  return {
    ...(expires === Infinity ? {} : { expires_at: expires }),
    ...(late < expires - MEASURED_MS ? { late_at: late } : {}),
  };
}

/** A message came once more: its sender may not have heard what became of it. */
async function repeatOutcome(turn: Turn, seq: number): Promise<void> {
  const row = await get(turn.tx, "in/", pad(seq));
  if (row === undefined || row.state === "unhandled") return;
  await owe(turn.tx, row);
}

/** Something came that cannot be read: its sender hears of it, so that it sends it again. */
async function unreadable(turn: Turn, from: string, messageId: string, why = ""): Promise<void> {
  const contact = await turn.contact(from);
  // A relay could make us open conversations with whomever it names.
  if (contact === undefined && !(await mayAnswer(turn, from))) return;
  // Nothing is told to a contact that is stopped, and anybody may write in its name.
  const limit = (await turn.isStranger(from)) ? OWED_TO_STRANGERS : OWED_AT_MOST;
  if ((await turn.tx.list({ prefix: owed(from, "lost"), limit })).length >= limit) return;
  await turn.tx.put(owed(from, "lost", messageId), contact?.blocked === true ? "blocked" : why);
}

/** The relay's word on a message that it had stored. A receipt outweighs it. */
async function receiveNotice(turn: Turn, delivery: Delivery): Promise<void> {
  const row = await rowById(turn.tx, delivery.message_id);
  if (row === undefined || (row.state !== "stored" && row.state !== "queued")) return;
  if (row.to !== usernameKey(delivery.from)) return;
  if (row.kind === "receipt") return;
  // Of an earlier sending: it was sent again since.
  if (delivery.message_id !== frameId(row.id, row.attempt)) return;
  if (delivery.reason === "device_replaced") await sendAgainToNewDevice(turn, row);
  else if (delivery.status === "expired") await settle(turn, row, "expired", delivery.reason ?? "expired", true);
  else await settle(turn, row, "refused", delivery.reason ?? "dropped", true);
}

async function sendAgainToNewDevice(turn: Turn, row: Parameters<typeof sendAgain>[2]): Promise<void> {
  await unlink(turn, row);
  // Not the message's fault, so it does not count as a failed sending; but its frame needs a new id.
  if (row.attempt < LAST_ATTEMPT) await requeue(turn, { ...row, attempt: row.attempt + 1 });
  else await settle(turn, row, "failed", "device_replaced");
}

async function find(turn: Turn, group: string | undefined): Promise<Conversation | undefined> {
  return group === undefined ? undefined : turn.conversation(group);
}
