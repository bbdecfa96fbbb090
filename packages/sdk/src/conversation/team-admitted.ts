/** Our own commits of teams that the relay has admitted, whether or not its answer has come. */
import type { Delivery } from "../protocol/index.ts";
import type { CommitRecord } from "../records/group-records.ts";
import { get, pad } from "../records/records.ts";
import type { Team } from "../turn/groups.ts";
import type { Turn } from "../turn/turn.ts";
import { applyTeamCommit } from "./team-commits.ts";
import { planHealing } from "./team-healing.ts";
import { takeOwnFounding } from "./team-founded.ts";
import { endOp, endOrGoOn } from "./team-ops.ts";
import { learn, settingsIn } from "./teams.ts";

/** The relay has a team that we have founded. */
export async function admitFounding(turn: Turn, team: Team, commit: CommitRecord | undefined): Promise<void> {
  team.record.state = "open";
  team.dirty = true;
  await turn.removeCommit(team.record.id);
  const op = commit?.op === undefined ? undefined : await get(turn.tx, "op/", pad(commit.op));
  await planHealing(turn, team);
  if (settingsIn(turn, team).replaces !== "" && !(await takeOwnFounding(turn, team))) return endOp(turn, commit?.op);
  await learn(turn, team, { state: "active" });
  if (op !== undefined) await endOrGoOn(turn, team, op);
}

/** What comes in a team shows that a commit of ours was admitted before it, though its answer has not reached us. */
export async function applyUnansweredInTeam(turn: Turn, team: Team, { kind, epoch }: Delivery): Promise<void> {
  const { record } = team;
  const pending = turn.cache.commits.get(record.id);
  if (kind === "welcome") return;
  if (record.state === "founding") await admitFounding(turn, team, pending);
  else if (pending?.kind === "team" && record.epoch === pending.epoch && epoch === pending.epoch + 1)
    await applyTeamCommit(turn, pending);
}
