/** What one member of a team lacks is sent again, to that one alone. [P-15.10] */
import { directAddress } from "../records/addresses.ts";
import { owe, owed } from "../records/owed.ts";
import { get, list, pad, put } from "../records/records.ts";
import type { OutboxRecord } from "../records/tables.ts";
import { addReceipt } from "../turn/outbox-rows.ts";
import type { TeamGroupRecord } from "../records/team-records.ts";
import { type Team, teamMember } from "../turn/groups.ts";
import type { Turn } from "../turn/turn.ts";
import { isFor, settleAt } from "./team-outcomes.ts";

/** Times that one message is sent again to one member. */
const AGAIN = 3;
/** Of so many messages, the last that have come of all senders. */
const LATEST = 1_000;
/** Until whoever asks once more is believed not to have got it. Milliseconds. */
const AGAIN_MS = 10_000;

/** Says once more, to one who was away, what became of its messages: what was said meanwhile it could not read. */
export async function oweAllToOne(turn: Turn, team: Team, name: string): Promise<void> {
  const { id, key } = team.record;
  // Before the invitation is taken, and to whom we have blocked, nothing is said.
  const isSilent = (await get(turn.tx, "team/", key))?.state !== "active";
  if (isSilent || (await turn.contact(name))?.blocked === true) return;
  const { receive_counter: upTo } = await teamMember(turn, team, name);
  if (upTo > 0) await turn.tx.put(owed(directAddress(key, name), "read", id), String(upTo));
  for (const row of await list(turn.tx, "in/", { reverse: true, limit: LATEST }))
    if (row.team === key && row.from === name && row.settled_at !== undefined) await owe(turn.tx, row);
}

/**
 * Sends a message again to one of those whom it was for. Where another group has taken the place of this one, it is sent there, to all.
 * @returns whether it was
 */
export async function sendToOne(
  turn: Turn,
  { id, key, state: standing }: TeamGroupRecord,
  row: OutboxRecord,
  name: string,
): Promise<boolean> {
  if (standing === "closed" || standing === "replaced" || row.kind !== "message" || row.group !== id) return false;
  if (!(await isFor(turn, row, name))) return false;
  const at = `${pad(row.seq)}/${name}`;
  const before = (await get(turn.tx, "to/", at)) ?? { state: "missing" };
  const { state, times = 0, at: last = 0 } = before;
  if ((state !== "missing" && state !== "expired") || (times > 0 && Math.abs(turn.now - last) < AGAIN_MS)) return false;
  const body = await turn.tx.get(`out-body/${pad(row.seq)}`);
  if (times >= AGAIN || body === undefined)
    return settleAt(turn, row, name, { state: "failed", reason: "undecryptable" });
  await put(turn.tx, "to/", at, { ...before, times: times + 1, at: turn.now });
  // If it gets lost, it is asked for again. Its body stands once, however many lack it.
  const files = row.files === undefined ? {} : { files: row.files };
  await addReceipt(turn, { to: directAddress(key, name), content_type: row.content_type, of: row.seq, ...files });
  return true;
}
