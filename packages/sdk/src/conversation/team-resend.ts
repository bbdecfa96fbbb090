/** What one member of a team lacks is sent again, to that one alone. [P-15.10] */
import { directAddress } from "../records/addresses.ts";
import { get, pad, put } from "../records/records.ts";
import type { OutboxRecord } from "../records/tables.ts";
import { whomFor } from "../records/rosters.ts";
import { addReceipt } from "../turn/outbox-rows.ts";
import type { TeamGroupRecord } from "../records/team-records.ts";
import type { Turn } from "../turn/turn.ts";
import { mayLack, settleAt, UNDECRYPTABLE } from "./team-outcomes.ts";

/** Until whoever asks once more is believed not to have got it, after each time that it was sent again: it may have much to read before that. Milliseconds. */
const PATIENCE_MS = [10_000, 60_000, 600_000];

/**
 * Sends a message again to one of those whom it was for. Where another group has taken the place of this one, it is sent there.
 * @param whom.back The epoch in which that one has come back, if it has: all that was encrypted for it alone before is closed to it, and is not waited
 * for. It has nothing to answer until something comes, so if nothing were sent now, nobody would look again.
 * @returns whether it was
 */
export async function sendToOne(
  turn: Turn,
  { id, key, state: standing }: TeamGroupRecord,
  row: OutboxRecord,
  whom: { name: string; back?: number },
): Promise<boolean> {
  const { name, back = 0 } = whom;
  if (standing === "closed" || standing === "replaced" || row.kind !== "message" || row.group !== id) return false;
  if (!(await mayLack(turn, row, name))) return false;
  const at = `${pad(row.seq)}/${name}`;
  const before = (await get(turn.tx, "to/", at)) ?? { state: "missing" };
  const { times = 0, at: last = 0, copy } = before;
  const isSoon = times > 0 && Math.abs(turn.now - last) < (PATIENCE_MS[times - 1] ?? 0);
  // The last one that it may get has its time in any case.
  if (isSoon && (back === 0 || times >= PATIENCE_MS.length)) return false;
  if (copy !== undefined && (await mayStillCome(turn, copy, back))) return false;
  const body = await turn.tx.get(`out-body/${pad(row.seq)}`);
  if (times >= PATIENCE_MS.length || body === undefined)
    return settleAt(turn, row, name, { state: "failed", reason: UNDECRYPTABLE });
  // If it gets lost, it is asked for again. Its body stands once, however many lack it.
  const files = row.files === undefined ? {} : { files: row.files };
  const by = (await whomFor(turn.tx, row)).get(name) ?? "";
  const again = {
    to: directAddress(key, name),
    identity_key: by,
    content_type: row.content_type,
    of: row.seq,
    ...files,
  };
  await put(turn.tx, "to/", at, { ...before, times: times + 1, at: turn.now, copy: await addReceipt(turn, again) });
  return true;
}

/** What has not left yet is lost to nobody, unless it is on its way to where it is not read any more. */
async function mayStillCome(turn: Turn, copy: number, back: number): Promise<boolean> {
  if ((await turn.tx.get(`out/${pad(copy)}`)) === undefined) return false;
  const wire = await get(turn.tx, "wire/", pad(copy));
  return wire === undefined || wire.epoch >= back;
}
