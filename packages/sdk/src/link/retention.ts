import { settleAlerts, sweepAlerts } from "../trust/alerts.ts";
import { nameReplaced } from "../trust/contact-records.ts";
import { ageHeld } from "../trust/held.ts";
import { retireReplaced } from "../conversation/team-founded.ts";
import { closeConversation, closedKey, forget, knowClosed } from "../conversation/conversations.ts";
import { endNumbered } from "../conversation/fillers.ts";
import { leaveUntaken } from "../conversation/team-held.ts";
import { giveUpSilent } from "../conversation/team-lost.ts";
import { sweepKeyPackages } from "../account/key-packages.ts";
import { forgetName } from "../trust/lookalikes.ts";
import { fileKey } from "../records/files.ts";
import { giveUp, LATELY_MS } from "../records/outbox-records.ts";
import { deleteRow, settle } from "../turn/outbox-rows.ts";
import { owe, owed } from "../records/owed.ts";
import { askOn, forgetTeam } from "./team-retention.ts";
import { forgetGroup } from "../records/members.ts";
import type { LineRecord } from "../records/pairing-records.ts";
import { find, get, pad, parse, put, remove, rowsUnder } from "../records/records.ts";
import type { ContactRecord, InboxRecord, OutboxRecord, QuestionRecord } from "../records/tables.ts";
import type { WriteTransaction } from "../store/store.ts";
import { pairOf, pairsWith, type Pair } from "../turn/groups.ts";
import type { Turn } from "../turn/turn.ts";

const DAY_MS = 86_400_000;
/** From one sweep to the next, and while more is due than one deletes. */
const SWEEP_MS = 60_000;
const SWEEP_ON_MS = 200;
/** Bodies of messages that were handled here, and of ours that have arrived or ended. */
const BODY_MS = 7 * DAY_MS;
/** Ids of messages that were received: longer than a relay keeps a message. */
const SEEN_MS = 30 * DAY_MS;
/** Rows of messages that are settled. */
const ROW_MS = 30 * DAY_MS;
/** Conversations of strangers in which nothing has come for so long: no relay keeps anything for longer. */
const STRANGER_MS = 15 * DAY_MS;
/** A message lives at a relay so long at most: nothing comes in a replaced group after that. */
const MAILBOX_MS = 14 * DAY_MS;
/** Closed conversations: longer than any key package lives by which somebody could be welcomed to one again. */
const CLOSED_MS = 120 * DAY_MS;
/** Most messages are settled so long after they came at the latest. The others are found on the way round. */
const SETTLED_MS = 3_600_000;
/** Rows that one sweep looks at, so that no turn takes long. */
const AT_ONCE = 500;

type Offered = NonNullable<InboxRecord["files"]>[number];
type Visit = (seq: string) => Promise<void>;

/**
 * Deletes what is kept no longer, some rows at a time: those whose time is over in the order in which they came, and
 * besides, from sweep to sweep, it goes round the tables. However many come, the first keep up with them.
 * @param isCurrent whether all is processed that has waited for us: what opens it is kept until then
 * @returns milliseconds until the next sweep
 */
