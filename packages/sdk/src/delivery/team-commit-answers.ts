/** The relay's answers to commits of teams. */
import { waitForEpoch } from "../conversation/awaiting.ts";
import { admitFounding } from "../conversation/team-admitted.ts";
import { undoFounding } from "../conversation/team-end.ts";
import { lose } from "../conversation/team-stuck.ts";
import { randomId, usernameKey } from "../protocol/index.ts";
import type { CommitRecord, LargePart } from "../records/group-records.ts";
import { get, pad, put, remove } from "../records/records.ts";
import { teamOf } from "../turn/groups.ts";
import type { Turn } from "../turn/turn.ts";
import { isTemporary } from "../wire/connection.ts";
import type { CommitAnswer, Flight } from "./flight.ts";
import { fail } from "./team-needs.ts";

/** The relay's answer to a commit of a team. */
export async function applyChangeAnswer(
  turn: Turn,
  flight: Flight,
  commit: CommitRecord,
  answer: CommitAnswer,
): Promise<void> {
  if ("brought" in answer) {
    await turn.saveCommit({ ...commit, large: answer.brought });
    turn.after.push(() => flight.postCommit(commit.group));
    return;
  }
  const team = await teamOf(turn, commit.group);
  const op = commit.op === undefined ? undefined : await get(turn.tx, "op/", pad(commit.op));
  if ("ok" in answer) {
    flight.found(pauseOfCommit(commit.group));
    if (team?.record.state === "founding") await admitFounding(turn, team, commit);
    else await turn.saveCommit({ ...commit, high_water: answer.ok.high_water ?? turn.position });
    return;
  }
  const { refusal } = answer;
  const isGone = refusal.reason === "unknown_blob" && commit.large !== undefined;
  if (isTemporary(refusal) || isGone) {
    flight.commitsToRepeat.add(commit.group);
    flight.backOff(pauseOfCommit(commit.group), turn.ticks, refusal.retry_after_ms);
    // What lay there too long is brought again.
    if (isGone) await turn.saveCommit({ ...commit, large: commit.large?.map(anew) ?? [] });
    return;
  }
  await turn.removeCommit(commit.group);
  // The winner's commit is on its way: the change is made anew behind it.
  if (refusal.reason === "epoch_taken" && team !== undefined) {
    waitForEpoch(turn, team.record, commit.epoch + 1);
    team.dirty = true;
    return;
  }
  // The change is made where the team is founded anew.
  if (team?.record.state === "open" && ["unknown_group", "stale_epoch"].includes(refusal.reason))
    return lose(turn, team);
  if (team?.record.state === "founding") await undoFounding(turn, team);
  const { username } = refusal;
  const left = op?.names.filter((name) => name !== usernameKey(username ?? "")) ?? [];
  // It is founded without whoever cannot be added.
  if (op?.kind === "refound" && left.length > 0 && left.length < op.names.length) {
    const { keys_kept: _kept, ...rest } = op;
    await remove(turn.tx, "op-keys/", pad(op.seq));
    return put(turn.tx, "op/", pad(op.seq), { ...rest, names: left });
  }
  if (op !== undefined) await fail(turn, op, refusal.reason, refusal.username);
}

/** By which the commit of a group is known among what waits for better times. */
export function pauseOfCommit(group: string): string {
  return `commit/${group}`;
}

function anew({ field, bytes, token }: LargePart): LargePart {
  return { field, bytes, token, request_id: randomId() };
}
