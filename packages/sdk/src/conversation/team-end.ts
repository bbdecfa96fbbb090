/** The end of a group of many here: what waits for it ends, and its secrets go. */
import type { Group } from "../crypto/mls/seam.ts";
import { lengthPrefixed, toBase64 } from "../protocol/index.ts";
import { deleteState } from "../records/group-state.ts";
import { forgetHeld } from "../records/team-held.ts";
import { find, get, put, remove, rowsUnder } from "../records/records.ts";
import type { TeamGroupRecord } from "../records/team-records.ts";
import { dropOrders } from "../turn/team-order.ts";
import type { Team } from "../turn/groups.ts";
import type { Turn } from "../turn/turn.ts";
import { beginInTeam } from "./team-again.ts";
import { addOp, signWord } from "./team-ops.ts";
import { healKey } from "./team-healing.ts";
import { forgetPins } from "./team-pins.ts";

/** We are no member any more, whether or not the state of the group is still there. */
export async function retire(turn: Turn, record: TeamGroupRecord): Promise<void> {
  const { id: group, key } = record;
  const row = await find(turn.tx, "team/", key);
  // Where another group serves the team by now, that goes on.
  const isTeams = row?.group === group;
  if (isTeams) {
    const { alias: _alias, ...rest } = row;
    await put(turn.tx, "team/", key, { ...rest, state: "over", over_at: turn.now });
  }
  await forgetTeamGroup(turn, record);
  await beginInTeam(turn, { group, key, what: "end", isTeams });
}

/** A group that the relay has not admitted leaves nothing behind. */
export async function undoFounding(turn: Turn, team: Team): Promise<void> {
  const { record } = team;
  turn.cache.groups.delete(record.id);
  await dropOrders(turn, team);
  await remove(turn.tx, "team-group/", record.id);
  // What waits for a team that was to be founded anew still waits for it.
  if ((await get(turn.tx, "team/", record.key))?.group === record.id) await remove(turn.tx, "team/", record.key);
  await deleteState(turn.tx, record.id);
}

/** Nobody goes on in a group, since another one serves its team: we leave it without a word to our owner. */
export async function abandon(turn: Turn, record: TeamGroupRecord, group: Group | undefined): Promise<void> {
  await leaveSilently(turn, record.id, group);
  await forgetTeamGroup(turn, record);
}

/** Has a group take no room at the relay. Its state goes, so the word to leave is signed now. */
export async function leaveSilently(turn: Turn, id: string, group: Group | undefined): Promise<void> {
  const statement = group === undefined ? [] : await signWord(turn, "leave", group);
  return addOp(turn, {
    kind: "leave",
    key: "",
    group: id,
    names: [],
    statement: toBase64(lengthPrefixed(...statement)),
  });
}

/** Deletes the secrets of a group, and keeps by what it is known again. */
async function forgetTeamGroup(turn: Turn, record: TeamGroupRecord): Promise<void> {
  const { heals_at: due, direct_before: _secret, ...known } = record;
  const { id, key } = record;
  turn.cache.groups.delete(id);
  if ((await find(turn.tx, "team/", key))?.group === id) {
    await forgetPins(turn, key);
    await forgetHeld(turn.tx, key);
  }
  await turn.removeCommit(id);
  await deleteState(turn.tx, id);
  await dropOrders(turn, { record, orders: new Map() });
  if (due !== undefined) await turn.tx.delete(healKey(due, id));
  // Whoever takes us in again sees us as new.
  for await (const [at] of rowsUnder(turn.tx, `team-member/${id}/`)) await turn.tx.delete(at);
  await put(turn.tx, "team-group/", id, { ...known, state: "closed", closed_at: turn.now });
}
