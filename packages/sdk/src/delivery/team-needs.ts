/** What changes of teams need of the relay before they can be made: key packages of those whom they add, and that it tells others what we want. */
import { verifyCertificate } from "../crypto/identity.ts";
import { certifiedBy } from "../crypto/team/roster.ts";
import { addLinkOp, endOp, signPlace, signWord } from "../conversation/team-ops.ts";
import { hearLapsed, lose } from "../conversation/team-stuck.ts";
import { hasReadAll } from "../conversation/team-watch.ts";
import { teamByKey } from "../conversation/teams.ts";
import { meet } from "../trust/contacts.ts";
import { type Group, GroupError } from "../crypto/mls/seam.ts";
import {
  fromBase64,
  isBase64,
  lengthPrefixed,
  type RelayFrameData,
  splitLengthPrefixed,
  toBase64,
  usernameKey,
} from "../protocol/index.ts";
import { get, list, pad, put, remove } from "../records/records.ts";
import type { OpRecord } from "../records/team-records.ts";
import { type Team, teamOf } from "../turn/groups.ts";
import type { Turn } from "../turn/turn.ts";
import { isTemporary } from "../wire/connection.ts";
import type { Answered, Flight } from "./flight.ts";
import { IN_USE_MS, isInUse } from "./packages.ts";
import { LATEST } from "./sending.ts";

type Keys = RelayFrameData<"keys">;

/** The number of no change: our question which teams we are in. */
const OWN_TEAMS = 0;
/** The device that has asked it. */
const ASKED = "meta/teams-asked";

/** A request that a change needs an answer to. */
export type Need = { op: number } & (
  | { type: "claim_keys"; names: string[] }
  | { type: "leave" | "rejoin"; group_id: string; statement: string }
  | { type: "groups" }
);

/** What the relay has said to it. */
export interface ChangeAnswer {
  op: number;
  answer: Answered<RelayFrameData<"key_list"> | RelayFrameData<"group_list"> | RelayFrameData<"ack">>;
}

/** By which a change is known among what waits for better times. */
export function pauseOf(op: number): string {
  return `op/${op}`;
}

/** Whether a commit can be made now. */
export function isReady(turn: Turn, { record }: Team): boolean {
  return record.state === "open" && !turn.cache.commits.has(record.id) && record.epoch >= record.wait_for_epoch;
}

/** Whether the commit of a change has left. */
export function isUnderWay(turn: Turn, { seq }: OpRecord): boolean {
  return [...turn.cache.commits.values()].some(({ op }) => op === seq);
}

export function needsKeys({ kind }: OpRecord): boolean {
  return kind === "create" || kind === "add" || kind === "readmit";
}

/** What the changes that wait need now. */
export async function needsOf(turn: Turn, flight: Flight): Promise<Need[]> {
  const needs: Need[] = [];
  const served = new Set<string>();
  if (!flight.isPaused(pauseOf(OWN_TEAMS), turn.ticks) && (await asksForOwn(turn))) {
    const open = (await list(turn.tx, "team-group/")).filter(({ state }) => state === "open");
    turn.cache.asked = new Map(open.map(({ id, epoch }) => [id, epoch]));
    needs.push({ op: OWN_TEAMS, type: "groups" });
  }
  for (const op of await list(turn.tx, "op/")) {
    if (flight.isPaused(pauseOf(op.seq), turn.ticks)) continue;
    if (op.kind === "refound") {
      // Among what has not been read yet there may be a Welcome.
      const isFree = hasReadAll(turn) && op.keys_kept !== true && !isUnderWay(turn, op);
      if (isFree) needs.push({ op: op.seq, type: "claim_keys", names: op.names });
    } else if (op.kind === "leave" || op.kind === "rejoin") needs.push(await wish(turn, op, op.kind));
    else if (needsKeys(op) && op.keys_kept !== true && !served.has(op.key)) {
      const team = await teamByKey(turn, op.key);
      // One that is being founded has them; of others one change is made after another.
      if (op.kind === "create" ? team !== undefined : team === undefined || !isReady(turn, team.team)) continue;
      needs.push({ op: op.seq, type: "claim_keys", names: op.names });
      served.add(op.key);
    }
  }
  return needs;
}

/** By which the relay's answer would be another one: our device, and its log, which is anew where it was restored. */
function asker({ account }: Turn): string {
  return `${account.device.id} ${account.relay.log_id ?? ""}`;
}

