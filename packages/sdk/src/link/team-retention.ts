/** What is kept of teams that this agent is in no longer. */
import { healKey } from "../conversation/team-healing.ts";
import { addLinkOp, rejoinOf } from "../conversation/team-ops.ts";
import { teamAddress } from "../records/addresses.ts";
import { get, remove, rowsUnder } from "../records/records.ts";
import { deleteState } from "../records/group-state.ts";
import type { Turn } from "../turn/turn.ts";

/**
 * Its keys go, and what was known of its members; that it was there is known for as long as a Welcome to it could come again.
 * @param keptMs for so long, milliseconds
 */
export async function forgetTeam(turn: Turn, id: string, keptMs: number): Promise<void> {
  const { tx } = turn;
  const record = await get(tx, "team-group/", id);
  // What is in memory and not written yet would come back.
  if (record?.state !== "closed" || turn.cache.groups.get(id)?.dirty === true) return;
  turn.cache.groups.delete(id);
  await deleteState(tx, id);
  if (record.heals_at !== undefined) await tx.delete(healKey(record.heals_at, id));
  for await (const [key] of rowsUnder(tx, `team-member/${id}/`)) await tx.delete(key);
  const team = await get(tx, "team/", record.key);
  const isOver = team === undefined || (team.group === id && team.state === "over");
  // Nothing is answered there any more.
  if (isOver) await remove(tx, "answered/", teamAddress(record.key));
  if (!turn.isTimeSure || turn.now - (record.closed_at ?? record.created_at) <= keptMs) return;
  await remove(tx, "team-group/", id);
  if (isOver) await remove(tx, "team/", record.key);
}

/** Whoever cannot follow a group wants to be taken in again, though the wish itself may have been lost. */
export async function askOn(turn: Turn, id: string): Promise<void> {
  const record = await get(turn.tx, "team-group/", id);
  if (record?.state === "stuck" && (await rejoinOf(turn, id)) === undefined)
    await addLinkOp(turn, { kind: "rejoin", key: record.key, group: id, names: [] });
}
