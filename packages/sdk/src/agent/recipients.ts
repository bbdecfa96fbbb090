/** How a message to a group is at each of those whom it was for. */
import { get, pad } from "../records/records.ts";
import type { ReadTransaction } from "../store/store.ts";
import type { OutboxRecord } from "../records/tables.ts";
import type { ToRecord } from "../records/team-records.ts";

/** Names of members, in the order of their names. */
export interface Recipients {
  /** Who has it, whatever became of it there. */
  received: string[];
  handled: string[];
  /** Where it will never be handled, and why. */
  failed: { name: string; state: "failed" | "refused" | "expired"; reason: string }[];
  /** Of whom nothing is known yet. */
  waiting: string[];
  /** Who is no member any more, and is not waited for. */
  gone: string[];
}

export async function recipientsOf(tx: ReadTransaction, row: OutboxRecord | undefined): Promise<Recipients> {
  const all: Recipients = { received: [], handled: [], failed: [], waiting: [], gone: [] };
  if (row?.recipients === undefined || row.group === undefined) return all;
  const roster = await get(tx, "roster/", `${row.group}/${pad(row.recipients.epoch)}`);
  for (const name of (roster?.names ?? []).toSorted()) add(all, name, await get(tx, "to/", `${pad(row.seq)}/${name}`));
  return all;
}

function add(all: Recipients, name: string, { state, reason }: ToRecord = { state: "missing" }): void {
  if (state === "missing") return void all.waiting.push(name);
  if (state === "gone") return void all.gone.push(name);
  if (state !== "expired") all.received.push(name);
  if (state === "handled") all.handled.push(name);
  else if (state !== "received") all.failed.push({ name, state, reason: reason ?? state });
}

type Counts = NonNullable<OutboxRecord["recipients"]>;

/** Whether so many recipients are as far. */
export function enough(counts: Counts, state: "received" | "handled", atLeast: number): boolean {
  return counts[state] >= atLeast;
}

/** Whether so many may still be. Where it has expired by the relay's word it may: whoever comes back asks for it. */
export function mayBeEnough({ all, gone, failed }: Counts, state: "received" | "handled", atLeast: number): boolean {
  return all - gone - (state === "handled" ? failed : 0) >= atLeast;
}
