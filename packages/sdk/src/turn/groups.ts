/** MLS groups in memory, of two and of many: what of them the link has changed, and how they come from the store and go back. */
import type { GroupCrypto } from "../crypto/mls/group.ts";
import type { Group } from "../crypto/mls/seam.ts";
import type { TeamCrypto } from "../crypto/mls/team.ts";
import { epochOf } from "../crypto/mls/state.ts";
import { directAddress } from "../records/addresses.ts";
import type { GroupRecord, MemberRecord } from "../records/group-records.ts";
import { readPart, saveState } from "../records/group-state.ts";
import { readPeer } from "../records/members.ts";
import { owed } from "../records/owed.ts";
import { get, list, put } from "../records/records.ts";
import type { TeamGroupRecord, TeamMemberRecord } from "../records/team-records.ts";
import type { WriteTransaction } from "../store/store.ts";
import type { Between } from "./between.ts";
import { flushOrders, type Order } from "./team-order.ts";

/**
 * What is kept in memory, at most: pairs, of which anybody may open one more, and leaves of the trees of teams, some four kilobytes each, with its
 * certificate and keys. A team of a thousand has as many as two hundred and fifty of three.
 */
const PAIRS_IN_MEMORY = 500;
const LEAVES_IN_MEMORY = 8_192;

interface InMemory<R> {
  record: R;
  group: Group;
  /** The state as the store has it, by which is known what of it has changed. */
  saved: Group | undefined;
  dirty: boolean;
}

/** A group of two, which serves the conversation with one contact. */
export interface Pair extends InMemory<GroupRecord> {
  kind: "pair";
  /** The other side. */
  peer: MemberRecord;
}

/** A group of many. */
export interface Team extends InMemory<TeamGroupRecord> {
  kind: "team";
  /** Those that were looked at, by name. */
  members: Map<string, TeamMemberRecord>;
  /** Names of those that have changed. */
  changed: Set<string>;
  /** The order of messages in the epochs that were looked at. */
  orders: Map<number, Order>;
}

/** Those in memory, by their ids; their order is that of use. */
export type Groups = Map<string, Pair | Team>;

/** What of a turn is used here. */
interface InTurn {
  readonly tx: WriteTransaction;
  readonly crypto: Pick<GroupCrypto, "assemble" | "parts">;
  readonly teams: Pick<TeamCrypto, "width">;
  readonly cache: {
    readonly groups: Groups;
    readonly commits: Pick<Map<string, unknown>, "has">;
    readonly between: Pick<Between, "isHeld">;
  };
  on<T>(at: string, work: () => Promise<T>): Promise<T>;
}

/** A group that is not closed. */
export async function groupOf(turn: InTurn, id: string): Promise<Pair | Team | undefined> {
  const { groups } = turn.cache;
  const known = groups.get(id) ?? (await readPair(turn, id)) ?? (await readTeam(turn, id));
  if (known === undefined) return undefined;
  groups.delete(id);
  groups.set(id, known);
  return known;
}

export async function pairOf(turn: InTurn, id: string): Promise<Pair | undefined> {
  const found = await groupOf(turn, id);
  return found?.kind === "pair" ? found : undefined;
}

export async function teamOf(turn: InTurn, id: string): Promise<Team | undefined> {
  const found = await groupOf(turn, id);
  return found?.kind === "team" ? found : undefined;
}

async function readPair(turn: InTurn, id: string): Promise<Pair | undefined> {
  const record = await get(turn.tx, "group/", id);
  const group = record && (await readGroup(turn, `group/${id}`, id));
  if (record === undefined || group === undefined) return undefined;
  const peer = await turn.on(`group/${id}`, () => readPeer(turn.tx, record));
  return { kind: "pair", record, peer, group, saved: group, dirty: false };
}

async function readTeam(turn: InTurn, id: string): Promise<Team | undefined> {
  const record = await get(turn.tx, "team-group/", id);
  if (record === undefined || record.state === "closed") return undefined;
  const group = await readGroup(turn, `team-group/${id}`, id);
  return group && { ...newTeam(record, group), saved: group, dirty: false };
}

function readGroup(turn: InTurn, at: string, id: string): Promise<Group | undefined> {
  return turn.on(at, () => turn.crypto.assemble((name) => readPart(turn.tx, id, name)));
}

export async function addPair(
  turn: InTurn,
  { record, peer }: Pick<Pair, "record" | "peer">,
  group: Group,
): Promise<Pair> {
  const pair: Pair = { kind: "pair", record, peer, group, saved: undefined, dirty: true };
  turn.cache.groups.set(record.id, pair);
  await turn.tx.put(`contact-group/${record.contact}/${record.id}`, "");
  return pair;
}

export function addTeam(turn: InTurn, record: TeamGroupRecord, group: Group): Team {
  const team = newTeam(record, group);
  turn.cache.groups.set(record.id, team);
  return team;
}

function newTeam(record: TeamGroupRecord, group: Group): Team {
  const known = { members: new Map(), changed: new Set<string>(), orders: new Map() };
  return { kind: "team", record, group, saved: undefined, dirty: true, ...known };
}