export async function sweep(turn: Turn, isCurrent: boolean): Promise<number> {
  const { tx } = turn;
  // Where our clock may be wrong nothing is old.
  const now = turn.isTimeSure ? turn.now : 0;
  if (isCurrent && turn.isTimeSure) await sweepKeyPackages(turn);
  await sweepAlerts(tx, now);
  const seen = await tx.list({ prefix: "seen-at/", limit: AT_ONCE });
  let forgotten = 0;
  for (const [key] of seen) {
    const [, at, from, id] = key.split("/");
    if (now - Number(at) < SEEN_MS || !turn.mayGoOn()) break;
    await tx.delete(`seen/${from}/${id}`);
    await tx.delete(key);
    forgotten += 1;
  }
  for (const [key] of await tx.list({ prefix: "lately/", limit: AT_ONCE })) {
    if (now - Number(key.split("/")[1]) < LATELY_MS) break;
    await tx.delete(key);
  }
  // Whoever has asked takes them, unless it has died meanwhile.
  for (const prefix of ["op-end/", "answer/"] as const)
    for (const [key] of await tx.list({ prefix, limit: AT_ONCE }))
      if (now - ((await find(tx, prefix, key.slice(prefix.length)))?.at ?? 0) > DAY_MS) await tx.delete(key);
  const inbox: Visit = async (seq) => {
    const row = await get(tx, "in/", seq);
    if (row?.state === "unhandled" && row.strange !== undefined && now - row.received_at > ROW_MS)
      await failUnhandled(turn, row);
    if (row?.settled_at === undefined) return;
    if (row.strange !== undefined && row.state === "handled") await keepPin(turn, row.from);
    // Dead letters are kept for as long as they are known.
    const age = now - row.settled_at;
    if (age > ROW_MS || (age > BODY_MS && row.state === "handled")) {
      await tx.delete(`in-body/${seq}`);
      if (age <= ROW_MS) await forgetKeys(turn, row);
    }
    if (age > ROW_MS) {
      await tx.delete(`dead/${seq}`);
      await turn.cache.strangers.remove(tx, row);
      await tx.delete(`in-id/${row.local_id}`);
      await forgetSaved(tx, row);
      await remove(tx, "in/", seq);
    }
  };
  const question: Visit = async (id) => {
    const record = await get(tx, "question/", id);
    if (record === undefined || record.deadline > now) return;
    if (record.state === "answered") await release(turn, record);
    if (now - record.deadline > ROW_MS) await remove(tx, "question/", id);
  };
  const line: Visit = async (id) => {
    const record = await get(tx, "line/", id);
    if (record?.state === "asked" && now - (record.by?.at ?? now) > DAY_MS) await lapse(turn, record);
    if (record !== undefined && now - record.made_at > BODY_MS) await remove(tx, "line/", id);
  };
  const pairing: Visit = async (id) => {
    const record = await get(tx, "pairing/", id);
    if (record !== undefined && now - record.at > BODY_MS) await remove(tx, "pairing/", id);
  };
  const outbox: Visit = async (seq) => {
    const row = await get(tx, "out/", seq);
    if (row === undefined) return;
    const age = now - row.updated_at;
    // A receipt for a contact that was not found again. What it would say is of no use to anybody by now.
    if (row.state === "queued" && row.kind === "receipt" && age > ROW_MS)
      return endNumbered(turn, row, { state: "failed" });
    if (row.state === "queued") return;
    if (row.state !== "stored" && age > BODY_MS) await tx.delete(`out-body/${seq}`);
    if (row.kind === "receipt" ? age > MAILBOX_MS : age > ROW_MS && row.state !== "stored") await deleteRow(turn, row);
    // No relay keeps it so long, and this one has not said what became of it.
    else if (age > ROW_MS) await settle(turn, row, { state: "expired", reason: "mailbox_age", provisional: true });
  };
  const group: Visit = async (id) => {
    const record = await get(tx, "group/", id);
    if (record === undefined) return;
    const age = now - record.created_at;
    if (record.state === "closed" && age <= CLOSED_MS) await knowClosed(tx, record);
    if (record.state === "closed" && age > CLOSED_MS) {
      await forgetGroup(tx, id);
      await tx.delete(closedKey(record));
    }
    // Healing looks at what is in memory: new keys are due for it.
    if (record.state === "open" && turn.now - record.committed_at >= DAY_MS) await pairOf(turn, id);
    const heard = (await find(tx, "member/", `${id}/${record.contact}`))?.heard_at ?? 0;
    const silent = now - Math.max(heard, record.created_at);
    const conversation =
      (record.state === "replaced" && age > 2 * MAILBOX_MS) || (record.state === "open" && silent > STRANGER_MS)
        ? await pairOf(turn, id)
        : undefined;
    if (conversation === undefined) return;
    if (record.state === "replaced") await closeConversation(turn, conversation);
    else if (await turn.isStranger(record.contact)) await forgetStranger(turn, conversation);
  };
  const contact: Visit = async (username) => {
    // A pin that cannot be read stays as it is.
    const record = await find(tx, "contact/", username);
    if (record?.blocked === true) await endBlocked(turn, username);
    if (record?.stranger !== true || now - record.pinned_at < ROW_MS || !(await isForgotten(turn, record))) return;
    if (!(await forgetOwed(turn, username))) return;
    turn.forgetContact(username);
    for (const table of ["replaces", "heard", "answered"]) await tx.delete(`${table}/${username}`);
    await forgetName(tx, username);
    turn.cache.strangers.forget(username);
  };
  const due = [
    forgotten === AT_ONCE,
    await ofAge(turn, "in/", BODY_MS, inbox),
    await ofAge(turn, "in/", ROW_MS, inbox),
    await ofAge(turn, "out/", BODY_MS, outbox),
    await ofAge(turn, "out/", ROW_MS, outbox),
  ];
  await round(turn, "in/", inbox);
  await round(turn, "out/", outbox);
  await round(turn, "group/", group);
  await round(turn, "contact/", contact);
  await round(turn, "team/", (key) => leaveUntaken(turn, key));
  await round(turn, "team-member/", (at) => giveUpSilent(turn, at));
  await round(turn, "team-group/", async (id) => {
    await forgetTeam(turn, id, CLOSED_MS);
    await askOn(turn, id);
    await retireReplaced(turn, id, now);
  });
  // What cannot be read is set aside.
  await round(turn, "op/", async (seq) => void (await get(tx, "op/", seq)));
  await round(turn, "question/", question);
  await round(turn, "held/", (key) => ageHeld(tx, key, now));
  await round(turn, "line/", line);
  await round(turn, "pairing/", pairing);
  return turn.isCut || due.includes(true) ? SWEEP_ON_MS : SWEEP_MS;
}

