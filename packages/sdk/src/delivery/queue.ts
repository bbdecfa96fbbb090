/** The outbox's queue: what waits, for whom, in which order. */
import { FILE_ROOM, largestBody } from "../crypto/content.ts";
import type { Stop } from "../trust/contact-records.ts";
import type { End, Flight } from "./flight.ts";
import { hasLeft } from "../records/outbox-records.ts";
import { deleteRow, settle } from "../turn/outbox-rows.ts";
import { endNumbered } from "../conversation/fillers.ts";
import { settleAt } from "../conversation/team-outcomes.ts";
import { withoutOutcomes } from "../conversation/receipt.ts";
import { readAddress } from "../records/addresses.ts";
import { knownBy } from "../records/rosters.ts";
import { get, pad, partsUnder, rowsUnder, toBytes } from "../records/records.ts";
import type { OutboxRecord } from "../records/tables.ts";
import type { Value } from "../store/store.ts";
import type { Turn } from "../turn/turn.ts";

/**
 * The relay shows somebody else in the place of this contact. What waits for it fails, visibly, rather than leave later by
 * surprise; what has left before may have arrived, so a receipt outweighs that. Receipts wait, for what they say is said
 * nowhere else: until a message finds the contact again, or for the next connection.
 */
export async function failWaiting(turn: Turn, flight: Flight, username: string, why: Stop): Promise<void> {
  flight.strange.add(username);
  await endWaiting(turn, flight, username, { state: "failed", reason: why, keepsReceipts: true });
}

/** Ends what waits for a contact, over several turns if it is much. */
export async function endWaiting(turn: Turn, flight: Flight, username: string, end: End): Promise<void> {
  flight.ending.set(username, end);
  const prefix = `queue/${username}/`;
  for await (const [key] of rowsUnder(turn.tx, prefix)) {
    if (!turn.mayGoOn()) return;
    const seq = Number(key.slice(prefix.length));
    if (!flight.sends.has(seq)) await turn.on(`out/${pad(seq)}`, () => endRow(turn, pad(seq), end));
  }
  flight.ending.delete(username);
}

async function endRow(turn: Turn, seq: string, { state, reason, keepsReceipts }: End): Promise<void> {
  const row = await get(turn.tx, "out/", seq);
  if (row === undefined) return;
  if (row.kind !== "receipt" || !keepsReceipts)
    await settle(turn, row, { state, reason, provisional: state === "refused" || hasLeft(row) });
}

/** Whether a message, and not only receipts, waits for this contact. */
export async function hasMessage(turn: Turn, username: string): Promise<boolean> {
  const prefix = `queue/${username}/`;
  for await (const [key] of rowsUnder(turn.tx, prefix)) {
    const kind = (await get(turn.tx, "out/", key.slice(prefix.length)))?.kind;
    if (kind !== undefined && kind !== "receipt") return true;
  }
  return false;
}

/**
 * The body of a row that may leave. Undefined if it never may, and is settled: it is too late, this relay does not take
 * so much, or it was meant for another identity than the one that is there.
 */
export async function bodyToSend(turn: Turn, row: OutboxRecord, identityKey: string): Promise<Uint8Array | undefined> {
  const isTheirs = await isFor(turn, row, identityKey);
  // Where our clock may be wrong, the relay judges by its own.
  if (turn.isTimeSure && row.expires_at !== undefined && row.expires_at <= turn.now)
    // What has left us once may have arrived: a receipt outweighs this.
    await settle(turn, row, { state: "expired", reason: "expired", provisional: hasLeft(row) });
  else if (row.kind !== "receipt" && !isTheirs)
    await endNumbered(turn, row, { state: "failed", reason: "fingerprint_mismatch", provisional: hasLeft(row) });
  else if (await isTooLarge(turn, row)) await endTooLarge(turn, row);
  // What it sends again is needed by nobody any more, or is sent in another group.
  else if (isAgain(row) && !(isTheirs && (await isLacked(turn, row))))
    await endNumbered(turn, row, { state: "refused" });
  else return isTheirs ? bodyOf(turn, row) : receiptToAnother(turn, row);
  return undefined;
}

