/** Commits of teams: others', which are judged and followed, and our own, once they are admitted. */
import { GroupError } from "../crypto/mls/seam.ts";
import { DIRECT, DIRECT_BYTES } from "../crypto/team/direct.ts";
import { followChange } from "../crypto/team/changes.ts";
import type { TeamMember } from "../crypto/team/roster.ts";
import { type Delivery, fromBase64, isBase64, toBase64, usernameKey } from "../protocol/index.ts";
import type { CommitRecord } from "../records/group-records.ts";
import { pad, put, remove } from "../records/records.ts";
import type { OpEndRecord } from "../records/team-records.ts";
import { goneFrom } from "./team-outcomes.ts";
import { learn, rosterIn } from "./teams.ts";
import { type Team, teamOf } from "../turn/teams.ts";
import type { Turn } from "../turn/turn.ts";

/** A commit of another member of a team. */
export async function receiveTeamCommit(turn: Turn, team: Team, delivery: Delivery): Promise<void> {
  const { record } = team;
  const epoch = delivery.epoch ?? -1;
  const from = usernameKey(delivery.from);
  if (record.state !== "open" || epoch < record.epoch) return;
  if (epoch > record.epoch) return stuck(turn, team, from, "a commit is missing");
  const { body } = delivery;
  if (typeof body !== "string" || !isBase64(body)) return stuck(turn, team, from, "its commit is not there");
  const pending = turn.cache.commits.get(record.id);
  const before = await directSecret(turn, team);
  let followed: Awaited<ReturnType<typeof followChange>>;
  try {
    followed = await followChange(turn.teams, team.group, fromBase64(body));
  } catch (error) {
    if (!(error instanceof GroupError)) throw error;
    return stuck(turn, team, from, error.message);
  }
  if (followed.kind === "removed") return leave(turn, team);
  if (followed.kind === "refused") return stuck(turn, team, from, followed.reason);
  if (followed.kind === "unusable") return stuck(turn, team, from, followed.cause.message);
  // The winner is applied: ours for the same epoch lost, and its change is made anew.
  if (pending !== undefined) await turn.removeCommit(record.id);
  turn.consumed.push(...followed.consumed);
  const roster = await rosterIn(turn, team);
  team.group = followed.group;
  await enter(turn, team, { epoch, secret: before, roster });
}

/** Applies our own admitted commit, once our mailbox is processed up to where it stood when the commit was admitted. */
export async function applyTeamCommit(turn: Turn, { group: id, op }: CommitRecord): Promise<void> {
  const team = await teamOf(turn, id);
  const next = await turn.tx.get(`next/${id}`);
  if (team !== undefined && next !== undefined) {
    const { epoch } = team.record;
    const secret = await directSecret(turn, team);
    const before = await rosterIn(turn, team);
    team.group = turn.teams.apply(team.group, turn.crypto.decode(next as Uint8Array));
    await enter(turn, team, { epoch, secret, roster: before });
    turn.healed = true;
  }
  await turn.removeCommit(id);
  await endOp(turn, op);
}

/** A change is done, or has failed. */
export async function endOp(turn: Turn, op: number | undefined, why: Omit<OpEndRecord, "at"> = {}): Promise<void> {
  if (op === undefined) return;
  await remove(turn.tx, "op/", pad(op));
  await put(turn.tx, "op-end/", pad(op), { at: turn.now, ...why });
}

/** The secret of direct frames in the present epoch. */
export function directSecret(turn: Turn, { group }: Team): Promise<Uint8Array> {
  return turn.teams.export(group, DIRECT, DIRECT_BYTES);
}

/** What of an epoch is of use in the next one. */
interface Before {
  epoch: number;
  secret: Uint8Array;
  roster: TeamMember[];
}

async function enter(turn: Turn, team: Team, before: Before): Promise<void> {
  team.record.epoch = before.epoch + 1;
  team.record.direct_before = { epoch: before.epoch, secret: toBase64(before.secret) };
  team.dirty = true;
  await learn(turn, team);
  const now = new Set((await rosterIn(turn, team)).map(({ name }) => name));
  for (const { name } of before.roster) if (!now.has(name)) await goneFrom(turn, team, name);
}

/** Nothing of the team can be followed any more. */
async function stuck(turn: Turn, team: Team, from: string, why: string): Promise<void> {
  team.record.state = "stuck";
  team.dirty = true;
  await turn.alert("bad_commit", from, `a commit of ${from} in a team cannot be followed: ${why}`);
}

/** We were removed. */
async function leave(turn: Turn, team: Team): Promise<void> {
  await learn(turn, team, { state: "over" });
  team.record.state = "closed";
  team.dirty = true;
  await turn.removeCommit(team.record.id);
}
