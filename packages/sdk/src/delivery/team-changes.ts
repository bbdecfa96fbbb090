/** Changes of teams: founding them, who is in them, what they are called. */
import { GroupError } from "../crypto/mls/seam.ts";
import type { Change } from "../crypto/mls/team-seam.ts";
import { commitChange } from "../crypto/team/changes.ts";
import { certifiedBy, type TeamMember } from "../crypto/team/roster.ts";
import { holdsFor, leafDigest, readStatement } from "../crypto/team/statements.ts";
import { encodeSettings, type TeamSettings } from "../crypto/team/settings.ts";
import { rosterIn, settingsIn, teamByKey } from "../conversation/teams.ts";
import {
  fromBase64,
  isBase64,
  splitLengthPrefixed,
  randomId,
  type RelayFrameData,
  usernameKey,
} from "../protocol/index.ts";
import { get, list, pad } from "../records/records.ts";
import { retire } from "../conversation/team-end.ts";
import { endOp } from "../conversation/team-ops.ts";
import { isOfLink } from "../records/team-changes.ts";
import { use } from "./packages.ts";
import { foundNew } from "./team-foundings.ts";
import { deviceOf, keyPackage, MOST_ADDED, nextOf, postTeamCommit, takesLong } from "./team-frames.ts";
import { asFailure, type ChangeAnswer, computed, fail, isReady, needsKeys, pauseOf, takeKeys } from "./team-needs.ts";
import type { OpRecord } from "../records/team-records.ts";
import { type Team, teamMember, teamOf } from "../turn/groups.ts";
import type { Turn } from "../turn/turn.ts";
import { isTemporary } from "../wire/connection.ts";
import type { Flight } from "./flight.ts";

type Keys = RelayFrameData<"keys">;

/** Until a wish to be taken in again that nobody has fulfilled is told once more. Milliseconds. */
const ASK_AGAIN_MS = 660_000;

