/** Contacts' reports on what was sent to them. */
import { frameId } from "../crypto/content.ts";
import { wereTold } from "../records/files.ts";
import { isRefusal, rowById } from "../records/outbox-records.ts";
import { deleteRow, rowByCounter, sentIn, settle } from "../turn/outbox-rows.ts";
import { fileFetched, fileUnfetched } from "./file-reports.ts";
import { paired } from "./pairing.ts";
import { readReceipt } from "./receipt.ts";
import { hearTeams } from "./team-forks.ts";
import { get, nextSeq, pad, parse, put, toBytes } from "../records/records.ts";
import { AT_LEAST, isTo, replace, sendAgain, SHARE } from "./resend.ts";
import type { OutboxRecord, ReportRecord } from "../records/tables.ts";
import { pairOf, type Pair } from "../turn/groups.ts";
import type { Turn } from "../turn/turn.ts";

const NOTHING = { received: {}, handled: [], failed: [], missing: [], undecryptable: [] };
/** Receipts of one contact that wait to be applied. Enough for all that is said at once of tens of thousands of messages. */
const WAITING_AT_MOST = 64;
/** Costs of a receipt that is none, and of a word in one that names nothing that was sent to its sender. See `Waste`. */
const MALFORMED = 2;
const MISS = 0.02;
/** A word that says again what is known: of honest receipts few do, after something was sent again. */
const KNOWN = 0.01;
/** A gap that is named again, as every receipt does until one was read. */
const KNOWN_GAP = 0.002;

/**
 * Applies a receipt that came in `conversation`. It counts only for messages that were sent to its contact. Malformed ones
 * do nothing.
 */
export async function applyReceipt(turn: Turn, { record }: Pair, body: Uint8Array): Promise<void> {
  const read = readReceipt(body);
  const { contact, id: conversation } = record;
  if (read === undefined) return turn.wasted(contact, MALFORMED);
  const { teams = [], ...receipt } = read;
  await hearTeams(turn, contact, teams);
  if (!(await turn.isStranger(contact))) return report(turn, contact, { conversation, ...receipt });
  // Nobody has written to it, so it has little to say. What is not applied now is not worth being kept: the next one says it.
  const { received, ...words } = receipt;
  if (await apply(turn, contact, { conversation, received: {}, ...words }, Infinity))
    await report(turn, contact, { conversation, ...NOTHING, received });
}

/** The other side has everything on disk that we sent in this group up to this counter. */
export function confirm(turn: Turn, contact: string, group: string, counter: number): Promise<void> {
  return report(turn, contact, { conversation: group, ...NOTHING, received: { [group]: counter } });
}

/** As far as the turn has time; the rest is on disk, and what its contact reports meanwhile comes behind it. */
async function report(turn: Turn, contact: string, record: ReportRecord): Promise<void> {
  const { reporting } = turn.cache;
  if (!reporting.has(contact) && (await apply(turn, contact, record, 1))) return;
  reporting.set(contact, (reporting.get(contact) ?? 0) + 1);
  turn.isCut ||= !turn.isSpent(contact);
  await put(turn.tx, "report/", `${contact}/${pad(await nextSeq(turn.tx, "report"))}`, record);
}

/** Whether so much of what a contact has reported waits that what else it sends is left with the relay for now. */
export function hasEnough(turn: Turn, contact: string): boolean {
  return (turn.cache.reporting.get(contact) ?? 0) >= WAITING_AT_MOST && !turn.isSpent(contact);
}

/** Goes on with what earlier turns have left, contact by contact, each in order. */
export async function continueReports(turn: Turn): Promise<void> {
  const { reporting } = turn.cache;
  const contacts = [...reporting];
  for (const [contact, waiting] of contacts) {
    if (turn.isSpent(contact)) continue;
    reporting.delete(contact);
    const applied = await continueFor(turn, contact);
    if (applied === "all") continue;
    // In the next turn the others come first.
    reporting.set(contact, Math.max(1, waiting - applied));
    if (!turn.mayGoOn(SHARE)) return;
  }
}

/** @returns how many of this contact's are done */
async function continueFor(turn: Turn, contact: string): Promise<number | "all"> {
  for (let done = 0; ;) {
    const [next] = await turn.tx.list({ prefix: `report/${contact}/`, limit: 1 });
    if (next === undefined) return "all";
    const [key, value] = next;
    const record = parse(key, value) as ReportRecord;
    const isWhole = await turn.on(key, () => apply(turn, contact, record, SHARE));
    done += isWhole ? 1 : 0;
    if (isWhole) await turn.tx.delete(key);
    else await turn.tx.put(key, JSON.stringify(record));
    if (!isWhole || !turn.mayGoOn(SHARE)) return done;
  }
}

