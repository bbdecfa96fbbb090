/** What a contact's receipt says of what was sent to it. */
import { frameId } from "../crypto/content.ts";
import { wereTold } from "../records/files.ts";
import { isRefusal, rowById } from "../records/outbox-records.ts";
import { deleteRow, rowByCounter, sentIn, settle } from "../turn/outbox-rows.ts";
import { fileFetched, fileUnfetched } from "./file-reports.ts";
import { paired } from "./pairing.ts";
import { readReceipt } from "./receipt.ts";
import { get, pad, toBytes } from "../records/records.ts";
import { fillIn } from "./fillers.ts";
import { isTo, replace, sendAgain } from "./resend.ts";
import { eachOf } from "./each.ts";
import type { ReportRecord } from "../records/left-records.ts";
import type { OutboxRecord } from "../records/tables.ts";
import { pairOf } from "../turn/groups.ts";
import type { Turn } from "../turn/turn.ts";

/** Costs of a word that names nothing that was sent to its sender. See `Waste`. */
const MISS = 0.02;
/** A word that says again what is known: of honest receipts few do, after something was sent again. */
const KNOWN = 0.01;
/** A gap that is named again, as every receipt does until one was read. */
const KNOWN_GAP = 0.002;

/** Applies a report, and takes out of it what is applied. @returns whether that is all of it */
export async function applyFromContact(
  turn: Turn,
  from: string,
  record: ReportRecord,
  goesOn: () => boolean,
): Promise<boolean> {
  /** A word on a message counts if that was sent to whoever says it, and costs its sender something if it changes nothing. */
  const onMessage = async (id: string, change: (row: OutboxRecord) => Promise<boolean>): Promise<void> => {
    const row = await rowById(turn.tx, id);
    if (row === undefined || !(await isTo(turn, row, from))) turn.wasted(from, MISS);
    else if (!(await change(row))) turn.wasted(from, KNOWN);
  };
  const askedFor = async ({ group, counter }: ReportRecord["missing"][0]): Promise<void> => {
    const row = await rowByCounter(turn, group, counter);
    const pair = row === undefined ? await pairOf(turn, group) : undefined;
    const isOurs = pair?.record.contact === from && pair.record.state === "open";
    if (isOurs && (await fillIn(turn, { record: pair.record, counter, to: from }))) return;
    if (row?.to !== from) turn.wasted(from, KNOWN_GAP);
    else if (!(await sendAgain(turn, from, row))) turn.wasted(from, KNOWN);
  };
  const unread = (frame: string): Promise<void> =>
    onMessage(frame, (row) => notReadable(turn, row, { from, heardIn: record.conversation, frame }));
  if (!(await eachOf(record.missing, goesOn, askedFor))) return false;
  if (!(await eachOf(record.undecryptable, goesOn, unread))) return false;
  for (const [group, counter] of Object.entries(record.received)) {
    if (!(await receivedUpTo(turn, from, { group, counter }, goesOn))) return false;
    delete record.received[group];
    if (group !== record.conversation) turn.wasted(from, MISS);
  }
  const { handled, failed, fetched = [], unfetched = [] } = record;
  return (
    (await eachOf(handled, goesOn, (id) => onMessage(id, (row) => outcome(turn, row, "handled")))) &&
    (await eachOf(failed, goesOn, ({ id, reason, expired }) =>
      onMessage(id, (row) => outcome(turn, row, expired === true ? "expired" : "failed", reason)),
    )) &&
    (await eachOf(fetched, goesOn, ({ id, file }) => onMessage(id, (row) => fileFetched(turn, row, file)))) &&
    eachOf(unfetched, goesOn, ({ id, ...what }) => onMessage(id, (row) => fileUnfetched(turn, row, what)))
  );
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
  await settle(turn, row, { state: state === "failed" && isRefusal(reason) ? "refused" : state, reason });
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
