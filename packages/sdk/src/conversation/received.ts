/** One message that has come: decrypted, counted, and put into the inbox, or else reported as not readable. */
import { type Content, type Header, isBoundTo, marksOf } from "../crypto/content.ts";
import { GroupError } from "../crypto/mls/seam.ts";
import { type Delivery, randomId, toBase64, usernameKey } from "../protocol/index.ts";
import { admit, hearWord } from "./admission.ts";
import { applyUnanswered } from "./commits.ts";
import { mayAnswer } from "../trust/contacts.ts";
import { closeConversation } from "./conversations.ts";
import { readAddress } from "../records/addresses.ts";
import { owe, owed } from "../records/owed.ts";
import { fromBody, get, nextSeq, pad, put } from "../records/records.ts";
import { mayPair, receiveLine } from "./pairing.ts";
import { repeatOffers, takeOffers } from "./offers.ts";
import { MISSING_AT_MOST, readMessage } from "./reading.ts";
import { applyReceipt, confirm } from "./reports.ts";
import { leave } from "./resend.ts";
import { isFor } from "./team-outcomes.ts";
import { knownBy } from "../records/rosters.ts";
import { rosterIn, teamByKey } from "./teams.ts";
import type { InboxRecord, OutboxRecord, QuestionRecord } from "../records/tables.ts";
import { pairOf, pairsWith, type Pair } from "../turn/groups.ts";
import type { Turn } from "../turn/turn.ts";

/** A conversation that is named as replaced. */
const NAMED = 0.02;
const DAY_MS = 86_400_000;
/** Two measured clocks may be so far apart although they agree. Milliseconds. */
const MEASURED_MS = 2_000;
/**
 * Messages of one contact that were not read and of which it has not been told, at most. Of more it hears by what it is told
 * of: their counters are gaps in its conversation, or that is replaced.
 */
const OWED_AT_MOST = 1_000;
const OWED_TO_STRANGERS = 200;

/** One message or receipt. */
export async function receiveMessage(turn: Turn, delivery: Delivery, offline: boolean): Promise<void> {
  const from = usernameKey(delivery.from);
  const conversation = await pairOf(turn, delivery.group_id ?? "");
  if (conversation === undefined) return unreadable(turn, from, delivery.message_id);
  const { record } = conversation;
  const contact = await turn.contact(record.contact);
  if (contact === undefined || record.created_at < contact.pinned_at) {
    await closeConversation(turn, conversation);
    return unreadable(turn, from, delivery.message_id);
  }
  // Before any work is done for it: what is not read is no reason for an attempt.
  if (contact.blocked || turn.isSpent(record.contact)) return unreadable(turn, record.contact, delivery.message_id);
  const isRoom = await hasRoom(turn, record.contact, delivery);
  if (!isRoom && !(await mayPair(turn, conversation, delivery.message.length)))
    return unreadable(turn, record.contact, delivery.message_id, "stranger_quota");
  await applyUnanswered(turn, conversation, delivery.epoch);
  const content = await open(turn, conversation, delivery);
  if (content === undefined) return unreadable(turn, record.contact, delivery.message_id);
  await countAndFollow(turn, conversation, content);
  if (content.header.type === "receipt") await applyReceipt(turn, conversation, content.body);
  else if (content.header.type === "pairing") await judgeLine(turn, conversation, content, delivery);
  else if (content.header.type === "offer")
    await takeOffers(turn, { from: record.contact, identityKey: contact.identity_key }, content);
  else if (isRoom)
    await keep(turn, { from: record.contact, identityKey: contact.identity_key }, content, {
      name: delivery.from,
      offline,
    });
  else await unreadable(turn, record.contact, delivery.message_id, "stranger_quota");
  if ((conversation.peer.gaps ?? []).length >= MISSING_AT_MOST) {
    // Its word on what was received would be a lie: not every loss can be named.
    await turn.tx.delete(owed(record.contact, "read", record.id));
    await closeConversation(
      turn,
      conversation,
      "too_many_lost",
      `more than ${MISSING_AT_MOST} messages of ${record.contact} were lost`,
    );
  }
}

