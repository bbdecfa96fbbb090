/** What waits for one address leaves, in order, whatever it is encrypted by. */
import { type Header, marksOf } from "../crypto/content.ts";
import { unlink } from "../turn/outbox-rows.ts";
import { get, pad, parse, put, remove } from "../records/records.ts";
import type { OutboxRecord, WireRecord } from "../records/tables.ts";
import type { Turn } from "../turn/turn.ts";
import { pairOf } from "../turn/groups.ts";
import { type Flight, laneOf, type SendData } from "./flight.ts";
import { bodyToSend, endTooLarge, isTooLarge, queuedRows } from "./queue.ts";

/** However much has come in a turn, so much of it goes into what leaves as well. */
export const LATEST = 1.3;

/** Whether anything that was sent in a lane is not answered. */
export function isUnderWay(flight: Flight, lane: string): boolean {
  for (const send of flight.sends.values()) if (send.lane === lane) return true;
  return false;
}

/** What waits for one address, and how it is encrypted. */
export interface Queued {
  to: string;
  group: string;
  /** Of what goes to one member of a team alone: its name. */
  direct?: string;
  /** Of the identity that it is for; of a team none. */
  identityKey: string;
  most: number;
  /** Messages that may still be encrypted in this epoch. */
  left: number;
  /** Undefined: it leaves in another way. */
  seal: (row: OutboxRecord, body: Uint8Array) => Promise<SendData | undefined>;
}

/** First what is encrypted already, in the order of its counters, then more. After a refusal one goes alone. */
export async function sendQueued(
  turn: Turn,
  flight: Flight,
  { to, group, direct, identityKey, most, left, seal }: Queued,
): Promise<void> {
  const lane = laneOf({ group, direct });
  const blocked = flight.blocked.has(lane);
  if (blocked && isUnderWay(flight, lane)) return;
  let room = blocked ? 1 : Math.min(most, flight.room);
  const send = (row: OutboxRecord, data: SendData): void => {
    flight.sends.set(row.seq, { contact: to, group, lane, kind: row.kind, size: data.message.length });
    turn.after.push(() => flight.post(row.seq, blocked && direct === undefined ? { ...data, resume: true } : data));
    room = Math.min(room - 1, flight.room);
  };
  for (const { row, wire } of await repeatsOf(turn, flight, lane)) {
    if (room <= 0) return;
    flight.repeats.get(lane)?.delete(row.seq);
    await turn.on(`out/${pad(row.seq)}`, async () => {
      if (!(await isTooLarge(turn, row)))
        return send(row, parse(`wire/${pad(row.seq)}`, wire.frame) as unknown as SendData);
      // The relay takes less than when it was encrypted. Its counter is nobody else's, since those behind it have theirs.
      await unlink(turn, row);
      const pair = await pairOf(turn, group);
      if (pair !== undefined) free(pair, wire.counter);
      await endTooLarge(turn, row);
    });
  }
  room = Math.min(room, left);
  if (room <= 0) return;
  let isSomeServed = flight.sends.size > 0;
  for (const row of await queuedRows(turn, flight, to, room)) {
    if (room <= 0 || (isSomeServed && !turn.mayGoOn(LATEST))) return;
    isSomeServed = true;
    await turn.on(`out/${pad(row.seq)}`, async () => {
      const body = await bodyToSend(turn, row, identityKey);
      if (body === undefined) return;
      const data = await seal(row, body);
      if (data !== undefined) return send(row, data);
      // No answer of the relay has the link look for what waits behind it.
      turn.isCut = true;
    });
  }
}

async function repeatsOf(turn: Turn, flight: Flight, lane: string) {
  const repeats: { row: OutboxRecord; wire: WireRecord }[] = [];
  for (const seq of flight.repeats.get(lane) ?? []) {
    const wire = await get(turn.tx, "wire/", pad(seq));
    const row = await get(turn.tx, "out/", pad(seq));
    // Meanwhile it may have been settled, or encrypted for another group.
    if (wire !== undefined && laneOf(wire) === lane && row?.state === "queued") repeats.push({ row, wire });
    else {
      flight.repeats.get(lane)?.delete(seq);
      if (row?.state !== "queued") await turn.tx.delete(`wire/${pad(seq)}`);
    }
  }
  return repeats.toSorted((a, b) => a.wire.counter - b.wire.counter);
}

/** Remembers a row as it leaves, and its place in the group. */
export async function remember(
  turn: Turn,
  row: OutboxRecord,
  place: Omit<WireRecord, "frame">,
  data: SendData,
): Promise<void> {
  const { group, counter } = place;
  await unlink(turn, row);
  await put(turn.tx, "wire/", pad(row.seq), { ...place, frame: JSON.stringify(data) });
  await put(turn.tx, "out/", pad(row.seq), { ...row, group, counter });
  await turn.tx.put(`sent/${group}/${pad(counter)}`, String(row.seq));
}

/** What every message says of itself, whatever it is encrypted by. */
export function headerOf(turn: Turn, row: OutboxRecord, counter: number): Header {
  const expires = row.expires_at === undefined ? undefined : row.expires_at + turn.account.relay.clock_offset;
  const lifetime = (row.expires_at ?? 0) - row.created_at;
  return {
    id: row.id,
    type: row.kind,
    ...marksOf(row),
    counter,
    sent_at: row.created_at,
    ...(expires === undefined ? {} : { expires_at: expires }),
    ...(lifetime > 0 ? { lifetime } : {}),
  };
}

/** What is sent in, and how many were: a conversation, or a team. */
interface Sending {
  record: { id: string; send_counter: number; freed?: number[] };
  dirty: boolean;
}

/** Counters that nothing has any more, at most: others ask for them. */
const FREED_AT_MOST = 400;

/**
 * Nobody has seen these, from a refused one on, or so the relay says: they are encrypted again, in order, each under its own counter. No counter is ever
 * another message's: whoever has one in spite of that would take the other for read.
 */
export async function withdraw(turn: Turn, sending: Sending, from: number): Promise<void> {
  const { record } = sending;
  const prefix = `sent/${record.id}/`;
  for (const [key, seq] of await turn.tx.list({ prefix, after: prefix + pad(from - 1) })) {
    const row = await get(turn.tx, "out/", pad(Number(seq)));
    // What it has taken behind that stays where it is, though it has said that it takes nothing there.
    if (row !== undefined && row.state !== "queued") continue;
    await remove(turn.tx, "wire/", pad(Number(seq)));
    await turn.tx.delete(key);
  }
  sending.dirty = true;
}

/** Between two: whoever asks for a counter that nothing has any more is sent an empty receipt in its place. */
export function free(sending: Sending, counter: number): void {
  const { record } = sending;
  record.freed = [...(record.freed ?? []).filter((freed) => freed !== counter), counter].slice(-FREED_AT_MOST);
  sending.dirty = true;
}

/** The counter of a row in a group: the one that it has had there, or the next. */
export async function counterFor(turn: Turn, { record }: Sending, row: OutboxRecord): Promise<number> {
  const own = row.group === record.id ? row.counter : undefined;
  const holder = own === undefined ? undefined : await turn.tx.get(`sent/${record.id}/${pad(own)}`);
  if (own !== undefined && (holder === undefined || holder === String(row.seq))) {
    if (record.freed !== undefined) record.freed = record.freed.filter((counter) => counter !== own);
    return own;
  }
  record.send_counter += 1;
  return record.send_counter;
}
