/** Changes of teams that the owner wants: founding them, who is in them, what they are called. */
import { GroupError } from "../crypto/mls/seam.ts";
import { groupIdOf } from "../crypto/mls/state.ts";
import type { Change, OwnCommit } from "../crypto/mls/team-seam.ts";
import { commitChange } from "../crypto/team/changes.ts";
import { certified, certifiedBy } from "../crypto/team/roster.ts";
import { encodeSettings, type TeamSettings } from "../crypto/team/settings.ts";
import { learn, newTeamGroup, rosterIn, settingsIn, teamByKey } from "../conversation/teams.ts";
import { verifyCertificate } from "../crypto/identity.ts";
import { meet } from "../trust/contacts.ts";
import { fromBase64, fromHex, randomId, type RelayFrameData, toBase64, usernameKey } from "../protocol/index.ts";
import { deleteState } from "../records/group-state.ts";
import { get, list, pad, remove } from "../records/records.ts";
import { endOp } from "../conversation/team-commits.ts";
import type { OpRecord } from "../records/team-records.ts";
import type { CommitRecord } from "../records/group-records.ts";
import { addTeam, type Team, teamOf } from "../turn/teams.ts";
import type { Turn } from "../turn/turn.ts";
import { isTemporary, type Refusal } from "../wire/connection.ts";
import type { Answered, CommitData, Flight } from "./flight.ts";

/** What the relay has handed out for the members that a change adds. */
export interface ClaimedFor {
  op: number;
  answer: Answered<RelayFrameData<"key_list">>;
}

export interface WantedKeys {
  op: number;
  names: string[];
}

type Keys = RelayFrameData<"keys">;

/** By which a change is known among what waits for better times. */
function pauseOf(op: number): string {
  return `op/${op}`;
}

/** Whether a commit can be made now. */
function isReady(turn: Turn, { record }: Team): boolean {
  return record.state === "open" && !turn.cache.commits.has(record.id) && record.epoch >= record.wait_for_epoch;
}

/** Whose key packages are needed for changes that wait. */
export async function wantedKeys(turn: Turn, flight: Flight): Promise<WantedKeys[]> {
  const wanted: WantedKeys[] = [];
  for (const { seq, kind, key, names } of await list(turn.tx, "op/")) {
    if ((kind !== "create" && kind !== "add") || flight.isPaused(pauseOf(seq), turn.ticks)) continue;
    const team = await teamByKey(turn, key);
    // One that is being founded has them; of others one change is made after another.
    if (kind === "create" ? team === undefined : team !== undefined && isReady(turn, team.team))
      wanted.push({ op: seq, names });
  }
  return wanted;
}

/** Makes the commits of changes that wait: one for each team at a time, since two of one epoch would be encrypted under one key. */
export async function makeChanges(turn: Turn, flight: Flight, claimed: ClaimedFor[]): Promise<void> {
  for (const op of await list(turn.tx, "op/")) {
    const keys = claimed.find((one) => one.op === op.seq)?.answer;
    await turn.on(`op/${pad(op.seq)}`, () =>
      op.kind === "create" ? found(turn, flight, op, keys) : change(turn, flight, op, keys),
    );
  }
}

async function found(turn: Turn, flight: Flight, op: OpRecord, keys: ClaimedFor["answer"] | undefined): Promise<void> {
  if ((await turn.tx.get(`team/${op.key}`)) !== undefined) return;
  const packages = await takeKeys(turn, flight, op, keys);
  if (packages === undefined) return;
  const { identity, device } = turn.account;
  const settings: TeamSettings = {
    key: fromHex(op.key),
    name: op.name ?? "",
    about: op.about ?? "",
    foundedAt: turn.relayNow,
    admins: [usernameKey(identity.username)],
    replaces: "",
  };
  let made: Awaited<ReturnType<Turn["teams"]["found"]>>;
  try {
    made = await turn.teams.found({
      groupId: globalThis.crypto.getRandomValues(new Uint8Array(32)),
      leaf: device,
      settings: encodeSettings(settings),
      members: packages.map(({ key_package }) => fromBase64(key_package)),
      now: turn.relayNow,
      authenticate: certified(turn.teams.primitives),
    });
  } catch (error) {
    if (!(error instanceof GroupError)) throw error;
    return fail(turn, op, error.message);
  }
  const id = groupIdOf(made.group);
  const team = addTeam(turn, newTeamGroup(turn, { id, key: op.key, epoch: 2, state: "founding" }), made.group);
  await learn(turn, team, { state: "founding" });
  const others = packages.map(deviceOf);
  await send(turn, flight, op, {
    commit_id: randomId(),
    group_id: id,
    epoch: 1,
    team: true,
    members: [{ username: usernameKey(identity.username), device: device.id }, ...others],
    ...invitationOf(made.invitation, others),
  });
}