/** The groups of two with a contact. */
export async function pairsWith(turn: InTurn, contact: string): Promise<Pair[]> {
  const prefix = `contact-group/${contact}/`;
  const found: Pair[] = [];
  for (const [key] of await turn.tx.list({ prefix })) {
    const pair = await pairOf(turn, key.slice(prefix.length));
    if (pair !== undefined) found.push(pair);
  }
  return found;
}

/** Those in memory of one kind. Looking one up changes their order. */
export function pairsIn({ groups }: { readonly groups: Groups }): Pair[] {
  return [...groups.values()].filter((one) => one.kind === "pair");
}

export function teamsIn({ groups }: { readonly groups: Groups }): Team[] {
  return [...groups.values()].filter((one) => one.kind === "team");
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
    Object.assign(member, { direct_out, direct_since: direct_out });
  }
  member.device = device;
  team.changed.add(name);
  return member;
}

/** What is known of a member, or of a device of it, that is gone. */
export async function forgetMember(turn: InTurn, team: Team, name: string): Promise<void> {
  team.members.delete(name);
  team.changed.delete(name);
  // What waits for it has no counter there any more, nor says anything by counters: if it comes back, it counts from the beginning.
  const prefix = `queue/${directAddress(team.record.key, name)}/`;
  for (const [key] of await turn.tx.list({ prefix })) {
    const row = await get(turn.tx, "out/", key.slice(prefix.length));
    if (row?.direct === undefined && row?.counts === undefined) continue;
    const { direct: _direct, counts: _counts, ...rest } = row;
    await put(turn.tx, "out/", key.slice(prefix.length), rest);
  }
  await turn.tx.delete(`team-member/${team.record.id}/${name}`);
  // What was to be said by counters of before is of none that it has now.
  const to = directAddress(team.record.key, name);
  for (const kind of ["read", "free", "direct"] as const)
    for (const [key] of await turn.tx.list({ prefix: owed(to, kind) })) await turn.tx.delete(key);
}

/** Lets go of the groups that were used least lately, but for those that are not written, or in which something is awaited or is computed. */
export function trimGroups({ teams, cache: { groups, commits, between } }: Pick<InTurn, "teams" | "cache">): void {
  const weight = (one: Pair | Team): number => (one.kind === "pair" ? 1 : teams.width(one.group));
  const room = { pair: PAIRS_IN_MEMORY, team: LEAVES_IN_MEMORY };
  for (const one of groups.values()) room[one.kind] -= weight(one);
  for (const [id, one] of groups) {
    if (room[one.kind] >= 0) continue;
    const isChanged = one.dirty || (one.kind === "team" && one.changed.size > 0);
    const isAwaited = one.record.epoch < one.record.wait_for_epoch || commits.has(id) || between.isHeld(id);
    if (isChanged || isAwaited) continue;
    groups.delete(id);
    room[one.kind] += weight(one);
  }
}

/** Direct frames of before are closed to us from now on, and ours to the others: these may have seen us go, and count from the beginning. */
export async function countDirectAnew(tx: WriteTransaction, id: string): Promise<void> {
  for (const row of await list(tx, "team-member/", { under: `${id}/` })) {
    const { direct_gaps: _gaps, unread: _unread, unheard: _unheard, asked_at: _asked, ...member } = row;
    const anew = { direct_in: 0, direct_since: row.direct_out };
    await put(tx, "team-member/", `${id}/${member.name}`, { ...member, ...anew });
  }
}

/** A team comes into memory with another state: what is known of its members, and not written yet, goes on. */
export async function letGoOfTeam(turn: InTurn, id: string): Promise<void> {
  const one = turn.cache.groups.get(id);
  if (one?.kind !== "team") return;
  await flushTeam(turn, one);
  turn.cache.groups.delete(id);
}

/** Writes what has changed. */
export async function flushGroups(turn: InTurn): Promise<void> {
  for (const one of turn.cache.groups.values())
    await (one.kind === "pair" ? flushPair(turn, one) : flushTeam(turn, one));
  trimGroups(turn);
}

async function flushPair(turn: InTurn, pair: Pair): Promise<void> {
  if (!pair.dirty) return;
  const { record, peer } = pair;
  await turn.on(`group/${record.id}`, async () => {
    record.epoch = epochOf(pair.group);
    await put(turn.tx, "group/", record.id, record);
    await put(turn.tx, "member/", `${record.id}/${peer.name}`, peer);
    await saveGroup(turn, pair);
  });
}

async function flushTeam(turn: InTurn, team: Team): Promise<void> {
  await flushOrders(turn, team);
  const { record, changed, members } = team;
  if (!team.dirty && changed.size === 0) return;
  await turn.on(`team-group/${record.id}`, async () => {
    record.epoch = epochOf(team.group);
    await put(turn.tx, "team-group/", record.id, record);
    for (const name of changed) {
      const member = members.get(name);
      if (member !== undefined) await put(turn.tx, "team-member/", `${record.id}/${name}`, member);
    }
    changed.clear();
    await saveGroup(turn, team);
  });
}

async function saveGroup(turn: InTurn, one: Pair | Team): Promise<void> {
  await saveState(turn.tx, one.record.id, turn.crypto.parts(one.group, one.saved));
  one.dirty = false;
  one.saved = one.group;
}
