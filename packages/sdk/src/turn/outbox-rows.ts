/** The rows of the outbox, and what becomes of them. */
import { frameId } from "../crypto/content.ts";
import { randomId } from "../protocol/index.ts";
import type { Value } from "../store/store.ts";
import { endFiles, endOffered, forgetFiles, haveLeft, wereTold } from "../records/files.ts";
import { hasLeft, isFinal, isQuiet, isRefusal } from "../records/outbox-records.ts";
import { get, nextSeq, pad, put, rowsUnder } from "../records/records.ts";
import type { OutboxRecord } from "../records/tables.ts";
import { leaveRoster } from "../records/rosters.ts";
import type { Turn } from "./turn.ts";

/** Sendings of one message for whatever reason: the id of a frame ends in a digit. */
export const LAST_ATTEMPT = 9;
/** Where our clock may be wrong, it is looked at again after so long. Milliseconds. */
const LOOK_AGAIN_MS = 60_000;
/** What the relay has refused stands before all else that waits: more than are under way at once. */
const WAITING_AT_MOST = 1_000;

/** What of a row of the link's own its maker says. */
type Own = Pick<OutboxRecord, "to" | "content_type"> &
  Partial<Pick<OutboxRecord, "identity_key" | "group" | "counter" | "direct" | "counts" | "of" | "files">>;

/**
 * Adds a row of the link's own, to be encrypted: as a receipt it is shown to nobody. One that sends another row
 * again (`of`) has that one's body.
 * @returns its place
 */
export async function addReceipt(turn: Turn, own: Own, body?: Uint8Array): Promise<number> {
  const seq = await nextSeq(turn.tx, "out");
  const id = randomId();
  const [created_at, updated_at] = [turn.now, turn.now];
  const row: OutboxRecord = { seq, id, kind: "receipt", ...own, created_at, updated_at, state: "queued", attempt: 0 };
  await put(turn.tx, "out/", pad(seq), row);
  if (body !== undefined) await turn.tx.put(`out-body/${pad(seq)}`, body);
  await turn.tx.put(`out-id/${id}`, String(seq));
  await turn.tx.put(`queue/${row.to}/${pad(seq)}`, "");
  return seq;
}

/** Puts a row back into the queue, to be encrypted anew. */
export async function requeue(turn: Turn, row: OutboxRecord): Promise<void> {
  const { group: _group, counter: _counter, reason: _reason, delivered: _delivered, by_relay: _byRelay, ...rest } = row;
  await put(turn.tx, "out/", pad(row.seq), {
    ...rest,
    state: "queued",
    updated_at: turn.now,
    ...(hasLeft(row) ? { left: true } : {}),
  });
  await turn.tx.delete(`wire/${pad(row.seq)}`);
  await turn.tx.put(`queue/${row.to}/${pad(row.seq)}`, "");
  await turn.tx.put(`out-id/${frameId(row.id, row.attempt)}`, String(row.seq));
  if (row.expires_at !== undefined) await turn.tx.put(`expiry/${pad(row.expires_at)}/${pad(row.seq)}`, "");
}

export interface Settled {
  state: OutboxRecord["state"];
  reason?: string | undefined;
  /** A receipt outweighs it. */
  provisional?: boolean;
}

/** Moves a row to a later state. Its body stays for a while: it is one side of a conversation, and what has failed may be sent once more. */
export async function settle(
  turn: Turn,
  row: OutboxRecord,
  { state, reason, provisional = false }: Settled,
): Promise<void> {
  // Nobody is shown what became of these, but what became of the files that an offer is of.
  if (isQuiet(row) && isFinal(state)) {
    if (row.kind === "offer") await endOffered(turn.tx, row, reason);
    return deleteRow(turn, row);
  }
  const { reason: _reason, by_relay: _byRelay, ...rest } = row;
  await put(turn.tx, "out/", pad(row.seq), {
    ...rest,
    state,
    updated_at: turn.now,
    ...(reason === undefined ? {} : { reason }),
    ...(provisional ? { by_relay: true } : {}),
  });
  if (row.state === "queued") {
    await turn.tx.delete(`queue/${row.to}/${pad(row.seq)}`);
    await turn.tx.delete(`wire/${pad(row.seq)}`);
  }
  if (state === "received" || state === "handled") {
    if (row.files !== undefined) {
      await wereTold(turn.tx, row.seq);
      await haveLeft(turn.tx, row.seq);
    }
  } else if (isFinal(state)) await endFiles(turn.tx, row, { all: !hasLeft(row) || isUnwanted(row, state, reason) });
}

