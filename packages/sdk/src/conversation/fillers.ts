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

/** In a group of two it is sent under that counter. @returns whether nothing has it */
export async function fillInPair(turn: Turn, { record, counter, to }: Asked): Promise<boolean> {
  if (record.freed?.includes(counter) !== true) return false;
  const seq = await add(turn, { record, counter, to });
  await turn.tx.put(`sent/${record.id}/${pad(counter)}`, String(seq));
  return true;
}

/** In a group of many it is sent to whoever asks, alone, unless something waits for that one already: it will ask again. */
export async function fillInTeam(turn: Turn, { record, counter, to }: Asked): Promise<boolean> {
  if (record.freed?.includes(counter) !== true) return false;
  if ((await turn.tx.list({ prefix: `queue/${to}/`, limit: 1 })).length === 0) await add(turn, { record, counter, to });
  return true;
}

function add(turn: Turn, { record, counter, to }: Asked): Promise<number> {
  const row = { to, group: record.id, counter, content_type: "application/json" };
  return addReceipt(turn, row, utf8(JSON.stringify(emptyReceipt())));
}
