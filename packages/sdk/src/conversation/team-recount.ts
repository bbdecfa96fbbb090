/** A message to a team that is sent once more: what it has become so far at those whom it is for now. */
import { get, pad } from "../records/records.ts";
import type { OutboxRecord } from "../records/tables.ts";
import type { Turn } from "../turn/turn.ts";
import { FETCHED } from "./team-files.ts";

type Counts = NonNullable<OutboxRecord["recipients"]>;

/** @param counts as where nothing is known yet of any of these */
export async function countAnew(turn: Turn, row: OutboxRecord, counts: Counts, names: string[]): Promise<Counts> {
  // It has never left.
  if (row.recipients === undefined) return counts;
  const after = { ...counts };
  const files: NonNullable<Counts["files"]> = {};
  for (const name of names) {
    const to = await get(turn.tx, "to/", `${pad(row.seq)}/${name}`);
    if (to === undefined) continue;
    const { state } = to;
    // Whoever has failed on it had it.
    if (state !== "missing" && state !== "gone" && state !== "expired") after.received += 1;
    if (state !== "missing" && state !== "received") after[state === "refused" ? "failed" : state] += 1;
    for (const [file, word] of Object.entries(to.files ?? {})) {
      const { fetched = 0, ended = 0 } = files[file] ?? {};
      files[file] = { fetched: fetched + Number(word === FETCHED), ended: ended + 1 };
    }
  }
  return Object.keys(files).length > 0 ? { ...after, files } : after;
}
