/** Changes of teams that the link wants by itself. */
import type { Group } from "../crypto/mls/seam.ts";
import { epochOf, groupIdOf } from "../crypto/mls/state.ts";
import { leafDigest, signStatement } from "../crypto/team/statements.ts";
import { type RelayFrameData, usernameKey } from "../protocol/index.ts";
import { rosterIn } from "./teams.ts";
import { type Team, teamOf } from "../turn/groups.ts";
import { isOfLink } from "../records/team-changes.ts";
import { get, list, nextSeq, pad, put, remove } from "../records/records.ts";
import type { OpEndRecord, OpRecord, TeamRecord } from "../records/team-records.ts";
import type { Turn } from "../turn/turn.ts";

/** So many wait at most: the relay offers what we do not take to others. */
const MOST = 600;

/** Adds one, unless it waits already. */
export async function addLinkOp(turn: Turn, op: Omit<OpRecord, "seq" | "at">): Promise<void> {
  const waiting = (await list(turn.tx, "op/")).filter(isOfLink);
  const isSame = ({ kind, group, names }: OpRecord) =>
    kind === op.kind && group === op.group && names.join() === op.names.join();
  if (waiting.length < MOST && !waiting.some(isSame)) await addOp(turn, op);
}

/** A change is made, or a part of it: whoever is left to be added is added next. */
export async function endOrGoOn(turn: Turn, team: Team | undefined, op: OpRecord): Promise<void> {
  const kept = op.keys_kept === true ? await get(turn.tx, "op-keys/", pad(op.seq)) : undefined;
  const there = new Set(team === undefined ? [] : (await rosterIn(turn, team)).map(({ name }) => name));
  // It was an admin still, and this has demoted it: now it can be let go.
  if (op.kind === "release" && op.names.some((name) => there.has(name))) return;
  const left = kept?.keys.filter(({ username }) => !there.has(usernameKey(username))) ?? [];
  if (team === undefined || left.length === 0) return endOp(turn, op.seq);
  await put(turn.tx, "op-keys/", pad(op.seq), { keys: left });
  const names = left.map(({ username }) => usernameKey(username));
  await put(turn.tx, "op/", pad(op.seq), { ...op, kind: "add", names, began: true });
}

/** A change is done, or has failed. */
export async function endOp(turn: Turn, op: number | undefined, why: Omit<OpEndRecord, "at"> = {}): Promise<void> {
  const record = op === undefined ? undefined : await get(turn.tx, "op/", pad(op));
  if (record === undefined) return;
  await remove(turn.tx, "op/", pad(record.seq));
  await remove(turn.tx, "op-keys/", pad(record.seq));
  // Nobody waits for what the link wants of itself.
  if (isOfLink(record)) return;
  const part = record.began === true && why.reason !== undefined ? { in_part: true as const } : {};
  await put(turn.tx, "op-end/", pad(record.seq), { at: turn.now, ...why, ...part });
}

export async function addOp(turn: Turn, op: Omit<OpRecord, "seq" | "at">): Promise<void> {
  const seq = await nextSeq(turn.tx, "op");
  await put(turn.tx, "op/", pad(seq), { ...op, seq, at: turn.now });
}

/** The agent is to leave a team by itself, unless it is leaving it already. */
export async function leaveByItself(turn: Turn, { key, group }: Pick<TeamRecord, "key" | "group">): Promise<void> {
  const isLeaving = (await list(turn.tx, "op/")).some((op) => op.kind === "leave" && op.key === key);
  if (!isLeaving) await addOp(turn, { kind: "leave", key, group, names: [] });
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

/** Our word to leave, or to be taken in again, for our leaf in the epoch of a group. */
export async function signWord(turn: Turn, kind: "leave" | "rejoin", group: Group): Promise<Uint8Array[]> {
  const node = turn.teams.leafNode(group, turn.teams.ownLeaf(group));
  if (node === undefined) return [];
  return [
    await signPlace(turn, kind, { group: groupIdOf(group), epoch: epochOf(group), leaf: await leafDigest(node) }),
  ];
}

/** The same where no more is known of a group than our place in it. */
export async function signPlace(
  turn: Turn,
  kind: "leave" | "rejoin",
  place: { group: string; epoch: number; leaf: Uint8Array },
): Promise<Uint8Array> {
  const { device, identity } = turn.account;
  const statement = { kind, name: usernameKey(identity.username), device: device.id, ...place };
  return signStatement(turn.teams.primitives, statement, device.privateKey);
}

/** Our wish to be taken in again by a group, if we have one. */
export async function rejoinOf(turn: Turn, group: string): Promise<OpRecord | undefined> {
  return (await list(turn.tx, "op/")).find((op) => op.kind === "rejoin" && op.group === group);
}