/** Makes the commits of changes that wait: one for each team at a time, since two of one epoch would be encrypted under one key. */
export async function makeChanges(turn: Turn, flight: Flight, answers: ChangeAnswer[]): Promise<void> {
  for (const op of await list(turn.tx, "op/")) {
    if (op.kind === "refound") continue;
    const answer = answers.find((one) => one.op === op.seq)?.answer;
    await turn.on(`op/${pad(op.seq)}`, () => {
      if (op.kind === "create") return foundNew(turn, flight, op, answer);
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
  const { group = "" } = op;
  const record = (await teamOf(turn, group))?.record ?? (await get(turn.tx, "team-group/", group));
  const isOut = refusal?.reason === "not_a_member" || (op.kind === "leave" && refusal?.reason === "unknown_group");
  // Whoever cannot follow has no other way: it asks until it is in again, or out.
  if (op.kind === "rejoin" && !isOut && (refusal === undefined || record?.state === "stuck"))
    return flight.pause(pauseOf(op.seq), turn.ticks + ASK_AGAIN_MS);
  // Whoever is no member any more needs to ask for nothing.
  if (refusal !== undefined && !isOut) return fail(turn, op, refusal.reason);
  if (record !== undefined && record.state !== "closed") await retire(turn, record);
  return endOp(turn, op.seq);
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
  const all = needsKeys(op) ? await takeKeys(turn, flight, op, keys) : [];
  if (all === undefined) return;
  const members = (await rosterIn(turn, team)).length;
  const room = { most: MOST_ADDED, settings: encodeSettings(settingsIn(turn, team)).length, members };
  const packages = await nextOf(turn, op, all, room);
  const ordered = { commitId: randomId(), now: turn.relayNow };
  const { group } = team;
  const asked = await changeOf(turn, team, op, packages).catch(asFailure(turn, op));
  if (asked === undefined) return;
  const run = async () => {
    const { what, gone: removed, statements } = asked;
    return { ...(await commitChange(turn.teams, group, what, { ...ordered, statements })), ...ordered, removed };
  };
  // It holds as long as the epoch does: messages move nothing that it stands on.
  const of = `${record.id}/${record.epoch}`;
  const made = await computed(turn, op, { of, run, isLater: takesLong(members + packages.length) });
  if (made === undefined) return;
  const { commitId, removed } = made;
  await turn.tx.put(`next/${record.id}`, turn.crypto.encode(made.pending));
  const added = packages.map(deviceOf);
  await postTeamCommit(turn, flight, {
    data: {
      commit_id: commitId,
      group_id: record.id,
      epoch: record.epoch,
      team: true,
      ...(removed.length > 0 ? { remove: removed } : {}),
      ...(made.invitation === undefined ? {} : { add: added }),
    },
    made: { commit: made.commit, invitation: made.invitation, added },
    op,
  });
  use(flight, record.id, packages);
}

async function changeOf(turn: Turn, team: Team, op: OpRecord, packages: Keys[]): Promise<Made> {
  const { kind, names, name, about } = op;
  const settings = settingsIn(turn, team);
  const { admins } = settings;
  const own = usernameKey(turn.account.identity.username);
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
      // Whoever was made an admin while it left is demoted first; what it has said waits at the relay for the next commit.
      if (kind === "release" && isAdmin(settings, own) && gone.some((member) => isAdmin(settings, member.name)))
        return changed({ ...settings, admins: admins.filter((admin) => !names.includes(admin)) });
      // A newer device of the same agent may take its place without a word.
      const needsWord = kind === "release" || (kind === "readmit" && !(await isNewer(turn, packages, gone)));
      const words = needsWord ? await wordOf(turn, team, op, gone) : [];
      if (kind === "readmit" && needsWord && words.length === 0 && !(await mayBeUnseen(turn, team, gone)))
        throw new GroupError("bad_statement");
      return {
        what: {
          remove: gone.map(({ leaf }) => leaf),
          ...(kind === "readmit" ? { add: packages.map(keyPackage) } : {}),
        },
        gone: gone.map((member) => ({ username: member.name, device: member.device })),
        statements: words,
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

function isAdmin({ admins }: TeamSettings, name: string): boolean {
  return admins.includes(name);
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

/** The statement that holds now, of those that a member has signed. One is enough, and more than are needed are forbidden. */
async function wordOf(
  turn: Turn,
  { group, record }: Team,
  { kind, statement: said = "" }: OpRecord,
  [member]: TeamMember[],
): Promise<Uint8Array[]> {
  const node = member && turn.teams.leafNode(group, member.leaf);
  if (member === undefined || node === undefined) return [];
  const place = { group: record.id, epoch: record.epoch, leaf: await leafDigest(node) };
  const statements = isBase64(said) ? (splitLengthPrefixed(fromBase64(said)) ?? []) : [];
  const holds = (bytes: Uint8Array): boolean => {
    const statement = readStatement(bytes);
    return statement !== undefined && holdsFor(statement, kind === "release" ? "leave" : "rejoin", member, place);
  };
  return statements.filter(holds).slice(0, 1);
}

/**
 * Whether nothing has ever come from a member: its Welcome may have been lost, so that it has no leaf to speak of. An admin may put it in its own
 * place anew without a word; for others the rules forbid it.
 */
async function mayBeUnseen(turn: Turn, team: Team, [member]: TeamMember[]): Promise<boolean> {
  if (member === undefined) return false;
  const { receive_counter: received, direct_in: direct } = await teamMember(turn, team, member.name);
  return received === 0 && direct === 0;
}

async function isNewer(turn: Turn, [keys]: Keys[], [member]: TeamMember[]): Promise<boolean> {
  const leaf = keys && (await certifiedBy(turn.teams.keyPackageLeaf(keyPackage(keys)).certificate));
  return leaf !== undefined && member !== undefined && leaf.counter > member.counter;
}
