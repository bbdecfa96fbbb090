/**
 * The books on direct frames. What one of them says of outcomes is said nowhere else: so where one never came, whoever should have it asks for
 * what became of its messages, and is told all of it once more. [P-15.7]
 */
import type { Header } from "../crypto/content.ts";
import { directAddress } from "../records/addresses.ts";
import { oweAll, owed } from "../records/owed.ts";
import { get, list } from "../records/records.ts";
import type { TeamGroupRecord, TeamMemberRecord } from "../records/team-records.ts";
import { type Team, teamMember } from "../turn/groups.ts";
import type { Turn } from "../turn/turn.ts";
import { MISSING_AT_MOST } from "./reading.ts";
import { strikeOff } from "./team-gaps.ts";
import { whomIn } from "./teams.ts";

/** Of so many messages, the last that have come of all senders. */
const LATEST = 1_000;
/** Between two questions for what became of messages, and between two answers. Milliseconds. */
const APART_MS = 10_000;
/** The cost of a question too soon, or about nothing. See `Waste`. */
const IDLE = 0.5;
/** That of a counter that is said to be nobody's and was not asked for. */
const UNASKED = 0.02;
/** That of an answer. */
const TELLING = 5;

/**
 * By whose counters something is said to a member: those of its device and of ours in a group. To the next device of either, or in the group that takes
 * the place of this one, they are those of other messages and frames.
 */
export function countsOf(
  { account }: Pick<Turn, "account">,
  { record }: { record: Pick<TeamGroupRecord, "id"> },
  { device }: { device?: string | undefined },
): string {
  return [record.id, device, account.device.id].join("/");
}

/** Whether a direct frame is read for the first time: the relay may bring it once more, or another member that has seen it. */
export function isFirst(team: Team, member: TeamMemberRecord, { counter, since = 0 }: Header): boolean {
  const gaps = (member.direct_gaps ?? []).filter((gap) => gap > since);
  const { direct_in: known } = member;
  // What was made before we came, or came back, is not for us.
  const last = known === undefined ? counter - 1 : Math.max(known, since);
  if (counter <= last && !gaps.includes(counter)) return false;
  const first = Math.max(last + 1, counter - MISSING_AT_MOST);
  const missing = Array.from({ length: Math.max(0, counter - first) }, (_, at) => first + at);
  member.direct_gaps = [...gaps, ...missing].filter((gap) => gap !== counter).slice(-MISSING_AT_MOST);
  member.direct_in = Math.max(last, counter);
  team.changed.add(member.name);
  // What came late was all.
  if (member.direct_gaps.length === 0) {
    delete member.unread;
    delete member.unheard;
  }
  if (missing.length === 0 && known !== undefined) return true;
  member.unheard = counter;
  delete member.asked_at;
  return true;
}

/** One is not read, since too much of its sender's led to nothing. By the next that is read we see whether it had a number, and ask for what it said. */
export async function leaveUnread(turn: Turn, team: Team, name: string): Promise<void> {
  if (!(await whomIn(turn, team)).has(name)) return;
  const member = await teamMember(turn, team, name);
  if (member.unread === true) return;
  member.unread = true;
  team.changed.add(name);
}

/** Nothing waits for us under these counters of its. */
export async function hearFreed(
  turn: Turn,
  team: Team,
  member: TeamMemberRecord,
  freed: readonly number[],
): Promise<void> {
  const { id, key } = team.record;
  const { name, receive_counter: upTo } = member;
  const struck = strikeOff(member, freed);
  turn.wasted(name, (freed.length - struck) * UNASKED);
  if (struck === 0) return;
  team.changed.add(name);
  // More are missing than one receipt names: it hears of the next.
  if ((member.gaps ?? []).length > 0) await turn.tx.put(owed(directAddress(key, name), "read", id), String(upTo));
}

/** Asks once more, from time to time, what was said in frames that never came. */
export async function askForUnheard(turn: Turn, team: Team, member: TeamMemberRecord): Promise<void> {
  const { unheard, asked_at, name } = member;
  if (unheard === undefined || isSoon(turn, asked_at) || (await isSilentTo(turn, team, name))) return;
  member.asked_at = turn.now;
  team.changed.add(name);
  await oweDirect(turn, team, member, { what: "unheard", counter: unheard });
}

/** What a member says of direct frames: up to which one some never came to it, and up to which it has said all once more. */
export async function hearUnheard(
  turn: Turn,
  team: Team,
  member: TeamMemberRecord,
  { unheard, told }: { unheard?: number | undefined; told?: number | undefined },
): Promise<void> {
  if (unheard !== undefined) await tellAgain(turn, team, member, unheard);
  if (told === undefined || member.unheard === undefined || told < member.unheard) return;
  // What we have not read ourselves nobody has withheld.
  const lost = member.unread === true ? 0 : (member.direct_gaps ?? []).filter((gap) => gap < told).length;
  member.direct_gaps = (member.direct_gaps ?? []).filter((gap) => gap > told);
  delete member.unread;
  delete member.unheard;
  delete member.asked_at;
  team.changed.add(member.name);
  const text = `${lost} frames that ${member.name} has numbered for this agent alone have not come; it has said once more what became of the newest messages`;
  if (lost > 0) await turn.alert("withheld", member.name, text);
}

async function tellAgain(turn: Turn, team: Team, member: TeamMemberRecord, unheard: number): Promise<void> {
  const { name, direct_out, told_at } = member;
  if (unheard > direct_out || isSoon(turn, told_at)) return turn.wasted(name, IDLE);
  if (!(await oweAllToOne(turn, team, name))) return;
  turn.wasted(name, TELLING);
  member.told_at = turn.now;
  team.changed.add(name);
  await oweDirect(turn, team, member, { what: "told", counter: unheard });
}

function oweDirect(
  turn: Turn,
  team: Team,
  member: TeamMemberRecord,
  { what, counter }: { what: "unheard" | "told"; counter: number },
): Promise<void> {
  const key = owed(directAddress(team.record.key, member.name), "direct", what);
  return turn.tx.put(key, `${counter} ${countsOf(turn, team, member)}`);
}

/**
 * Says once more, to one who could not read it or has never got it, what became of its newest messages, and of their files.
 * @returns whether anything is said to it at all
 */
export async function oweAllToOne(turn: Turn, team: Team, name: string): Promise<boolean> {
  const { id, key } = team.record;
  if (await isSilentTo(turn, team, name)) return false;
  const { receive_counter: upTo } = await teamMember(turn, team, name);
  if (upTo > 0) await turn.tx.put(owed(directAddress(key, name), "read", id), String(upTo));
  for (const row of await list(turn.tx, "in/", { reverse: true, limit: LATEST }))
    if (row.team === key && row.from === name) await oweAll(turn.tx, row);
  return true;
}

/** Before the invitation is taken, and to whom we have blocked, nothing is said. */
async function isSilentTo(turn: Turn, team: Team, name: string): Promise<boolean> {
  if ((await get(turn.tx, "team/", team.record.key))?.state !== "active") return true;
  return (await turn.contact(name))?.blocked === true;
}

function isSoon({ now }: Turn, at: number | undefined): boolean {
  return at !== undefined && Math.abs(now - at) < APART_MS;
}