/** A pairing line is shown: before anything is asked of whose messages are taken. */
async function judgeLine(turn: Turn, { record }: Pair, content: Content, delivery: Delivery): Promise<void> {
  const objection = await receiveLine(turn, record, content);
  if (objection !== undefined) await unreadable(turn, record.contact, delivery.message_id, objection);
}

/** Decrypts what came between two, and compares it. */
async function open(turn: Turn, pair: Pair, delivery: Delivery): Promise<Content | undefined> {
  const { record, peer } = pair;
  const { device, identity } = turn.account;
  const read = await readMessage(turn, { from: record.contact, delivery }, async () => {
    const opened = await turn.ahead.decrypt(turn, pair, delivery);
    if (opened.kind !== "application") throw new GroupError("a commit as an application message");
    pair.group = opened.group;
    pair.dirty = true;
    const isBound = isBoundTo(opened.authenticatedData, {
      messageId: delivery.message_id,
      from: delivery.from,
      fromDevice: peer.device,
      to: identity.username,
      toDevice: device.id,
      expiresAt: delivery.expires_at,
    });
    return {
      ...opened,
      isBound: isBound && usernameKey(delivery.from) === record.contact,
      signer: record.contact,
      sender: undefined,
    };
  });
  return read?.content;
}

/** The newest of the counters that are missing once another one is here: with more than are kept the conversation ends. */
function gapsAfter({ receive_counter: last, gaps = [] }: Pair["peer"], counter: number): number[] {
  const missing = new Set(gaps);
  missing.delete(counter);
  for (let gap = Math.max(last + 1, counter - MISSING_AT_MOST); gap < counter; gap++) missing.add(gap);
  return [...missing].slice(-MISSING_AT_MOST);
}

/** Keeps the books of the conversation: counters, gaps, what it replaces, that it works. */
async function countAndFollow(turn: Turn, conversation: Pair, { header }: Content): Promise<void> {
  const { record, peer } = conversation;
  turn.heard.add(record.contact);
  const hasGap = header.counter > peer.receive_counter + 1;
  peer.gaps = gapsAfter(peer, header.counter);
  peer.receive_counter = Math.max(peer.receive_counter, header.counter);
  if (header.read !== undefined && header.read > (peer.confirmed ?? 0)) {
    peer.confirmed = Math.min(header.read, record.send_counter);
    await confirm(turn, record.contact, record.id, header.read);
  }
  record.messages_since_commit += 1;
  peer.heard_at = Math.floor(turn.now / DAY_MS) * DAY_MS;
  if (record.role === "opener") record.answered = true;
  // Receipts cause no receipts; what they carry is cumulative or is asked for again by its counter.
  if (header.type !== "receipt" || hasGap)
    await turn.tx.put(owed(record.contact, "read", record.id), String(peer.receive_counter));
  for (const id of header.replaces ?? []) {
    turn.wasted(record.contact, NAMED);
    await leave(turn, record.contact, id);
  }
  const contact = await turn.contact(record.contact);
  if (contact === undefined) return;
  const { stopped, new_identity_key: _newKey, ...works } = contact;
  if (contact.reopenings > 0 || contact.reopen_at > 0 || stopped !== undefined)
    turn.saveContact({ ...works, reopenings: 0, reopen_at: 0 });
}

/** Whose a message is, and the team that it was sent to, if it was to one. */
interface Whose {
  from: string;
  identityKey: string;
  team?: string;
}

