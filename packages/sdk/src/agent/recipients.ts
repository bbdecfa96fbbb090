/** How a message to a group is at each of those whom it was for. */
import { get, pad } from "../records/records.ts";
import { whomFor } from "../records/rosters.ts";
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
  /** Of a message with files: who has all of them; who could not have one so far, by its place, and why. */
  fetched?: string[];
  unfetched?: { name: string; file: number; reason: string }[];
}

export async function recipientsOf(tx: ReadTransaction, row: OutboxRecord | undefined): Promise<Recipients> {
  const all: Recipients = { received: [], handled: [], failed: [], waiting: [], gone: [] };
  if (row?.recipients === undefined) return all;
  if (row.files !== undefined) Object.assign(all, { fetched: [], unfetched: [] });
  for (const name of [...(await whomFor(tx, row)).keys()].toSorted()) {
    const at = await get(tx, "to/", `${pad(row.seq)}/${name}`);
    if (at === undefined || at.state === "missing") addUnheard(all, name, row);
    else add(all, name, at.state, at.reason);
    addFiles(all, name, at?.files ?? {}, row.files);
  }
  return all;
}

/** @param of How many there are */
function addFiles(
  { fetched, unfetched }: Recipients,
  name: string,
  words: Record<string, string>,
  of: number | undefined,
): void {
  const said = Object.entries(words);
  if (said.length === of && said.every(([, word]) => word === "fetched")) fetched?.push(name);
  // Where the message did not come to be read, that says enough.
  for (const [file, reason] of said)
    if (reason === "file_damaged" || reason === "file_expired") unfetched?.push({ name, file: Number(file), reason });
}

/** Where a message has ended for all at once, nothing more is awaited of whoever has said nothing. */
function addUnheard(all: Recipients, name: string, { state, reason = state }: OutboxRecord): void {
  if (state === "failed" || state === "refused" || state === "expired") all.failed.push({ name, state, reason });
  else all.waiting.push(name);
}

function add(
  all: Recipients,
  name: string,
  state: Exclude<ToRecord["state"], "missing">,
  reason: string = state,
): void {
  if (state === "gone") return void all.gone.push(name);
  if (state !== "expired") all.received.push(name);
  if (state === "handled") all.handled.push(name);
  else if (state !== "received") all.failed.push({ name, state, reason });
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
