/** Counters that nothing has any more: an empty receipt takes the place of what had them, so that nobody waits for that. */
import { fromUtf8, utf8 } from "../protocol/index.ts";
import { pad, toBytes } from "../records/records.ts";
import type { OutboxRecord } from "../records/tables.ts";
import { addReceipt, type Settled, settle } from "../turn/outbox-rows.ts";
import type { Turn } from "../turn/turn.ts";
import { emptyReceipt } from "./receipt.ts";

const EMPTY = JSON.stringify(emptyReceipt());

/** What is asked for, where, and by whom: an address. */
interface Asked {
  record: { id: string; freed?: number[] };
  counter: number;
  to: string;
}

/** It is sent under that counter. @returns whether nothing has it */
export async function fillIn(turn: Turn, { record, counter, to }: Asked): Promise<boolean> {
  if (record.freed?.includes(counter) !== true) return false;
  const row = { to, group: record.id, counter, content_type: "application/json" };
  const seq = await addReceipt(turn, row, utf8(EMPTY));
  await turn.tx.put(`sent/${record.id}/${pad(counter)}`, String(seq));
  return true;
}

/** Ends what never leaves for one member of a team; or any other row. */
export async function endNumbered(turn: Turn, row: OutboxRecord, outcome: Settled): Promise<void> {
  await fillNumber(turn, row);
  await settle(turn, row, outcome);
}

/** Before a row goes: if it had a number at a member of a team, that one misses nothing. */
export async function fillNumber(turn: Turn, { seq, to, direct }: OutboxRecord): Promise<void> {
  if (direct === undefined) return;
  const isEmpty = fromUtf8(toBytes((await turn.tx.get(`out-body/${pad(seq)}`)) ?? "")) === EMPTY;
  if (!isEmpty) await addReceipt(turn, { to, direct, content_type: "application/json" }, utf8(EMPTY));
}