/** Nobody fetches files of what its recipient's owner has refused, nor of what the relay has not taken. */
function isUnwanted(row: OutboxRecord, state: OutboxRecord["state"], reason: string | undefined): boolean {
  return state === "refused" && (isRefusal(reason) || row.left !== true);
}

/** Removes a row that needs no more attention. */
export async function deleteRow(turn: Turn, row: OutboxRecord): Promise<void> {
  await unlink(turn, row);
  if (row.state === "queued" && row.group !== undefined) await turn.remember(frameId(row.id, row.attempt));
  if (row.of === undefined) await forgetFiles(turn.tx, row);
  // The ids before that of an offer are its message's.
  for (let attempt = row.of === undefined ? 0 : row.attempt; attempt <= row.attempt; attempt++)
    await turn.tx.delete(`out-id/${frameId(row.id, attempt)}`);
  if (row.recipients !== undefined) {
    for await (const [key] of rowsUnder(turn.tx, `to/${pad(row.seq)}/`)) await turn.tx.delete(key);
    await leaveRoster(turn.tx, row);
  }
  for (const prefix of ["out/", "out-body/", "wire/", `queue/${row.to}/`]) await turn.tx.delete(prefix + pad(row.seq));
}

/** Takes a row off its counter, unless that was freed meanwhile and is another one's. */
export async function unlink(turn: Turn, row: OutboxRecord): Promise<void> {
  if (row.group === undefined || row.counter === undefined) return;
  const key = `sent/${row.group}/${pad(row.counter)}`;
  if ((await turn.tx.get(key)) === String(row.seq)) await turn.tx.delete(key);
}

export async function rowByCounter(turn: Turn, group: string, counter: number): Promise<OutboxRecord | undefined> {
  const seq = await turn.tx.get(`sent/${group}/${pad(counter)}`);
  const row = seq === undefined ? undefined : await get(turn.tx, "out/", pad(Number(seq)));
  return row?.group === group && row.counter === counter ? row : undefined;
}

/** Counters in a group of messages that have left in it and wait to leave again; and how many rows were looked at for that. */
export async function countersWaiting(
  turn: Turn,
  to: string,
  group: string,
): Promise<{ counters: Set<number>; looks: number }> {
  const prefix = `queue/${to}/`;
  const counters = new Set<number>();
  const waiting = await turn.tx.list({ prefix, limit: WAITING_AT_MOST });
  for (const [key] of waiting) {
    const row = await get(turn.tx, "out/", key.slice(prefix.length));
    if (row?.group === group && row.counter !== undefined) counters.add(row.counter);
  }
  return { counters, looks: waiting.length };
}

/** Sent in a group and not confirmed, by counter. */
export function sentIn(turn: Turn, group: string): AsyncGenerator<[key: string, seq: Value]> {
  return rowsUnder(turn.tx, `sent/${group}/`);
}

/** Ends what waits here and is worth nothing any more, whether or not it could leave. @returns when that is next, Unix ms */
export async function expire(turn: Turn): Promise<number> {
  if (!turn.isTimeSure) return turn.now + LOOK_AGAIN_MS;
  for await (const [key] of rowsUnder(turn.tx, "expiry/")) {
    const [, at, seq] = key.split("/") as [string, string, string];
    if (Number(at) > turn.now || !turn.mayGoOn()) return Number(at);
    await turn.tx.delete(key);
    await turn.on(`out/${seq}`, () => expireRow(turn, seq));
  }
  return Infinity;
}

async function expireRow(turn: Turn, seq: string): Promise<void> {
  const row = await get(turn.tx, "out/", seq);
  // A message that has left is judged by the relay: it may have it already.
  const left = (await turn.tx.get(`wire/${seq}`)) !== undefined;
  if (row?.state === "queued" && !left)
    await settle(turn, row, { state: "expired", reason: "expired", provisional: hasLeft(row) });
}
