/** Sending again what the other side could not read, or may not have read. */
import { nameReplaced } from "../trust/contact-records.ts";
import { deleteRow, LAST_ATTEMPT, requeue, settle, unlink } from "../turn/outbox-rows.ts";
import { get, pad, put, remove, rowsUnder } from "../records/records.ts";
import { readAddress } from "../records/addresses.ts";
import { offerAgain } from "../records/file-offers.ts";
import type { GroupRecord } from "../records/group-records.ts";
import type { AgainRecord } from "../records/left-records.ts";
import type { OutboxRecord } from "../records/tables.ts";
import { pairOf } from "../turn/groups.ts";
import type { Turn } from "../turn/turn.ts";
import { endNumbered, fillNumber } from "./fillers.ts";
import { goOnInTeam } from "./team-again.ts";

/** Sendings of one message, at most, that the other side could not read. */
const RESENDS = 3;
/** Receipts at the end of a conversation that may not have been read. */
const TAIL_RECEIPTS = 32;
/** The part of a turn that goes into what earlier turns have left, so that what comes is read as well. */
export const SHARE = 0.4;
/** So much of it is done in any case, so that it comes to an end. */
export const AT_LEAST = 8;

/** Leaves a group, and has the other side leave it: the next one names it as replaced. */
export async function replace(turn: Turn, contact: string, group: string): Promise<void> {
  if ((await pairOf(turn, group))?.record.state !== "open") return;
  await leave(turn, contact, group);
  await nameReplaced(turn.tx, contact, group);
}

/** Nothing is sent in this group again; it is still read. */
export async function leave(turn: Turn, contact: string, group: string): Promise<void> {
  const old = await pairOf(turn, group);
  if (old === undefined || old.record.contact !== contact || old.record.state === "replaced") return;
  old.record.state = "replaced";
  old.dirty = true;
  await sendUnreadAgain(turn, old.record);
}

/**
 * Nothing follows in this group by whose counter the other side could notice what it has not read at its end. What it
 * has read already, it drops as a repeat. Until all of it waits again, nothing else is sent to the contact: it is newer.
 */
export async function sendUnreadAgain(turn: Turn, { id, contact: name, created_at }: GroupRecord): Promise<void> {
  const contact = await turn.contact(name);
  // Messages to one identity are not sent to another.
  if (contact === undefined || created_at < contact.pinned_at) return;
  await again(turn, id, { contact: name }, 1);
}

/** Goes on with what earlier turns have left of it. */
export async function continueAgain(turn: Turn): Promise<void> {
  for (const group of turn.cache.again.keys()) {
    const record = await get(turn.tx, "again/", group);
    if (record === undefined) turn.cache.again.delete(group);
    else if (!(await turn.on(`again/${group}`, () => goOn(turn, group, record)))) {
      // In the next turn the others come first.
      if (turn.cache.again.delete(group)) turn.cache.again.set(group, record.contact);
      return;
    }
  }
}

function goOn(turn: Turn, group: string, record: AgainRecord): Promise<boolean> {
  if (readAddress(record.contact).kind === "team") return goOnInTeam(turn, group, record, SHARE);
  return again(turn, group, record, SHARE);
}

/** First the messages, in order, then the last receipts. @returns whether that is all */
async function again(
  turn: Turn,
  group: string,
  { contact, after: begun }: AgainRecord,
  share: number,
): Promise<boolean> {
  const prefix = `sent/${group}/`;
  let after = begun;
  let count = 0;
  for await (const [key, seq] of rowsUnder(turn.tx, prefix, begun)) {
    if ((count += 1) > AT_LEAST && !turn.mayGoOn(share)) {
      turn.cache.again.set(group, contact);
      await put(turn.tx, "again/", group, { contact, ...(after === undefined ? {} : { after }) });
      return false;
    }
    const row = await unreadRow(turn, seq);
    if (row !== undefined && row.kind !== "receipt") await sendAgain(turn, contact, row);
    after = key;
  }
  for (const row of await lastReceipts(turn, prefix)) await sendAgain(turn, contact, row);
  turn.cache.again.delete(group);
  await remove(turn.tx, "again/", group);
  return true;
}

/** Receipts are confirmed only along with messages, so most of them were read long ago. */
async function lastReceipts(turn: Turn, prefix: string): Promise<OutboxRecord[]> {
  const receipts: OutboxRecord[] = [];
  for (const [, seq] of await turn.tx.list({ prefix, reverse: true, limit: 2 * TAIL_RECEIPTS })) {
    const row = await unreadRow(turn, seq);
    if (row?.kind === "receipt" && receipts.length < TAIL_RECEIPTS) receipts.unshift(row);
  }
  return receipts;
}

async function unreadRow(turn: Turn, seq: unknown): Promise<OutboxRecord | undefined> {
  const row = await get(turn.tx, "out/", pad(Number(seq)));
  return row?.state === "stored" && (row.attempt < RESENDS || row.kind === "offer") ? row : undefined;
}

/**
 * The other side could not read it: once more under the same id, or that was the last time.
 * @returns whether that changes anything
 */
export async function sendAgain(turn: Turn, from: string, row: OutboxRecord): Promise<boolean> {
  if (!(await isTo(turn, row, from)) || row.group === undefined) return false;
  // The relay did not keep it, for its time had run out, say. That what follows it was received says nothing of it.
  if (row.by_relay === true) {
    await unlink(turn, row);
    return false;
  }
  // Only these have their body still, and nobody's word on what became of them. One that is queued has left us if the
  // relay's answer was lost.
  if (row.state !== "stored" && row.state !== "queued") return false;
  await unlink(turn, row);
  if (row.kind === "offer") await anotherOffer(turn, row);
  else if (row.attempt < RESENDS) await requeue(turn, { ...row, attempt: row.attempt + 1 });
  else await settle(turn, row, { state: "failed", reason: "undecryptable" });
  return true;
}

/** Nobody reads it under the id that its frame had. Whoever has read it drops it by its inner id. `why`: for when that was so too often. */
export async function underAnotherId(turn: Turn, row: OutboxRecord, why: string): Promise<void> {
  if (row.kind === "offer") await anotherOffer(turn, row);
  else if (row.attempt < LAST_ATTEMPT) await requeue(turn, { ...row, attempt: row.attempt + 1 });
  else await endNumbered(turn, row, { state: "failed", reason: why });
}

/** An offer that was not read, or not taken under its number: there is one of what is true now. */
async function anotherOffer(turn: Turn, offer: OutboxRecord): Promise<void> {
  const row = await get(turn.tx, "out/", pad(offer.of ?? 0));
  await fillNumber(turn, offer);
  await deleteRow(turn, offer);
  if (row !== undefined) await offerAgain(turn.tx, row);
}

/** Whether a contact has a say on a message: it was sent to it, and not to another identity that had its name before. */
export async function isTo(turn: Turn, { to, identity_key }: OutboxRecord, from: string): Promise<boolean> {
  if (to !== from) return false;
  return identity_key === undefined || identity_key === (await turn.contact(from))?.identity_key;
}
