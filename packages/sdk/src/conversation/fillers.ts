/** Counters that nothing has any more: an empty receipt takes the place of what had them, so that nobody waits for that. */
import { utf8 } from "../protocol/index.ts";
import { pad } from "../records/records.ts";
import { addReceipt } from "../turn/outbox-rows.ts";
import type { Turn } from "../turn/turn.ts";
import { emptyReceipt } from "./receipt.ts";

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
  const seq = await addReceipt(turn, row, utf8(JSON.stringify(emptyReceipt())));
  await turn.tx.put(`sent/${record.id}/${pad(counter)}`, String(seq));
  return true;
}