/** Of a message whose body is gone, the keys of files go that no relay has any more. The others may be fetched still. */
async function forgetKeys({ tx, relayNow }: Turn, row: InboxRecord): Promise<void> {
  const isOver = ({ key, expires_at }: Offered): boolean => key !== undefined && expires_at <= relayNow;
  if (row.files?.some(isOver) !== true) return;
  const files = row.files.map((file) => {
    const { key: _key, token: _token, ...said } = file;
    return isOver(file) ? said : file;
  });
  await put(tx, "in/", pad(row.seq), { ...row, files });
}

/** What is known of files that were saved; of one of which a part lies in a folder until that is removed. */
async function forgetSaved(tx: WriteTransaction, { seq, files = [] }: InboxRecord): Promise<void> {
  for (const index of files.keys()) {
    const key = fileKey({ seq, index });
    if ((await tx.get(`part/${key}`)) === undefined) await remove(tx, "in-file/", key);
  }
}

/** Nobody has handled it for a month: a stranger may not have more. By now its sender has forgotten it as well. */
async function failUnhandled(turn: Turn, row: InboxRecord): Promise<void> {
  if (!(await turn.isStranger(row.from))) return;
  await put(turn.tx, "in/", pad(row.seq), {
    ...row,
    strange: 0,
    state: "failed",
    reason: "not_handled",
    settled_at: turn.now,
  });
  await turn.cache.strangers.remove(turn.tx, row);
  await turn.tx.delete(`unhandled/${pad(row.seq)}`);
  await turn.tx.delete(`in-body/${pad(row.seq)}`);
}

/** Its asker has not come for the reply in time: it is a message like others. */
async function release(turn: Turn, question: QuestionRecord): Promise<void> {
  const seq = pad(question.reply ?? 0);
  const row = await get(turn.tx, "in/", seq);
  await put(turn.tx, "question/", question.id, { ...question, state: "over" });
  if (row === undefined) return;
  const { answers: _answers, ...released } = row;
  await put(turn.tx, "in/", seq, released);
}

/** Its owner was asked about whoever has used it, and has not said a word. */
async function lapse({ tx }: Turn, line: LineRecord): Promise<void> {
  await put(tx, "line/", line.id, { ...line, state: "refused" });
  if (line.by === undefined) return;
  await settleAlerts(tx, line.by.username);
  await owe(tx, { ...line.by, from: line.by.username, state: "failed", reason: "pairing_expired" });
}