async function change(turn: Turn, flight: Flight, op: OpRecord, keys: ClaimedFor["answer"] | undefined): Promise<void> {
  const found = await teamByKey(turn, op.key);
  if (found === undefined || found.row.state !== "active") return fail(turn, op, "not_a_member");
  const { team } = found;
  const { record } = team;
  if (!isReady(turn, team)) return;
  const packages = op.kind === "add" ? await takeKeys(turn, flight, op, keys) : [];
  if (packages === undefined) return;
  const commitId = randomId();
  let made: OwnCommit;
  let removed: { username: string; device: string }[];
  try {
    const { what, gone } = await changeOf(turn, team, op, packages);
    removed = gone;
    made = await commitChange(turn.teams, team.group, what, { commitId, now: turn.relayNow });
  } catch (error) {
    if (!(error instanceof GroupError)) throw error;
    return fail(turn, op, error.message);
  }
  await turn.tx.put(`next/${record.id}`, turn.crypto.encode(made.pending));
  const others = packages.map(deviceOf);
  await send(turn, flight, op, {
    commit_id: commitId,
    group_id: record.id,
    epoch: record.epoch,
    team: true,
    body: toBase64(made.commit),
    ...(removed.length > 0 ? { remove: removed } : {}),
    ...(made.invitation === undefined ? {} : { add: others, ...invitationOf(made.invitation, others) }),
  });
}

async function changeOf(
  turn: Turn,
  team: Team,
  { kind, names, name, about }: OpRecord,
  packages: Keys[],
): Promise<{ what: Change; gone: { username: string; device: string }[] }> {
  const settings = settingsIn(turn, team);
  const { admins } = settings;
  switch (kind) {
    case "add":
      return { what: { add: packages.map(({ key_package }) => fromBase64(key_package)) }, gone: [] };
    case "remove": {
      const roster = await rosterIn(turn, team);
      const leaving = names.map((one) => roster.find((member) => member.name === one));
      const gone = leaving.map((member) => {
        if (member === undefined) throw new GroupError("unknown_leaf");
        return { username: member.name, device: member.device, leaf: member.leaf };
      });
      return {
        what: { remove: gone.map(({ leaf }) => leaf) },
        gone: gone.map(({ username, device }) => ({ username, device })),
      };
    }
    case "promote":
      return changed({ ...settings, admins: [...new Set([...admins, ...names])] });
    case "demote":
      return changed({ ...settings, admins: admins.filter((admin) => !names.includes(admin)) });
    default:
      return changed({ ...settings, name: name ?? settings.name, about: about ?? settings.about });
  }
}

function changed(settings: TeamSettings): { what: Change; gone: never[] } {
  return { what: { settings: encodeSettings(settings) }, gone: [] };
}

/** The key packages of those whom a change adds, all of them trusted. Undefined: not yet, or it has failed. */
async function takeKeys(
  turn: Turn,
  flight: Flight,
  op: OpRecord,
  answer: ClaimedFor["answer"] | undefined,
): Promise<Keys[] | undefined> {
  if (answer === undefined) return undefined;
  if ("refusal" in answer) {
    if (isTemporary(answer.refusal)) flight.backOff(pauseOf(op.seq), turn.ticks, answer.refusal.retry_after_ms);
    else await fail(turn, op, answer.refusal.reason);
    return undefined;
  }
  const { keys, refused } = answer.ok;
  const [first] = refused;
  if (first !== undefined) {
    // Nobody is left out without a word: all are added, or none.
    if (first.reason === "rate_limited") flight.backOff(pauseOf(op.seq), turn.ticks);
    else await fail(turn, op, first.reason, usernameKey(first.username));
    return undefined;
  }
  for (const key of keys) {
    const certificate = await verifyCertificate(turn.crypto, fromBase64(key.device.certificate));
    const name = usernameKey(key.username);
    if (certificate?.username !== name || toBase64(certificate.identityKey) !== key.identity_key)
      return void (await fail(turn, op, "bad_key_package", name));
    const trust = await meet(turn, certificate, "relay");
    if (trust !== "trusted") return void (await fail(turn, op, trust, name));
    const leaf = await certifiedBy(turn.teams.keyPackageLeaf(fromBase64(key.key_package)).certificate);
    if (leaf?.name !== name || leaf.device !== key.device.id)
      return void (await fail(turn, op, "bad_key_package", name));
  }
  if (keys.length === op.names.length) return keys;
  // The relay has forgotten somebody, which it may think of yet.
  flight.backOff(pauseOf(op.seq), turn.ticks);
  return undefined;
}

async function send(turn: Turn, flight: Flight, op: OpRecord, frame: CommitData): Promise<void> {
  await turn.saveCommit({
    group: frame.group_id,
    commit_id: frame.commit_id,
    kind: "team",
    epoch: frame.epoch,
    frame: JSON.stringify(frame),
    rows: [],
    op: op.seq,
    created_at: turn.now,
  });
  turn.after.push(() => flight.postCommit(frame.group_id));
}

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

async function undoFounding(turn: Turn, { record }: Team): Promise<void> {
  turn.cache.teams.delete(record.id);
  await remove(turn.tx, "team-group/", record.id);
  await remove(turn.tx, "team/", record.key);
  await deleteState(turn.tx, record.id);
}

async function fail(turn: Turn, op: OpRecord, reason: Refusal["reason"], who?: string): Promise<void> {
  await endOp(turn, op.seq, { reason, ...(who === undefined ? {} : { who }) });
}

function deviceOf({ username, device }: Keys): { username: string; device: string } {
  return { username: usernameKey(username), device: device.id };
}

function invitationOf(
  { welcomes, tree }: NonNullable<OwnCommit["invitation"]>,
  others: { username: string; device: string }[],
): Pick<CommitData, "welcomes" | "tree"> {
  return {
    welcomes: welcomes.map(({ welcome }, at) => ({
      to: others[at]?.username ?? "",
      device: others[at]?.device ?? "",
      welcome: toBase64(welcome),
    })),
    tree: toBase64(tree),
  };
}