/** Puts a message into the inbox, once. @returns whether it is there, or waits for its owner; else its sender hears why */
export async function keep(
  turn: Turn,
  { from, identityKey, team }: Whose,
  content: Content,
  { name, offline }: { name: string; offline: boolean },
): Promise<boolean> {
  const { header, body, files } = content;
  const contact = await turn.contact(from);
  const seen = `seen/${from}/${header.id}`;
  const before = await turn.tx.get(seen);
  if (before !== undefined) {
    if (files !== undefined) await repeatOffers(turn, { from, identityKey }, Number(before), files);
    await repeatOutcome(turn, Number(before));
    return true;
  }
  const verified = contact?.verified === true && contact.identity_key === identityKey;
  const toTeam = team === undefined ? {} : { team };
  // What was held comes first.
  const goesOn = header.human === true && (await hearWord(turn, { from, verified, ...toTeam }));
  const seq = await nextSeq(turn.tx, "in");
  const question = await questionOf(turn, { from, identityKey, ...toTeam }, header);
  const row: InboxRecord = {
    seq,
    id: header.id,
    local_id: randomId(),
    from,
    from_name: name,
    identity_key: identityKey,
    ...toTeam,
    ...marksOf(header),
    ...(question === undefined ? {} : question.late ? { late: true as const } : { answers: question.id }),
    sent_at: header.sent_at,
    received_at: turn.now,
    ...timesOf(turn, header),
    offline,
    verified,
    state: "unhandled",
    ...(goesOn ? { let_in: true as const } : {}),
    ...(files === undefined ? {} : { files }),
  };
  const place = await admit(turn, row, body);
  // What is refused may come again, and is refused again.
  if (place === "refused") return false;
  await turn.tx.put(seen, String(seq));
  await turn.tx.put(`seen-at/${pad(turn.now)}/${from}/${header.id}`, "");
  if (place === "waits") return true;
  const strange = (await turn.isStranger(from)) ? { strange: turn.cache.strangers.add(from, body.length) } : {};
  await put(turn.tx, "in/", pad(seq), { ...row, ...strange });
  await turn.tx.put(`in-id/${row.local_id}`, String(seq));
  await turn.tx.put(`in-body/${pad(seq)}`, fromBody(body));
  await turn.tx.put(`unhandled/${pad(seq)}`, "");
  if (question?.late === false)
    await put(turn.tx, "question/", question.id, { ...question.record, state: "answered", reply: seq });
  return true;
}

/** The question of ours that a message answers, and whether it comes too late; undefined if it answers none, or not as its first. */
async function questionOf(
  turn: Turn,
  whose: Whose,
  { reply_to }: Header,
): Promise<{ id: string; late: boolean; record: QuestionRecord } | undefined> {
  const question = reply_to === undefined ? undefined : await get(turn.tx, "question/", reply_to);
  if (question === undefined || question.state === "answered" || question.state === "taken") return undefined;
  const asked = await get(turn.tx, "out/", pad(question.seq));
  if (asked === undefined || !(await wasAsked(turn, asked, whose))) return undefined;
  return { id: question.id, record: question, late: question.state === "over" || question.deadline <= turn.now };
}

/** Whether a question was put to somebody, and not to another identity that had its name before. Of a team each member may answer, to all or to us alone. */
async function wasAsked(turn: Turn, asked: OutboxRecord, { from, identityKey, team }: Whose): Promise<boolean> {
  const address = readAddress(asked.to);
  if (address.kind === "pair") return asked.to === from && asked.identity_key === identityKey;
  if (address.kind === "direct" || !(await isFor(turn, asked, from, knownBy(identityKey)))) return false;
  if (team !== undefined) return team === address.key;
  const known = await teamByKey(turn, address.key);
  const member = known && (await rosterIn(turn, known.team)).find(({ name }) => name === from);
  return member !== undefined && toBase64(member.identityKey) === identityKey;
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
export async function unreadable(turn: Turn, from: string, messageId: string, why = ""): Promise<void> {
  const contact = await turn.contact(from);
  // A relay could make us open conversations with whomever it names.
  if (contact === undefined && !(await mayAnswer(turn, from))) return;
  // Its conversations have ended with it, and none is opened to say so.
  if (contact?.blocked === true && (await pairsWith(turn, from)).length === 0) return;
  // Nothing is told to a contact that is stopped, and anybody may write in its name.
  const limit = (await turn.isStranger(from)) ? OWED_TO_STRANGERS : OWED_AT_MOST;
  const prefix = owed(from, "lost");
  // Counted once for all of a turn: what is refused without being read must cost next to nothing.
  const lost = turn.lost.get(from) ?? (await turn.tx.list({ prefix, limit })).length;
  turn.lost.set(from, lost < limit ? lost + 1 : lost);
  if (lost < limit) await turn.tx.put(prefix + messageId, contact?.blocked === true ? "blocked" : why);
}

/** Whether what a contact sends may be kept. */
async function hasRoom(turn: Turn, contact: string, { message }: Delivery): Promise<boolean> {
  return !(await turn.isStranger(contact)) || turn.cache.strangers.hasRoom(turn, contact, (message.length * 3) / 4);
}
