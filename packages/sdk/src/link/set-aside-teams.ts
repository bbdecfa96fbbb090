/** What becomes of a group of many of which a record cannot be read. */
import { addLinkOp } from "../conversation/team-ops.ts";
import { beginInTeam } from "../conversation/team-again.ts";
import { retire } from "../conversation/team-end.ts";
import { learn } from "../conversation/teams.ts";
import { deleteState } from "../records/group-state.ts";
import { find, list, put, remove } from "../records/records.ts";
import { dropOrders } from "../turn/team-order.ts";
import { teamOf } from "../turn/groups.ts";
import type { Turn } from "../turn/turn.ts";

/** States of a group that serves its team; the first of them counts. */
const SERVING = ["open", "founding", "stuck"] as const;

/** Its state goes. Whoever knows its own leaf may be taken in again; else the group is over here. */
export async function endTeamGroup(turn: Turn, id: string): Promise<string> {
  const { tx } = turn;
  const record = await find(tx, "team-group/", id);
  const commit = await find(tx, "commit/", id);
  if (commit !== undefined) await turn.remember(commit.commit_id);
  for (const prefix of ["next/", "commit/"]) await tx.delete(prefix + id);
  const row = (await list(tx, "team/")).find(({ group }) => group === id);
  const what = row === undefined ? "a group" : `the group @${row.name}`;
  if (record?.leaf !== undefined && (record.state === "open" || record.state === "stuck")) {
    await deleteState(tx, id);
    await dropOrders(turn, { record, orders: new Map() });
    await put(tx, "team-group/", id, { ...record, state: "stuck" });
    await addLinkOp(turn, { kind: "rejoin", key: record.key, group: id, names: [] });
    return `${what} cannot be read any more, and this agent asks to be taken in again`;
  }
  const key = row?.key ?? record?.key ?? "";
  const bare = { id, key, epoch: 0, send_counter: 0, base: 0, created_at: turn.now, wait_for_epoch: 0 };
  await retire(turn, { ...bare, ...record, state: "closed" });
  return `${what} cannot be read any more, and is over here: one of its admins has to remove this agent and add it again`;
}

/** How far the end of a group had come is lost: it begins once more. @returns whether it is one that is over */
export async function endAnew(turn: Turn, group: string): Promise<boolean> {
  const record = await find(turn.tx, "team-group/", group);
  if (record?.state !== "closed") return false;
  const { key } = record;
  const isTeams = (await find(turn.tx, "team/", key))?.group === group;
  await beginInTeam(turn, { group, key, what: "end", isTeams });
  return true;
}

/** What a group is called is learnt from its state; whether its owner has taken the invitation is asked again, if nothing tells. */
export async function learnAnew(turn: Turn, key: string): Promise<string> {
  await turn.tx.delete(`team/${key}`);
  const groups = (await list(turn.tx, "team-group/")).filter((one) => one.key === key);
  // The one that is sent in, and none that it has replaced.
  const group = SERVING.map((state) => groups.find((one) => one.state === state)).find((one) => one !== undefined);
  const team = group === undefined ? undefined : await teamOf(turn, group.id);
  if (team === undefined) return "a group was forgotten";
  const { state, send_counter: sent } = team.record;
  const learnt = await learn(turn, team, { state: state === "founding" ? state : sent > 0 ? "active" : "invited" });
  const { name } = learnt;
  return learnt.state === "invited" ? `@${name} waits to be accepted once more` : `what @${name} is was learnt anew`;
}

/** Whoever waits for a change hears that it is not made. */
export async function failChange({ tx, now }: Turn, seq: string): Promise<string> {
  await remove(tx, "op/", seq);
  await remove(tx, "op-keys/", seq);
  await put(tx, "op-end/", seq, { at: now, reason: "internal" });
  return "a change of a group has failed";
}

/** The member takes our direct frames only if their counter rises, and misses none where they say from where on it does. */
export async function countMemberAnew({ tx, now }: Turn, at: string): Promise<string> {
  const name = at.slice(at.lastIndexOf("/") + 1);
  await put(tx, "team-member/", at, { name, receive_counter: 0, direct_out: now, direct_since: now });
  return `what came from ${name} in a group is counted anew`;
}
