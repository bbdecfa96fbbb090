/** Teams as the store has them, and what is learnt of them from their groups. */
import type { Group } from "../crypto/mls/seam.ts";
import type { LastKnown } from "../crypto/team/foundings.ts";
import { rosterOf, type TeamMember } from "../crypto/team/roster.ts";
import { decodeSettings, type TeamSettings } from "../crypto/team/settings.ts";
import { leafDigest } from "../crypto/team/statements.ts";
import { toBase64 } from "../protocol/index.ts";
import { get, put } from "../records/records.ts";
import { knownBy, type Whom } from "../records/rosters.ts";
import { aliasFor } from "../records/team-names.ts";
import type { TeamGroupRecord, TeamRecord } from "../records/team-records.ts";
import { type Team, teamOf } from "../turn/groups.ts";
import type { Turn } from "../turn/turn.ts";

const rosters = new WeakMap<Group, TeamMember[]>();
const whoms = new WeakMap<Group, Whom>();
/** A thousand of them are looked at for each message, and they are the same. */
const beginnings = new WeakMap<Uint8Array, string>();

/** The members of a team in its present epoch, ourselves among them. */
export async function rosterIn(turn: Turn, { group }: Pick<Team, "group">): Promise<TeamMember[]> {
  const known = rosters.get(group) ?? (await rosterOf(turn.teams.leaves(group)));
  rosters.set(group, known);
  return known;
}

/** The members of a team by name, and by which each is known again. */
export async function whomIn(turn: Turn, team: Pick<Team, "group">): Promise<Whom> {
  const known = whoms.get(team.group);
  if (known !== undefined) return known;
  const whom = new Map((await rosterIn(turn, team)).map((member) => [member.name, knownAs(member)]));
  whoms.set(team.group, whom);
  return whom;
}

function knownAs({ identityKey }: TeamMember): string {
  const known = beginnings.get(identityKey) ?? knownBy(toBase64(identityKey));
  beginnings.set(identityKey, known);
  return known;
}

/** By which a member of a group is known again; undefined: it is none, or nothing is known of the group. */
export async function knownIn(turn: Turn, group: string, name: string): Promise<string | undefined> {
  const team = await teamOf(turn, group);
  return team && (await whomIn(turn, team)).get(name);
}

export function settingsIn(turn: Turn, { group }: Pick<Team, "group">): TeamSettings {
  const settings = decodeSettings(turn.teams.settings(group));
  // Nobody joins or follows a group without.
  if (settings === undefined) throw new Error("a team without settings");
  return settings;
}

/** What is decided by where a team is founded anew: the last epoch of a group that we know. */
export async function lastKnown(turn: Turn, team: Pick<Team, "record" | "group">): Promise<LastKnown> {
  const accused = new Set(team.record.accused);
  return { settings: settingsIn(turn, team), roster: await rosterIn(turn, team), accused };
}

/** A team by its key, with the group that is sent in. */
export async function teamByKey(turn: Turn, key: string): Promise<{ row: TeamRecord; team: Team } | undefined> {
  const row = await get(turn.tx, "team/", key);
  const team = row === undefined ? undefined : await teamOf(turn, row.group);
  return row === undefined || team === undefined ? undefined : { row, team };
}

/** Writes down what a team is by its present epoch, for any process to read. */
export async function learn(turn: Turn, team: Team, more: Partial<TeamRecord> = {}): Promise<TeamRecord> {
  const { key } = team.record;
  const { name, about, foundedAt, admins } = settingsIn(turn, team);
  const before = await get(turn.tx, "team/", key);
  const whom = await whomIn(turn, team);
  await noteLeaf(turn, team);
  const row: TeamRecord = {
    since: turn.now,
    state: "active",
    ...before,
    key,
    name,
    about,
    founded_at: foundedAt,
    admins: [...admins],
    members: [...whom.keys()],
    group: team.record.id,
    ...more,
  };
  // What it was called before it was over may be another one's by now.
  const isKept = before?.name === name && before.state !== "over" && before.alias !== undefined;
  if (row.state === "over" || row.state === "invited") delete row.alias;
  else if (!isKept) row.alias = await aliasFor(turn.tx, row);
  await put(turn.tx, "team/", key, row);
  return row;
}

/** Our own leaf changes with our own commits alone. */
async function noteLeaf({ teams }: Turn, team: Team): Promise<void> {
  const node = teams.leafNode(team.group, teams.ownLeaf(team.group));
  if (node === undefined) return;
  team.record.leaf = toBase64(await leafDigest(node));
  team.dirty = true;
}

export function newTeamGroup(
  turn: Turn,
  given: Pick<TeamGroupRecord, "id" | "key" | "epoch" | "state"> & Partial<TeamGroupRecord>,
): TeamGroupRecord {
  return { send_counter: 0, base: 0, created_at: turn.now, wait_for_epoch: 0, ...given };
}
