/** What one member of a team lacks is sent again, to that one alone. [P-15.10] */
import { directAddress } from "../records/addresses.ts";
import { get, pad, put } from "../records/records.ts";
import type { OutboxRecord } from "../records/tables.ts";
import { addReceipt } from "../turn/outbox-rows.ts";
import type { TeamGroupRecord } from "../records/team-records.ts";
import type { Turn } from "../turn/turn.ts";
import { mayLack, settleAt } from "./team-outcomes.ts";

/** Times that one message is sent again to one member. */
const AGAIN = 3;
/** Until whoever asks once more is believed not to have got it. Milliseconds. */
const AGAIN_MS = 10_000;

/**
 * Sends a message again to one of those whom it was for. Where another group has taken the place of this one, it is sent there.
 * @returns whether it was
 */
export async function sendToOne(
  turn: Turn,
  { id, key, state: standing }: TeamGroupRecord,
  row: OutboxRecord,
  name: string,
): Promise<boolean> {
  if (standing === "closed" || standing === "replaced" || row.kind !== "message" || row.group !== id) return false;
  if (!(await mayLack(turn, row, name))) return false;
  const at = `${pad(row.seq)}/${name}`;
  const before = (await get(turn.tx, "to/", at)) ?? { state: "missing" };
  const { times = 0, at: last = 0, copy } = before;
  if (times > 0 && Math.abs(turn.now - last) < AGAIN_MS) return false;
  // What has not left yet is lost to nobody.
  if (copy !== undefined && (await turn.tx.get(`out/${pad(copy)}`)) !== undefined) return false;
  const body = await turn.tx.get(`out-body/${pad(row.seq)}`);
  if (times >= AGAIN || body === undefined)
    return settleAt(turn, row, name, { state: "failed", reason: "undecryptable" });
  // If it gets lost, it is asked for again. Its body stands once, however many lack it.
  const files = row.files === undefined ? {} : { files: row.files };
  const again = { to: directAddress(key, name), content_type: row.content_type, of: row.seq, ...files };
  await put(turn.tx, "to/", at, { ...before, times: times + 1, at: turn.now, copy: await addReceipt(turn, again) });
  return true;
}