/** Whether the relay is to be asked which teams we are in: by a new device, or by one that is in some and does not know this log. */
async function asksForOwn(turn: Turn): Promise<boolean> {
  if (!hasReadAll(turn)) return false;
  const { counter } = turn.account.device;
  const isIn = counter > 1 || (await turn.tx.list({ prefix: "team-group/", limit: 1 })).length > 0;
  return isIn && (await turn.tx.get(ASKED)) !== asker(turn);
}

/**
 * A device that has taken another one's place asks to be taken in again by the teams of that. Where the relay knows a team no more, or an epoch
 * that we have left, it has lost that.
 */
export async function hearOwnTeams(turn: Turn, flight: Flight, answers: ChangeAnswer[]): Promise<void> {
  const answer = answers.find(({ op }) => op === OWN_TEAMS)?.answer;
  if (answer === undefined) return;
  if ("refusal" in answer && isTemporary(answer.refusal))
    return flight.backOff(pauseOf(OWN_TEAMS), turn.ticks, answer.refusal.retry_after_ms);
  await turn.tx.put(ASKED, asker(turn));
  const groups = "ok" in answer && "groups" in answer.ok ? answer.ok.groups : [];
  for (const { group_id: group, device, lapsed, leaves } of groups) {
    // What was founded anew elsewhere is only read.
    if (leaves === true || (await get(turn.tx, "team-group/", group))?.state === "replaced") continue;
    if (device !== turn.account.device.id) await addLinkOp(turn, { kind: "rejoin", key: "", group, names: [] });
    else if (lapsed) await hearLapsed(turn, group);
  }
  if (!("ok" in answer)) return;
  for (const { id, key, state, leaf } of await list(turn.tx, "team-group/")) {
    // Whoever is no member any more hears it when it asks.
    if (state === "stuck" && leaf === undefined) await addLinkOp(turn, { kind: "rejoin", key, group: id, names: [] });
    const team = state === "open" ? await teamOf(turn, id) : undefined;
    const there = groups.find(({ group_id }) => group_id === id);
    // Of what has begun since it was asked the relay may not have known yet.
    if (team !== undefined && (there?.epoch ?? -1) < (turn.cache.asked.get(id) ?? -1)) await lose(turn, team);
  }
}

/** What we sign so that another member may commit it. */
async function wish(
  turn: Turn,
  { seq, group = "", statement = "" }: OpRecord,
  kind: "leave" | "rejoin",
): Promise<Need> {
  const team = await teamOf(turn, group);
  const signed: Uint8Array[] = isBase64(statement) ? (splitLengthPrefixed(fromBase64(statement)) ?? []) : [];
  // A new device does not know the leaf of the one before it, and needs no word of its own to take its place.
  for (const state of team === undefined ? [] : [team.group, await stateToCome(turn, group)])
    if (state !== undefined) signed.push(...(await signWord(turn, kind, state)));
  const lost = team === undefined ? await get(turn.tx, "team-group/", group) : undefined;
  if (lost?.leaf !== undefined && lost.state === "stuck")
    signed.push(await signPlace(turn, kind, { group, epoch: lost.epoch, leaf: fromBase64(lost.leaf) }));
  return { op: seq, type: kind, group_id: group, statement: toBase64(lengthPrefixed(...signed)) };
}

/** The state of a group after a commit of ours that is under way. */
async function stateToCome(turn: Turn, group: string): Promise<Group | undefined> {
  const next = await turn.tx.get(`next/${group}`);
  return next === undefined ? undefined : turn.crypto.decode(next as Uint8Array);
}

/** What the relay has given of those whom a change adds. Undefined: not yet, or it has failed. */
export async function claimedFor(
  turn: Turn,
  flight: Flight,
  op: OpRecord,
  answer: ChangeAnswer["answer"] | undefined,
): Promise<RelayFrameData<"key_list"> | undefined> {
  if (answer === undefined) return undefined;
  if ("refusal" in answer) {
    if (isTemporary(answer.refusal)) flight.backOff(pauseOf(op.seq), turn.ticks, answer.refusal.retry_after_ms);
    else await fail(turn, op, answer.refusal.reason);
    return undefined;
  }
  return "keys" in answer.ok ? answer.ok : undefined;
}

