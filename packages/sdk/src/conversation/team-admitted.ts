/** Changes of a team that the relay has admitted, as its answer says, or what comes after them. */
import type { Delivery } from "../protocol/index.ts";
import { get, pad } from "../records/records.ts";
import type { Team } from "../turn/teams.ts";
import type { Turn } from "../turn/turn.ts";
import { applyTeamCommit } from "./team-commits.ts";
import { planHealing } from "./team-healing.ts";
import { endOrGoOn } from "./team-ops.ts";
import { learn } from "./teams.ts";

/** The relay has admitted the team that we have founded. */
export async function foundingAdmitted(turn: Turn, team: Team): Promise<void> {
  const { record } = team;
  const op = turn.cache.commits.get(record.id)?.op;
  const change = op === undefined ? undefined : await get(turn.tx, "op/", pad(op));
  record.state = "open";
  team.dirty = true;
  await turn.removeCommit(record.id);
  await learn(turn, team, { state: "active" });
  await planHealing(turn, team);
  if (change !== undefined) await endOrGoOn(turn, team, change);
}

/** What comes in a team that we have founded, or in the epoch that our commit opens, says that it was admitted. */
export async function applyUnanswered(turn: Turn, team: Team, { epoch = -1 }: Delivery): Promise<void> {
  const { record } = team;
  if (record.state === "founding") return foundingAdmitted(turn, team);
  const pending = turn.cache.commits.get(record.id);
  if (pending?.epoch === record.epoch && epoch === record.epoch + 1) await applyTeamCommit(turn, pending);
}