/** This relay takes no messages of this size; one that is sent again to one member of a team that one never gets. */
export async function endTooLarge(turn: Turn, row: OutboxRecord): Promise<void> {
  const [address, outcome] = [readAddress(row.to), { state: "refused", reason: "message_too_large" } as const];
  const original = isAgain(row) ? await get(turn.tx, "out/", pad(row.of ?? 0)) : undefined;
  if (original !== undefined && address.kind === "direct") await settleAt(turn, original, address.name, outcome);
  await endNumbered(turn, row, { ...outcome, provisional: hasLeft(row) });
}

/** Whether it is a message to a team that is sent again to one of its members. */
function isAgain({ kind, of }: OutboxRecord): boolean {
  return kind === "receipt" && of !== undefined;
}

/** Whether what it sends again is there still, as it was sent in the group that its team has now. */
async function isLacked(turn: Turn, row: OutboxRecord): Promise<boolean> {
  const address = readAddress(row.to);
  const team = address.kind === "direct" ? await get(turn.tx, "team/", address.key) : undefined;
  const original = await get(turn.tx, "out/", pad(row.of ?? 0));
  const isThere = original?.counter !== undefined && original.group !== undefined && original.group === team?.group;
  return isThere && (await storedBody(turn, row)) !== undefined;
}

async function receiptToAnother(turn: Turn, row: OutboxRecord): Promise<Uint8Array | undefined> {
  const left = withoutOutcomes(await bodyOf(turn, row));
  if (left === undefined) await deleteRow(turn, row);
  return left;
}

/** Whether a row was meant for this identity: what was written to one is not sent to another that has its name now. */
async function isFor(turn: Turn, row: OutboxRecord, identityKey: string): Promise<boolean> {
  if (row.identity_key !== undefined)
    return row.identity_key === identityKey || row.identity_key === knownBy(identityKey);
  return row.fingerprint === undefined || row.fingerprint === (await turn.fingerprintOf(row.to, identityKey));
}

/** Whether the relay takes no messages of this size, now that we know its limit. */
export async function isTooLarge(turn: Turn, row: OutboxRecord): Promise<boolean> {
  return lengthOf(row, await bodyOf(turn, row)) > largestBody(turn.account.relay.frame_bytes);
}

/** What a message takes of a frame: its body, and what is said of its files at the most. Bytes. */
export function lengthOf({ files = 0 }: OutboxRecord, body: Uint8Array): number {
  return body.length + files * FILE_ROOM;
}

async function bodyOf(turn: Turn, row: OutboxRecord): Promise<Uint8Array> {
  return toBytes((await storedBody(turn, row)) ?? "");
}

/** A row has its own, or is of another one that has it. */
async function storedBody({ tx }: Turn, row: OutboxRecord): Promise<Value | undefined> {
  const own = await tx.get(`out-body/${pad(row.seq)}`);
  return own === undefined && isAgain(row) ? tx.get(`out-body/${pad(row.of ?? 0)}`) : own;
}

/** Contacts to whom something waits and may leave now, some of them, beginning behind the one that was served last. */
export async function contactsWithQueue(turn: Turn, flight: Flight, limit: number): Promise<string[]> {
  const names = new Set<string>();
  // Compared as their keys are: `ab-c/` comes before `ab/`.
  const isBehind = (name: string) => `${name}/` >= `${flight.lastServed}/`;
  for (const behind of [flight.lastServed, undefined])
    for await (const name of partsUnder(turn.tx, "queue/", behind)) {
      if (!flight.isPaused(name, turn.ticks)) names.add(name);
      if (names.size >= limit || (behind === undefined && isBehind(name))) break;
    }
  return [...names];
}

/** Rows that wait for this contact and are not under way, in order. */
export async function queuedRows(turn: Turn, flight: Flight, username: string, limit: number): Promise<OutboxRecord[]> {
  const prefix = `queue/${username}/`;
  const rows: OutboxRecord[] = [];
  const most = limit + flight.sends.size;
  for (const [key] of await turn.tx.list({ prefix, ...(Number.isSafeInteger(most) ? { limit: most } : {}) })) {
    const seq = Number(key.slice(prefix.length));
    if (rows.length >= limit) break;
    if (flight.sends.has(seq)) continue;
    const row = await get(turn.tx, "out/", pad(seq));
    // A row that does not wait, or not for this one, would be come to again and again.
    if (row?.state !== "queued" || row.to !== username) await turn.tx.delete(key);
    else rows.push(row);
  }
  return rows;
}
