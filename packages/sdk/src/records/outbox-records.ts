/** Rows of the outbox as any process may read them. */
import type { ReadTransaction } from "../store/store.ts";
import { get, pad } from "./records.ts";
import type { MessageState, OutboxRecord } from "./tables.ts";

/** Whether the other side may have it. */
export function hasLeft({ state, group, left }: OutboxRecord): boolean {
  return state !== "queued" || group !== undefined || left === true;
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
