/** Teams in memory: their groups, which only the link changes, and what is known of their members. */
import type { GroupCrypto } from "../crypto/mls/group.ts";
import type { Group } from "../crypto/mls/seam.ts";
import type { Between } from "./between.ts";
import { epochOf } from "../crypto/mls/state.ts";
import type { WriteTransaction } from "../store/store.ts";
import { readPart, saveState } from "../records/group-state.ts";
import { get, list, put } from "../records/records.ts";
import { flushOrders, type Order } from "./team-order.ts";
import type { TeamGroupRecord, TeamMemberRecord } from "../records/team-records.ts";

/**
 * Leaves of the trees that are kept in memory, at most: some four kilobytes each, with its certificate and keys. A team of a thousand has as
 * many as two hundred and fifty of three.
 */
const LEAVES_IN_MEMORY = 8_192;

export interface Team {
  record: TeamGroupRecord;
  group: Group;
  /** The state as the store has it. */
  saved: Group | undefined;
  /** Those that were looked at, by name. */
  members: Map<string, TeamMemberRecord>;
  /** Names of those that have changed. */
  changed: Set<string>;
  /** The order of messages in the epochs that were looked at. */
  orders: Map<number, Order>;
  dirty: boolean;
}

/** What of a turn is used here. */
interface InTurn {
  readonly tx: WriteTransaction;
  readonly crypto: GroupCrypto;
  readonly teams: { width(group: Group): number };
  readonly cache: {
    readonly teams: Map<string, Team>;
    readonly commits: Pick<Map<string, unknown>, "has">;
    readonly between: Pick<Between, "isHeld">;
  };
  on<T>(at: string, work: () => Promise<T>): Promise<T>;
}

/** The team that a group serves, if it does. */
export async function teamOf(turn: InTurn, id: string): Promise<Team | undefined> {
  const cached = turn.cache.teams.get(id);
  if (cached !== undefined) {
    // The order of the map is that of use.
    turn.cache.teams.delete(id);
    turn.cache.teams.set(id, cached);
    return cached;
  }
  const record = await get(turn.tx, "team-group/", id);
  if (record === undefined || record.state === "closed") return undefined;
  const group = await turn.on(`team-group/${id}`, () => turn.crypto.assemble((name) => readPart(turn.tx, id, name)));
  if (group === undefined) return undefined;
  return remember(turn, record, group, group);
}

export function addTeam(turn: InTurn, record: TeamGroupRecord, group: Group): Team {
  return remember(turn, record, group, undefined);
}

function remember(turn: InTurn, record: TeamGroupRecord, group: Group, saved: Group | undefined): Team {
  const known = { members: new Map(), changed: new Set<string>(), orders: new Map() };
  const team: Team = { record, group, saved, ...known, dirty: saved === undefined };
  turn.cache.teams.set(record.id, team);
  return team;
}

/** What is known of another member. Whoever changes it says so by `changed`. */
export async function teamMember(turn: InTurn, team: Team, name: string): Promise<TeamMemberRecord> {
  let member = team.members.get(name);
  if (member === undefined) {
    member = (await get(turn.tx, "team-member/", `${team.record.id}/${name}`)) ?? {
      name,
      receive_counter: 0,
      direct_out: 0,
      direct_in: 0,
    };
    team.members.set(name, member);
  }
  return member;
}

/** The same, by its present device: it may have become another one while we could not follow. */
export async function memberBy(
  turn: InTurn,
  team: Team,
  { name, device }: { name: string; device: string },
): Promise<TeamMemberRecord> {
  let member = await teamMember(turn, team, name);
  if (member.device === device) return member;
  if (member.device !== undefined) {
    const { direct_out } = member;
    await forgetMember(turn, team, name);
    member = await teamMember(turn, team, name);
    // What was sent to it meanwhile has its numbers.
    member.direct_out = direct_out;
  }
  member.device = device;
  team.changed.add(name);
  return member;
}

/** What is known of a member, or of a device of it, that is gone. */
export async function forgetMember(turn: InTurn, team: Team, name: string): Promise<void> {
  team.members.delete(name);
  team.changed.delete(name);
  await turn.tx.delete(`team-member/${team.record.id}/${name}`);
}

/** Lets go of the teams that were used least lately, but for those that are not written, or whose commit is under way or is computed. */
export function trimTeams({
  teams: crypto,
  cache: { teams, commits, between },
}: Pick<InTurn, "teams" | "cache">): void {
  let leaves = 0;
  for (const { group } of teams.values()) leaves += crypto.width(group);
  for (const [id, { group, dirty, changed }] of teams) {
    if (leaves <= LEAVES_IN_MEMORY) return;
    if (dirty || changed.size > 0 || commits.has(id) || between.isHeld(id)) continue;
    teams.delete(id);
    leaves -= crypto.width(group);
  }
}

/** Direct frames of before are closed to us from now on, and nobody repeats them; whoever has seen us go counts ours, and its own, from one on. */
export async function countDirectAnew(tx: WriteTransaction, id: string): Promise<void> {
  for (const member of await list(tx, "team-member/", { under: `${id}/` }))
    await put(tx, "team-member/", `${id}/${member.name}`, { ...member, direct_in: 0 });
}

/** Writes what has changed. */
export async function flushTeams(turn: InTurn): Promise<void> {
  for (const team of turn.cache.teams.values()) {
    const { record, group, saved, changed, members } = team;
    await flushOrders(turn, team);
    if (!team.dirty && changed.size === 0) continue;
    await turn.on(`team-group/${record.id}`, async () => {
      record.epoch = epochOf(group);
      await put(turn.tx, "team-group/", record.id, record);
      for (const name of changed) {
        const member = members.get(name);
        if (member !== undefined) await put(turn.tx, "team-member/", `${record.id}/${name}`, member);
      }
      await saveState(turn.tx, record.id, turn.crypto.parts(group, saved));
    });
    changed.clear();
    team.dirty = false;
    team.saved = group;
  }
  trimTeams(turn);
}