/** Whether what was claimed can be used now: all of it was given, and none of it opens another group at the moment. */
export function isUsable(
  turn: Turn,
  flight: Flight,
  op: OpRecord,
  { keys, refused }: RelayFrameData<"key_list">,
): boolean {
  const isLater = refused.some(({ reason }) => reason === "rate_limited");
  const isUsed = keys.some((key) => isInUse(turn, flight, key));
  if (isLater) flight.backOff(pauseOf(op.seq), turn.ticks);
  else if (isUsed) flight.pause(pauseOf(op.seq), turn.ticks + IN_USE_MS);
  return !isLater && !isUsed;
}

/** The key packages of those whom a change adds, all of them trusted: nobody is left out without a word. Undefined: not yet, or it has failed. */
export async function takeKeys(
  turn: Turn,
  flight: Flight,
  op: OpRecord,
  answer: ChangeAnswer["answer"] | undefined,
): Promise<Keys[] | undefined> {
  if (op.keys_kept === true) return keptKeys(turn, flight, op);
  const claimed = await claimedFor(turn, flight, op, answer);
  if (claimed === undefined) return undefined;
  const { keys, refused } = claimed;
  const never = refused.find(({ reason }) => reason !== "rate_limited");
  if (never !== undefined) {
    await fail(turn, op, never.reason, usernameKey(never.username));
    return undefined;
  }
  if (!isUsable(turn, flight, op, claimed)) return undefined;
  for (const key of keys) {
    const reason = await objectionTo(turn, key);
    if (reason === undefined) continue;
    await fail(turn, op, reason, usernameKey(key.username));
    return undefined;
  }
  if (keys.length === op.names.length) return keys;
  // The relay has forgotten somebody, which it may think of yet.
  flight.backOff(pauseOf(op.seq), turn.ticks);
  return undefined;
}

/** The key packages that wait with a change. Where another group has been opened by one of them since, all are claimed anew. */
export async function keptKeys(turn: Turn, flight: Flight, op: OpRecord): Promise<Keys[] | undefined> {
  const keys = (await get(turn.tx, "op-keys/", pad(op.seq)))?.keys ?? [];
  if (!keys.some((key) => isInUse(turn, flight, key))) return keys;
  const { keys_kept: _kept, ...rest } = op;
  await remove(turn.tx, "op-keys/", pad(op.seq));
  await put(turn.tx, "op/", pad(op.seq), rest);
  turn.cache.between.forget(`op/${pad(op.seq)}`);
  flight.pause(pauseOf(op.seq), turn.ticks + IN_USE_MS);
  return undefined;
}

/** Why a key package is not taken: it is not right, or its owner is not who was pinned under that name. */
export async function objectionTo(turn: Turn, key: Keys): Promise<string | undefined> {
  const name = usernameKey(key.username);
  const certificate = await verifyCertificate(turn.crypto, fromBase64(key.device.certificate));
  if (certificate?.username !== name || toBase64(certificate.identityKey) !== key.identity_key)
    return "bad_key_package";
  const trust = await meet(turn, certificate, "relay");
  if (trust !== "trusted") return trust;
  const leaf = await certifiedBy(turn.teams.keyPackageLeaf(fromBase64(key.key_package)).certificate);
  return leaf?.name === name && leaf.device === key.device.id ? undefined : "bad_key_package";
}

/** Ends a change that cannot be made. */
export async function fail(turn: Turn, op: OpRecord, reason: string, who?: string): Promise<void> {
  await endOp(turn, op.seq, { reason, ...(who === undefined ? {} : { who }) });
}

/** What was computed for a change between two turns; what is quick, now. Undefined: not yet, or it cannot be, and has failed. */
export async function computed<T>(
  turn: Turn,
  op: OpRecord,
  { of, run, isLater }: { of: string; run: () => Promise<T>; isLater: boolean },
): Promise<T | undefined> {
  const { between } = turn.cache;
  const at = `op/${pad(op.seq)}`;
  if (isLater && !between.isThere({ at, of, run })) return undefined;
  // New keys may be due in all teams at once; what anybody wants of a team is made in any case.
  if (op.kind === "update" && !isLater && !turn.mayGoOn(LATEST)) return undefined;
  const take = async (): Promise<T | undefined> => between.get(at, of) as T | undefined;
  const made = await (isLater ? take() : run()).catch(asFailure(turn, op));
  between.forget(at);
  return made;
}

/** What cannot be, or is against the rules, ends the change. */
export function asFailure(turn: Turn, op: OpRecord): (error: unknown) => Promise<undefined> {
  return async (error) => {
    if (!(error instanceof GroupError)) throw error;
    await fail(turn, op, error.message);
    return undefined;
  };
}
