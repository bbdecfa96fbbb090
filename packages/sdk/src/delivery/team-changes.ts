/** Changes of teams: founding them, who is in them, what they are called. */
import { GroupError } from "../crypto/mls/seam.ts";
import { groupIdOf } from "../crypto/mls/state.ts";
import type { Change, OwnCommit } from "../crypto/mls/team-seam.ts";
import { commitChange, foundTeam } from "../crypto/team/changes.ts";
import { certifiedBy, type TeamMember } from "../crypto/team/roster.ts";
import { leafDigest, readStatement } from "../crypto/team/statements.ts";
import { encodeSettings, type TeamSettings } from "../crypto/team/settings.ts";
import { learn, newTeamGroup, rosterIn, settingsIn, teamByKey } from "../conversation/teams.ts";
import {
  equal,
  fromBase64,
  isBase64,
  splitLengthPrefixed,
  randomId,
  type RelayFrameData,
  toBase64,
  usernameKey,
} from "../protocol/index.ts";
import { list, pad } from "../records/records.ts";
import { endOp, retire } from "../conversation/team-commits.ts";
import { isOfLink } from "../conversation/team-ops.ts";
import { use } from "./packages.ts";
import { undoFounding } from "./team-commit-answers.ts";
import { type ChangeAnswer, fail, isReady, needsKeys, pauseOf, takeKeys } from "./team-needs.ts";
import type { OpRecord } from "../records/team-records.ts";
import { addTeam, type Team, teamOf } from "../turn/teams.ts";
import type { Turn } from "../turn/turn.ts";
import { isTemporary } from "../wire/connection.ts";
import type { CommitData, Flight } from "./flight.ts";

type Keys = RelayFrameData<"keys">;

/** Characters of base64 of a commit or a tree that stand in a frame: 64 KiB. [P-6.10] */
const MOST_INLINE = 4 * Math.ceil((64 * 2 ** 10) / 3);
/** Until a wish to be taken in again that nobody has fulfilled is told once more. Milliseconds. */
const ASK_AGAIN_MS = 660_000;

/** Makes the commits of changes that wait: one for each team at a time, since two of one epoch would be encrypted under one key. */
export async function makeChanges(turn: Turn, flight: Flight, answers: ChangeAnswer[]): Promise<void> {
  for (const op of await list(turn.tx, "op/")) {
    const answer = answers.find((one) => one.op === op.seq)?.answer;
    await turn.on(`op/${pad(op.seq)}`, () => {
      if (op.kind === "create") return found(turn, flight, op, answer);
      return op.kind === "leave" || op.kind === "rejoin"
        ? heardOf(turn, flight, op, answer)
        : change(turn, flight, op, answer);
    });
  }
}

/** The relay tells the others, and we wait for what one of them does. */
async function heardOf(
  turn: Turn,
  flight: Flight,
  op: OpRecord,
  answer: ChangeAnswer["answer"] | undefined,
): Promise<void> {
  if (answer === undefined) return undefined;
  const refusal = "refusal" in answer ? answer.refusal : undefined;
  if (refusal !== undefined && isTemporary(refusal))
    return flight.backOff(pauseOf(op.seq), turn.ticks, refusal.retry_after_ms);
  if (op.kind === "rejoin" && refusal === undefined) return flight.pause(pauseOf(op.seq), turn.ticks + ASK_AGAIN_MS);
  // Whoever is no member any more needs to ask for nothing.
  if (refusal !== undefined && refusal.reason !== "not_a_member") return fail(turn, op, refusal.reason);
  const team = op.group === undefined ? undefined : await teamOf(turn, op.group);
  if (team !== undefined) await retire(turn, team);
  return endOp(turn, op.seq);
}