/** Applies a report, and takes out of it what is applied. @returns whether that is all of it */
async function apply(turn: Turn, from: string, record: ReportRecord, share: number): Promise<boolean> {
  let count = 0;
  const goesOn = () => !turn.isSpent(from) && (count++ < AT_LEAST || turn.mayGoOn(share));
  /** A word on a message counts if that was sent to whoever says it, and costs its sender something if it changes nothing. */
  const onMessage = async (id: string, change: (row: OutboxRecord) => Promise<boolean>): Promise<void> => {
    const row = await rowById(turn.tx, id);
    if (row === undefined || !(await isTo(turn, row, from))) turn.wasted(from, MISS);
    else if (!(await change(row))) turn.wasted(from, KNOWN);
  };
  for (let one; (one = record.missing[0]) !== undefined; record.missing.shift()) {
    if (!goesOn()) return false;
    const row = await rowByCounter(turn, one.group, one.counter);
    if (row?.to !== from) turn.wasted(from, KNOWN_GAP);
    else if (!(await sendAgain(turn, from, row))) turn.wasted(from, KNOWN);
  }
  for (let id; (id = record.undecryptable[0]) !== undefined; record.undecryptable.shift()) {
    if (!goesOn()) return false;
    const frame = id;
    await onMessage(frame, (row) => notReadable(turn, row, { from, heardIn: record.conversation, frame }));
  }
  for (const [group, counter] of Object.entries(record.received)) {
    if (!(await receivedUpTo(turn, from, { group, counter }, goesOn))) return false;
    delete record.received[group];
    if (group !== record.conversation) turn.wasted(from, MISS);
  }
  for (let id; (id = record.handled[0]) !== undefined; record.handled.shift()) {
    if (!goesOn()) return false;
    await onMessage(id, (row) => outcome(turn, row, "handled"));
  }
  for (let one; (one = record.failed[0]) !== undefined; record.failed.shift()) {
    if (!goesOn()) return false;
    const { id, reason, expired } = one;
    await onMessage(id, (row) => outcome(turn, row, expired === true ? "expired" : "failed", reason));
  }
  const { fetched = [], unfetched = [] } = record;
  for (let one; (one = fetched[0]) !== undefined; fetched.shift()) {
    if (!goesOn()) return false;
    const { id, file } = one;
    await onMessage(id, (row) => fileFetched(turn, row, file));
  }
  for (let one; (one = unfetched[0]) !== undefined; unfetched.shift()) {
    if (!goesOn()) return false;
    const { id, ...what } = one;
    await onMessage(id, (row) => fileUnfetched(turn, row, what));
  }
  return true;
}

/** One sending of a message was not readable in the group from which the receipt came. @returns whether it is sent again */
async function notReadable(
  turn: Turn,
  row: OutboxRecord,
  { from, heardIn, frame }: { from: string; heardIn: string; frame: string },
): Promise<boolean> {
  if (frame !== frameId(row.id, row.attempt)) return false;
  // The other side may not have that group, or be in an epoch that it cannot leave: it never joined, has closed it, or
  // was not given a commit. What is not readable twice is sent in another one.
  if (row.group === undefined || (row.group === heardIn && row.attempt === 0)) return sendAgain(turn, from, row);
  await replace(turn, from, row.group);
  return sendAgain(turn, from, (await rowById(turn.tx, frame)) ?? row);
}

/** @returns whether that is news */
async function outcome(
  turn: Turn,
  row: OutboxRecord,
  state: "handled" | "expired" | "failed",
  reason?: string,
): Promise<boolean> {
  if (isFinalByReceipt(row)) return false;
  if (row.kind === "receipt") await deleteRow(turn, row);
  else await settle(turn, row, { state: state === "failed" && isRefusal(reason) ? "refused" : state, reason });
  if (row.kind === "pairing" && state === "handled") await paired(turn, row);
  return true;
}

/** @returns whether that is all of it; what is done is not there any more */
export async function receivedUpTo(
  turn: Turn,
  from: string,
  { group, counter }: { group: string; counter: number },
  goesOn: () => boolean = () => true,
): Promise<boolean> {
  for await (const [key, seq] of sentIn(turn, group)) {
    if (Number(key.slice(key.lastIndexOf("/") + 1)) > counter) break;
    if (!goesOn()) return false;
    const row = await get(turn.tx, "out/", pad(Number(seq)));
    // Another contact's conversation, or identity's.
    if (row !== undefined && !(await isTo(turn, row, from))) break;
    await turn.tx.delete(key);
    if (row === undefined) continue;
    if (row.kind === "offer") {
      await wereTold(turn.tx, row.of ?? 0, row.seq);
      await deleteRow(turn, row);
    } else if (row.kind === "receipt") {
      await forgetGaps(turn, row);
      await deleteRow(turn, row);
      await oneReceiptLess(turn, group);
    } else if (!isFinalByReceipt(row)) await settle(turn, row, { state: "received" });
  }
  return true;
}

async function oneReceiptLess(turn: Turn, group: string): Promise<void> {
  const conversation = await pairOf(turn, group);
  if (conversation === undefined) return;
  const { peer } = conversation;
  peer.receipts_out = Math.max(0, (peer.receipts_out ?? 0) - 1);
  conversation.dirty = true;
}

/** Everything that this receipt asked for was sent again, or never will be: the next ones need not name it. */
async function forgetGaps(turn: Turn, row: OutboxRecord): Promise<void> {
  const receipt = readReceipt(toBytes((await turn.tx.get(`out-body/${pad(row.seq)}`)) ?? ""));
  for (const { group, counter } of receipt?.missing ?? []) {
    const conversation = await pairOf(turn, group);
    if (conversation?.peer.gaps?.includes(counter) !== true) continue;
    conversation.peer.gaps = conversation.peer.gaps.filter((gap) => gap !== counter);
    conversation.dirty = true;
  }
}

/** Final states do not change, but for those that only the relay reported. */
function isFinalByReceipt(row: OutboxRecord): boolean {
  return row.by_relay !== true && ["handled", "failed", "expired", "refused"].includes(row.state);
}