/** A sender whose mail was handled is no stranger whose pin could be forgotten. */
async function keepPin(turn: Turn, username: string): Promise<void> {
  const contact = await turn.contact(username);
  if (contact?.stranger === undefined) return;
  const { stranger: _stranger, ...known } = contact;
  turn.saveContact(known);
}

/** Nothing is said in it any more: what is still owed there interests nobody. */
async function forgetStranger(turn: Turn, conversation: Pair): Promise<void> {
  const { contact, id } = conversation.record;
  if (!(await forgetOwed(turn, contact))) return;
  await turn.removeCommit(id);
  await forget(turn, conversation);
}

/** It may be as much as somebody has sent. @returns whether that is all of it; else the next time round goes on */
async function forgetOwed(turn: Turn, username: string): Promise<boolean> {
  for await (const [key] of rowsUnder(turn.tx, owed(username))) {
    if (!turn.mayGoOn()) return false;
    await turn.tx.delete(key);
  }
  return true;
}

/** When a blocked contact has heard all that it shall, its conversations end: whatever comes in them is never read. */
async function endBlocked(turn: Turn, username: string): Promise<void> {
  const queue = await turn.tx.list({ prefix: `queue/${username}/`, limit: AT_ONCE });
  for (const [key] of queue) {
    const row = await get(turn.tx, "out/", key.slice(key.lastIndexOf("/") + 1));
    if (row !== undefined && row.kind !== "receipt") await giveUp(turn.tx, row, "blocked");
  }
  if (queue.length > 0 || (await turn.tx.list({ prefix: owed(username), limit: 1 })).length > 0) return;
  for (const conversation of await pairsWith(turn, username)) {
    await nameReplaced(turn.tx, username, conversation.record.id);
    await turn.removeCommit(conversation.record.id);
    await forget(turn, conversation);
  }
}

/** Whether nothing is left of a stranger but its pin, and its owner has never said a word on that. */
async function isForgotten(turn: Turn, { username, verified, blocked, stopped }: ContactRecord): Promise<boolean> {
  if (verified || blocked || stopped !== undefined || !(await turn.isStranger(username))) return false;
  for (const prefix of ["contact-group", "seen", "queue"])
    if ((await turn.tx.list({ prefix: `${prefix}/${username}/`, limit: 1 })).length > 0) return false;
  return true;
}

/** Visits the rows that have come to an age since the last sweep, in the order of time. @returns whether there may be more */
async function ofAge(turn: Turn, prefix: "in/" | "out/", age: number, visit: Visit): Promise<boolean> {
  if (!turn.isTimeSure) return false;
  const mark = `meta/aged-${age / DAY_MS}-${prefix.slice(0, -1)}`;
  const after = (await turn.tx.get(mark)) as string | undefined;
  const rows = await turn.tx.list({ prefix, after, limit: AT_ONCE });
  let last: string | undefined;
  for (const [key, value] of rows) {
    const row = parse(key, value) as Partial<InboxRecord & OutboxRecord>;
    if (turn.now - (row.received_at ?? row.created_at ?? 0) < age + SETTLED_MS || !turn.mayGoOn()) break;
    await turn.on(key, () => visit(key.slice(prefix.length)));
    last = key;
  }
  if (last !== undefined) await turn.tx.put(mark, last);
  return rows.length === AT_ONCE && last === rows.at(-1)?.[0];
}

async function round(turn: Turn, prefix: string, visit: Visit): Promise<void> {
  const mark = `meta/swept-${prefix.slice(0, -1)}`;
  const after = (await turn.tx.get(mark)) as string | undefined;
  const rows = await turn.tx.list({ prefix, after, limit: AT_ONCE });
  let next = rows.length < AT_ONCE ? prefix : (rows.at(-1)?.[0] ?? prefix);
  for (const [index, [key]] of rows.entries()) {
    if (!turn.mayGoOn()) {
      next = rows[index - 1]?.[0] ?? after ?? prefix;
      break;
    }
    await turn.on(key, () => visit(key.slice(prefix.length)));
  }
  if (next !== (after ?? prefix)) await turn.tx.put(mark, next);
}