async function found(
  turn: Turn,
  flight: Flight,
  op: OpRecord,
  keys: ChangeAnswer["answer"] | undefined,
): Promise<void> {
  if ((await turn.tx.get(`team/${op.key}`)) !== undefined) return;
  const packages = await takeKeys(turn, flight, op, keys);
  if (packages === undefined) return;
  const { identity, device } = turn.account;
  const settings: TeamSettings = {
    key: keyOf(op),
    name: op.name ?? "",
    about: op.about ?? "",
    foundedAt: turn.relayNow,
    admins: [usernameKey(identity.username)],
    replaces: "",
  };
  let made: Awaited<ReturnType<typeof foundTeam>>;
  try {
    made = await foundTeam(turn.teams, settings, {
      groupId: globalThis.crypto.getRandomValues(new Uint8Array(32)),
      leaf: device,
      members: packages.map(keyPackage),
      now: turn.relayNow,
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
  if (turn.cache.commits.has(id)) use(flight, id, packages);
}

async function change(
  turn: Turn,
  flight: Flight,
  op: OpRecord,
  keys: ChangeAnswer["answer"] | undefined,
): Promise<void> {
  const found = await teamByKey(turn, op.key);
  // The group is followed before its owner has taken the invitation, but not changed.
  if (found === undefined || (found.row.state !== "active" && !isOfLink(op))) return fail(turn, op, "not_a_member");
  const { team } = found;
  const { record } = team;
  if (!isReady(turn, team)) return;
  const packages = needsKeys(op) ? await takeKeys(turn, flight, op, keys) : [];
  if (packages === undefined) return;
  const commitId = randomId();
  let made: OwnCommit;
  let removed: { username: string; device: string }[];
  try {
    const { what, gone, statements } = await changeOf(turn, team, op, packages);
    removed = gone;
    made = await commitChange(turn.teams, team.group, what, { commitId, statements, now: turn.relayNow });
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
  if (turn.cache.commits.has(record.id)) use(flight, record.id, packages);
}

async function changeOf(
  turn: Turn,
  team: Team,
  { kind, names, name, about, statement = "" }: OpRecord,
  packages: Keys[],
): Promise<Made> {
  const settings = settingsIn(turn, team);
  const { admins } = settings;
  switch (kind) {
    case "add":
      if ((await rosterIn(turn, team)).some((member) => names.includes(member.name)))
        throw new GroupError("name_twice");
      return { what: { add: packages.map(keyPackage) }, gone: [], statements: [] };
    case "remove":
    case "release":
    case "readmit": {
      const roster = await rosterIn(turn, team);
      const leaving = names.map((one) => roster.find((member) => member.name === one));
      const gone = leaving.map((member) => {
        if (member === undefined) throw new GroupError("unknown_leaf");
        return member;
      });
      // A newer device of the same agent may take its place without a word.
      const needsWord = kind === "release" || (kind === "readmit" && !(await isNewer(turn, packages, gone)));
      return {
        what: {
          remove: gone.map(({ leaf }) => leaf),
          ...(kind === "readmit" ? { add: packages.map(keyPackage) } : {}),
        },
        gone: gone.map((member) => ({ username: member.name, device: member.device })),
        statements: needsWord ? await wordOf(turn, team, statement, gone) : [],
      };
    }
    case "promote":
      return changed({ ...settings, admins: [...new Set([...admins, ...names])] });
    case "demote":
      return changed({ ...settings, admins: admins.filter((admin) => !names.includes(admin)) });
    case "update":
      return { what: {}, gone: [], statements: [] };
    default:
      return changed({ ...settings, name: name ?? settings.name, about: about ?? settings.about });
  }
}

/** The key of a team as its settings have it. */
function keyOf({ key }: OpRecord): Uint8Array {
  return Uint8Array.from(key.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16));
}

/** A change as it is committed, whom it removes, and what these have said. */
interface Made {
  what: Change;
  gone: { username: string; device: string }[];
  statements: Uint8Array[];
}

function changed(settings: TeamSettings): Made {
  return { what: { settings: encodeSettings(settings) }, gone: [], statements: [] };
}

function keyPackage({ key_package }: Keys): Uint8Array {
  return fromBase64(key_package);
}

/** The statement that speaks of a member's present leaf, of those that it has signed. */
async function wordOf(turn: Turn, { group }: Team, said: string, [member]: TeamMember[]): Promise<Uint8Array[]> {
  const node = member && turn.teams.leafNode(group, member.leaf);
  const digest = node && (await leafDigest(node));
  const statements = isBase64(said) ? (splitLengthPrefixed(fromBase64(said)) ?? []) : [];
  return statements.filter((bytes) => digest !== undefined && equal(readStatement(bytes)?.leaf ?? bytes, digest));
}

async function isNewer(turn: Turn, [keys]: Keys[], [member]: TeamMember[]): Promise<boolean> {
  const leaf = keys && (await certifiedBy(turn.teams.keyPackageLeaf(keyPackage(keys)).certificate));
  return leaf !== undefined && member !== undefined && leaf.counter > member.counter;
}

async function send(turn: Turn, flight: Flight, op: OpRecord, frame: CommitData): Promise<void> {
  const isTooLarge = [frame.body, frame.tree].some((part) => typeof part === "string" && part.length > MOST_INLINE);
  if (isTooLarge) {
    const team = turn.cache.teams.get(frame.group_id);
    await turn.tx.delete(`next/${frame.group_id}`);
    if (team?.record.state === "founding") await undoFounding(turn, team);
    return fail(turn, op, "group_too_large");
  }
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
