/**
 * Messages that wait for the owner's word: of strangers, where its policy says so (`consent`), and what is more than a guard
 * lets through (`guard`). They are in no inbox: no listener gets them, and no sender hears more than that they have come.
 * Each kind has room of its own; where it is full the newest is refused, and nothing goes for another one.
 */
import type { ReadTransaction, Value, WriteTransaction } from "../store/store.ts";
import { letGoKey } from "../records/let-go.ts";
import { owe } from "../records/owed.ts";
import { find, get, list, nextSeq, pad, put, remove, rowsUnder, toBytes } from "../records/records.ts";
import type { HoldingRecord, WaitsFor } from "../records/consent-records.ts";
import type { HeldRecord, InboxRecord } from "../records/tables.ts";

interface Room {
  /** Messages of one sender, and senders. */
  messages: number;
  senders: number;
  /** Of all of them: bodies and what a message takes besides. */
  bytes: number;
  /** The first message of a sender has room beside that, if it is no longer. Bytes. */
  first: number;
  /** How long one waits: not until its conversation ends for silence, so that its sender hears of it. Milliseconds. */
  kept: number;
}

const MIB = 2 ** 20;
const DAY_MS = 86_400_000;
const ROOMS: Record<WaitsFor, Room> = {
  consent: { messages: 20, senders: 1_000, bytes: 16 * MIB, first: 4_608, kept: 14 * DAY_MS },
  guard: { messages: 1_000, senders: 1_000, bytes: 64 * MIB, first: 0, kept: 7 * DAY_MS },
};
/** Counts the messages that have come out of the inbox to wait: whoever has read ahead looks for its own. */
export const HELD_BACK = "meta/held-back";
/** What one may have of what the others leave. */
const PART = 1 / 4;
const BESIDES = 512;

/** What its sender hears if the owner does not let it in, or there is no room. */
export type Refusal = "refused" | "blocked" | "closed" | "requests_full" | "guard";

/** Keeps a message for the owner to decide. @returns whether there was room, and whether it is the first of its sender */
export async function hold(
  tx: WriteTransaction,
  {
    why,
    row,
    body,
    inOrder = false,
  }: { why: WaitsFor; row: InboxRecord; body: Uint8Array; inOrder?: boolean | undefined },
): Promise<"full" | "first" | "more"> {
  const room = ROOMS[why];
  const size = body.length + BESIDES;
  const before = await find(tx, "holding/", `${why}/${row.from}`);
  const total = (await find(tx, `meta/held-${why}`)) ?? { senders: 0, bytes: 0 };
  const own = before?.bytes ?? 0;
  // The first word of a sender finds room where the large ones of others have taken what there is.
  const isShort =
    before === undefined && size <= room.first && total.bytes + size <= room.bytes + room.first * room.senders;
  if (
    (before?.messages ?? 0) >= room.messages ||
    (before === undefined && total.senders >= room.senders) ||
    (!isShort && own + size > PART * (room.bytes - (total.bytes - own)))
  )
    return "full";
  await put(tx, "held/", `${why}/${row.from}/${pad(row.seq)}`, row);
  await tx.put(`held-body/${why}/${row.from}/${pad(row.seq)}`, body);
  await put(tx, "holding/", `${why}/${row.from}`, {
    username: row.from,
    from_name: row.from_name,
    messages: (before?.messages ?? 0) + 1,
    bytes: own + size,
    ...(inOrder || before?.in_order === true ? { in_order: true as const } : {}),
    first_at: before?.first_at ?? row.received_at,
    last_at: row.received_at,
  });
  await put(tx, `meta/held-${why}`, "", {
    senders: total.senders + (before === undefined ? 1 : 0),
    bytes: total.bytes + size,
  });
  return before === undefined ? "first" : "more";
}

/** Whose messages wait, by name. */
export function holders(tx: ReadTransaction, why: WaitsFor): Promise<HoldingRecord[]> {
  return list(tx, "holding/", { under: `${why}/` });
}

/** Whether anything of one waits. */
export async function waits(tx: ReadTransaction, why: WaitsFor, username: string): Promise<boolean> {
  return (await tx.get(`holding/${why}/${username}`)) !== undefined;
}

/** What of one waits, oldest first, with bodies. */
export async function heldOf(
  tx: ReadTransaction,
  why: WaitsFor,
  username: string,
): Promise<{ row: HeldRecord; body: Value }[]> {
  const rows = await list(tx, "held/", { under: `${why}/${username}/` });
  return Promise.all(
    rows.map(async (row) => ({
      row,
      body: (await tx.get(`held-body/${why}/${username}/${pad(row.seq)}`)) ?? "",
    })),
  );
}

