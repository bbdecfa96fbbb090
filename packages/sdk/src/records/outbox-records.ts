/** Rows of the outbox as any process may read them. */
import type { ReadTransaction, WriteTransaction } from "../store/store.ts";
import { endFiles, endOffered } from "./files.ts";
import { get, pad, put } from "./records.ts";
import type { MessageState, OutboxRecord } from "./tables.ts";

/** How long it is known that a message was sent, for whoever sends the same again at the longest. Milliseconds. */
export const LATELY_MS = 3_600_000;

/** Whether the other side may have it. */
export function hasLeft({ state, group, left }: OutboxRecord): boolean {
  return state !== "queued" || group !== undefined || left === true;
}

/** Whether it says something for us that nobody is shown, and that is said again in another way if it is lost. */
export function isQuiet({ kind }: Pick<OutboxRecord, "kind">): boolean {
  return kind === "receipt" || kind === "offer";
}

/** By the id of a message, or of any of its frames. */
export async function rowById(tx: ReadTransaction, id: string): Promise<OutboxRecord | undefined> {
  const seq = await tx.get(`out-id/${id}`);
  return seq === undefined ? undefined : get(tx, "out/", pad(Number(seq)));
}

/** Whether nothing changes a state any more, but for a receipt that outweighs the relay's word. */
export function isFinal(state: MessageState): boolean {
  return !["queued", "stored", "received"].includes(state);
}

/** The owner ends a message. One that has left may have arrived: a receipt outweighs this. */
export async function giveUp(tx: WriteTransaction, row: OutboxRecord, reason: string): Promise<OutboxRecord> {
  await tx.delete(`queue/${row.to}/${pad(row.seq)}`);
  const given = { ...row, state: "failed" as const, reason, updated_at: Date.now() };
  const after = hasLeft(row) ? { ...given, by_relay: true } : given;
  await put(tx, "out/", pad(row.seq), after);
  await endOffered(tx, row, reason);
  await endFiles(tx, row, { all: !hasLeft(row) });
  return after;
}

/** Whether the recipient's owner has ended a message, and none of its handlers. [P-9.13] */
export function isRefusal(reason: string | undefined): boolean {
  return reason !== undefined && ["refused", "blocked", "closed", "requests_full"].includes(reason);
}
