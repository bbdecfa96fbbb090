/** The relay's answers to commits of teams. */
import { planHealing } from "../conversation/team-healing.ts";
import { endOp } from "../conversation/team-commits.ts";
import { learn } from "../conversation/teams.ts";
import type { RelayFrameData } from "../protocol/index.ts";
import type { CommitRecord } from "../records/group-records.ts";
import { deleteState } from "../records/group-state.ts";
import { get, pad, remove } from "../records/records.ts";
import { type Team, teamOf } from "../turn/teams.ts";
import type { Turn } from "../turn/turn.ts";
import { isTemporary } from "../wire/connection.ts";
import type { Answered, Flight } from "./flight.ts";
import { fail } from "./team-needs.ts";

/** The relay's answer to a commit of a team. */
export async function applyChangeAnswer(
  turn: Turn,
  flight: Flight,
  commit: CommitRecord,
  answer: Answered<RelayFrameData<"ack">>,
): Promise<void> {
  const team = await teamOf(turn, commit.group);
  const op = commit.op === undefined ? undefined : await get(turn.tx, "op/", pad(commit.op));
  if ("ok" in answer) {
    if (team?.record.state === "founding") {
      team.record.state = "open";
      team.dirty = true;
      await turn.removeCommit(commit.group);
      await learn(turn, team, { state: "active" });
      await planHealing(turn, team);
      await endOp(turn, commit.op);
    } else await turn.saveCommit({ ...commit, high_water: answer.ok.high_water ?? turn.position });
    return;
  }
  const { refusal } = answer;
  if (isTemporary(refusal)) {
    flight.commitsToRepeat.add(commit.group);
    flight.pausedUntil = turn.ticks + (refusal.retry_after_ms ?? 1_000);
    return;
  }
  await turn.removeCommit(commit.group);
  // The winner's commit is on its way: the change is made anew behind it.
  if (refusal.reason === "epoch_taken" && team !== undefined) {
    team.record.wait_for_epoch = Math.max(team.record.wait_for_epoch, commit.epoch + 1);
    team.dirty = true;
    return;
  }
  if (team?.record.state === "founding") await undoFounding(turn, team);
  if (op !== undefined) await fail(turn, op, refusal.reason, refusal.username);
}

/** A group that was not founded leaves nothing behind. */
export async function undoFounding(turn: Turn, { record }: Team): Promise<void> {
  turn.cache.teams.delete(record.id);
  await remove(turn.tx, "team-group/", record.id);
  await remove(turn.tx, "team/", record.key);
  await deleteState(turn.tx, record.id);
}