/** Puts what of one waits into the inbox, behind what is there. @returns how many messages */
export async function letHeldIn(tx: WriteTransaction, why: WaitsFor, username: string): Promise<number> {
  const held = await heldOf(tx, why, username);
  for (const { row, body } of held) {
    const seq = await nextSeq(tx, "in");
    await putIntoInbox(tx, { ...row, seq, let_in: true }, body);
    await tx.put(`unhandled/${pad(seq)}`, "");
    if ((await tx.get(`seen/${username}/${row.id}`)) !== undefined)
      await tx.put(`seen/${username}/${row.id}`, String(seq));
  }
  await forget(tx, why, username);
  return held.length;
}

/** Ends what of one waits: its sender hears why. @returns how many messages */
export async function refuseHeld(
  tx: WriteTransaction,
  why: WaitsFor,
  username: string,
  reason: string,
): Promise<number> {
  const held = await list(tx, "held/", { under: `${why}/${username}/` });
  for (const row of held) await owe(tx, { ...row, state: "failed", reason });
  await forget(tx, why, username);
  return held.length;
}

/** Lets what a stranger has sent before wait from now on. @returns whether there was room */
export async function holdFromInbox(tx: WriteTransaction, row: InboxRecord): Promise<boolean> {
  const seq = pad(row.seq);
  const body = (await tx.get(`in-body/${seq}`)) ?? "";
  const { strange = 0, claim: _claim, ...known } = row;
  const {
    attempts: _attempts,
    failures: _failures,
    retry_at: _at,
    retry_after: _after,
    given_back_by: _by,
    ...rest
  } = known;
  if ((await hold(tx, { why: "consent", row: rest, body: toBytes(body) })) === "full") return false;
  await remove(tx, "in/", seq);
  await tx.delete(`in-body/${seq}`);
  await tx.delete(`in-id/${row.local_id}`);
  await tx.delete(`unhandled/${seq}`);
  await tx.put(HELD_BACK, String(Number((await tx.get(HELD_BACK)) ?? 0) + 1));
  // The link has counted it among what strangers have left here.
  if (strange > 0) await tx.put(letGoKey(row.from, seq), String(strange));
  return true;
}

/** Puts a message back that came to wait while somebody had it in hand, who is done with it now. @returns its row, if it does wait */
export async function takeFromHeld(
  tx: WriteTransaction,
  { from, seq }: Pick<InboxRecord, "from" | "seq">,
): Promise<InboxRecord | undefined> {
  const key = `consent/${from}/${pad(seq)}`;
  const row = await find(tx, "held/", key);
  if (row === undefined) return undefined;
  await putIntoInbox(tx, row, (await tx.get(`held-body/${key}`)) ?? "");
  await dropHeld(tx, key);
  return row;
}

async function putIntoInbox(tx: WriteTransaction, row: InboxRecord, body: Value): Promise<void> {
  await put(tx, "in/", pad(row.seq), row);
  await tx.put(`in-body/${pad(row.seq)}`, body);
  await tx.put(`in-id/${row.local_id}`, String(row.seq));
}

/** A message has waited for too long, or is worth nothing any more. `now`: Unix milliseconds. */
export async function ageHeld(tx: WriteTransaction, key: string, now: number): Promise<void> {
  const [why] = key.split("/") as [WaitsFor];
  const row = await get(tx, "held/", key);
  if (row === undefined) return;
  const expired = (row.expires_at ?? Infinity) <= now;
  if (!expired && now - row.received_at < ROOMS[why].kept) return;
  await owe(
    tx,
    expired
      ? { ...row, state: "failed", reason: "expired" }
      : { ...row, state: "failed", reason: why === "guard" ? "guard" : "refused" },
  );
  await dropHeld(tx, key);
}

/** One message waits no more. `key`: behind `held/`. */
export async function dropHeld(tx: WriteTransaction, key: string): Promise<void> {
  const [why, username] = key.split("/") as [WaitsFor, string];
  const body = (await tx.get(`held-body/${key}`)) ?? "";
  const holding = await find(tx, "holding/", `${why}/${username}`);
  if (holding === undefined || holding.messages <= 1) return forget(tx, why, username);
  const size = toBytes(body).length + BESIDES;
  await remove(tx, "held/", key);
  await tx.delete(`held-body/${key}`);
  await put(tx, "holding/", `${why}/${username}`, {
    ...holding,
    messages: holding.messages - 1,
    bytes: holding.bytes - size,
  });
  const total = await find(tx, `meta/held-${why}`);
  if (total !== undefined) await put(tx, `meta/held-${why}`, "", { ...total, bytes: total.bytes - size });
}

async function forget(tx: WriteTransaction, why: WaitsFor, username: string): Promise<void> {
  const holding = await find(tx, "holding/", `${why}/${username}`);
  for (const prefix of ["held", "held-body"])
    for await (const [key] of rowsUnder(tx, `${prefix}/${why}/${username}/`)) await tx.delete(key);
  await remove(tx, "holding/", `${why}/${username}`);
  const total = await find(tx, `meta/held-${why}`);
  if (holding !== undefined && total !== undefined)
    await put(tx, `meta/held-${why}`, "", {
      senders: Math.max(0, total.senders - 1),
      bytes: Math.max(0, total.bytes - holding.bytes),
    });
}
