/** Changes of teams that the link wants by itself. */
import { type RelayFrameData, usernameKey } from "../protocol/index.ts";
import { teamOf } from "../turn/teams.ts";
import { list, nextSeq, pad, put } from "../records/records.ts";
import type { OpRecord } from "../records/team-records.ts";
import type { Turn } from "../turn/turn.ts";

/** So many wait at most: the relay offers what we do not take to others. */
const MOST = 600;

export function isOfLink({ kind }: OpRecord): boolean {
  return kind === "release" || kind === "readmit" || kind === "rejoin" || kind === "update";
}

/** Adds one, unless it waits already. */
export async function addLinkOp(turn: Turn, op: Omit<OpRecord, "seq" | "at">): Promise<void> {
  const waiting = (await list(turn.tx, "op/")).filter(isOfLink);
  const isSame = ({ kind, group, names }: OpRecord) =>
    kind === op.kind && group === op.group && names.join() === op.names.join();
  if (waiting.length < MOST && !waiting.some(isSame)) await addOp(turn, op);
}

export async function addOp(turn: Turn, op: Omit<OpRecord, "seq" | "at">): Promise<void> {
  const seq = await nextSeq(turn.tx, "op");
  await put(turn.tx, "op/", pad(seq), { ...op, seq, at: turn.now });
}

/** Another member wants to leave, or to be taken in again: whoever hears of it commits it. Whether it may is asked of the rules. */
export async function hearStatement(turn: Turn, heard: RelayFrameData<"statement">): Promise<void> {
  const { group_id: group, kind, username, statement } = heard;
  const team = await teamOf(turn, group);
  const name = usernameKey(username);
  if (team?.record.state !== "open" || name === usernameKey(turn.account.identity.username)) return;
  const { key } = team.record;
  await addLinkOp(turn, { kind: kind === "leave" ? "release" : "readmit", key, group, names: [name], statement });
}

/** Our wish to be taken in again by a group, if we have one. */
export async function rejoinOf(turn: Turn, group: string): Promise<OpRecord | undefined> {
  return (await list(turn.tx, "op/")).find((op) => op.kind === "rejoin" && op.group === group);
}
