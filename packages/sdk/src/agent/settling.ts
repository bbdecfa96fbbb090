/** How messages end here. */
import type { ClientStore, WriteTransaction } from "../store/store.ts";
import { streamedAreHere } from "../records/here.ts";
import { mayBeLetGo } from "../records/let-go.ts";
import { owe } from "../records/owed.ts";
import { find, get, pad, put } from "../records/records.ts";
import type { InboxRecord } from "../records/tables.ts";
import { holders, refuseHeld, takeFromHeld } from "../trust/held.ts";

/** The end of a message here. */
interface Outcome {
  state: "handled" | "failed" | "expired";
  reason?: string;
  /** It came too late: it interests nobody any more, and is no dead letter. */
  late?: true;
}

/** A message is handled, and more is done in the same transaction: all of it, or nothing. Repeating it does nothing. */
export async function settleWith(
  store: ClientStore,
  message: InHand,
  more: (tx: WriteTransaction) => Promise<void>,
): Promise<void> {
  await store.write(async (tx) => {
    const row = await inHand(tx, message);
    if (row?.state !== "unhandled") return;
    await settleRow(tx, row, { state: "handled" });
    await more(tx);
  });
}

/** Settles a message: its sender hears of it by the next receipt. Repeating it does nothing. */
export async function settleMessage(store: ClientStore, message: InHand, failure?: string): Promise<void> {
  const outcome: Outcome = failure === undefined ? { state: "handled" } : { state: "failed", reason: failure };
  await settleAs(store, message, outcome);
}

async function settleAs(store: ClientStore, message: InHand, outcome: Outcome): Promise<void> {
  await store.write(async (tx) => {
    const row = await inHand(tx, message);
    if (row?.state === "unhandled") await settleRow(tx, row, outcome);
  });
}

/** What of a message tells where it is. */
type InHand = Pick<InboxRecord, "seq" | "from" | "local_id">;

/** A message that somebody has in hand: the owner may have had it wait meanwhile, and let in again, to another place. */
async function inHand(tx: WriteTransaction, message: InHand): Promise<InboxRecord | undefined> {
  const row = await find(tx, "in/", pad(message.seq));
  if (row !== undefined) return row;
  const place = await tx.get(`in-id/${message.local_id}`);
  return place === undefined ? takeFromHeld(tx, message) : find(tx, "in/", pad(Number(place)));
}

/** What keeps a message from being given out for `delay` milliseconds; with `givenBackBy`, a process: to that one alone. */
export function notBefore(
  delay: number,
  givenBackBy?: string,
): Pick<InboxRecord, "retry_at" | "retry_after" | "given_back_by"> {
  const by = givenBackBy === undefined ? {} : { given_back_by: givenBackBy };
  return { retry_at: Date.now() + delay, retry_after: delay, ...by };
}

/** A handler has failed for now: its message is given out again after `delay` milliseconds. */
export async function retryMessage(
  store: ClientStore,
  { seq, claim: own }: InboxRecord,
  { reason, delay, counts }: { reason: string; delay: number; counts: boolean },
): Promise<void> {
  await store.write(async (tx) => {
    const row = await get(tx, "in/", pad(seq));
    // Somebody else has taken it when this one stood still: it is not this one's to give back, or to say that it has failed.
    if (row?.state !== "unhandled" || row.claim?.by !== own?.by) return;
    const { claim: _claim, given_back_by: _by, ...rest } = row;
    const counted = counts ? { failures: (row.failures ?? 0) + 1 } : { waits: (row.waits ?? 0) + 1 };
    await put(tx, "in/", pad(seq), { ...rest, ...counted, reason: reason.slice(0, 1000), ...notBefore(delay) });
  });
}

/** Settles everything that is not handled. */
export async function failAllWaiting(store: ClientStore, reason: string): Promise<void> {
  await store.write(async (tx) => {
    for (const [key] of await tx.list({ prefix: "unhandled/" })) {
      const row = await get(tx, "in/", key.slice("unhandled/".length));
      if (row?.state === "unhandled") await settleRow(tx, row, { state: "failed", reason });
    }
    for (const why of ["consent", "guard"] as const)
      for (const { username } of await holders(tx, why)) await refuseHeld(tx, why, username, reason);
  });
}

export async function settleRow(
  tx: WriteTransaction,
  row: InboxRecord,
  { state, reason, late }: Outcome,
): Promise<void> {
  const { claim: _claim, retry_at: _at, retry_after: _after, given_back_by: _by, ...known } = row;
  const { reason: _reason, answers, ...rest } = known;
  // However it ended: nobody needs to ask for it any more.
  if (answers !== undefined) await takeReply(tx, answers);
  if (state === "failed" && late !== true) await tx.put(`dead/${pad(row.seq)}`, "");
  const read = state === "handled" ? await streamedAreHere(tx, rest) : rest;
  const settled = { ...read, state, settled_at: Date.now(), ...(reason === undefined ? {} : { reason }) };
  await put(tx, "in/", pad(row.seq), settled);
  await tx.delete(`unhandled/${pad(row.seq)}`);
  await mayBeLetGo(tx, settled);
  await owe(tx, settled);
}

/** The reply to a question has its reader. */
export async function takeReply(tx: WriteTransaction, question: string): Promise<void> {
  const record = await get(tx, "question/", question);
  if (record !== undefined) await put(tx, "question/", question, { ...record, state: "taken" });
}

/**
 * Settles what came too late: by the relay's clock, or by its sender's and ours. The latter is not asked where ours has
 * jumped.
 * @returns whether it did
 */
export async function endIfLate(store: ClientStore, row: InboxRecord, hasJumped: () => boolean): Promise<boolean> {
  const outcome = row.state === "unhandled" ? lateness(row, hasJumped) : undefined;
  if (outcome !== undefined) await settleAs(store, row, outcome);
  return outcome !== undefined;
}

/** What a message comes to whose time is over; undefined if it is not. */
export function lateness(row: InboxRecord, hasJumped: () => boolean): Outcome | undefined {
  const now = Date.now();
  if ((row.expires_at ?? Infinity) <= now) return { state: "failed", reason: "expired", late: true };
  if ((row.late_at ?? Infinity) <= now && !hasJumped()) return { state: "expired", reason: "clock", late: true };
  return undefined;
}
