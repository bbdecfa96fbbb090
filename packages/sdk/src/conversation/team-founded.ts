/** A team that an admin has founded anew: whether that is right, and how a member goes on in it. [P-15.9] */
import { firstFounding, type Invited, isFoundedAnew, leftOut } from "../crypto/team/foundings.ts";
import { toBase64, usernameKey } from "../protocol/index.ts";
import { get, list, pad, put } from "../records/records.ts";
import type { TeamRecord } from "../records/team-records.ts";
import { dropOrders } from "../turn/team-order.ts";
import { type Team, teamOf } from "../turn/groups.ts";
import type { Turn } from "../turn/turn.ts";
import { isOfLink } from "../records/team-changes.ts";
import { beginInTeam } from "./team-again.ts";
import { abandon } from "./team-end.ts";
import { endOp, rejoinOf } from "./team-ops.ts";
import { comparePins } from "./team-pins.ts";
import { unwatch } from "./team-watch.ts";
import { lastKnown, learn, settingsIn } from "./teams.ts";

/** So many of those who are left out are named. */
const NAMED = 10;
/** A relay keeps a message for 14 days at most: nothing comes in a replaced group after twice that. Milliseconds. */
const READ_MS = 28 * 86_400_000;

/**
 * What another group is that has the key of a team of ours: founded anew and to go on in (`next`), founded anew beside the one that we go on in
 * (`behind`), or another team (undefined).
 */
export async function judgeFounding(
  turn: Turn,
  invited: Invited,
  row: TeamRecord,
): Promise<"next" | "behind" | undefined> {
  const { replaces } = invited.settings;
  const present = await teamOf(turn, row.group);
  // Another device of ours has the group no more, and asks for it: what the owner was shown of it is all that is known.
  if (present === undefined) {
    const isAwaited = replaces === row.group && (await rejoinOf(turn, row.group)) !== undefined;
    const { name, identityKey } = invited.inviter;
    const pinned = (await turn.contact(name))?.identity_key ?? toBase64(identityKey);
    return isAwaited && row.admins.includes(name) && pinned === toBase64(identityKey) ? "next" : undefined;
  }
  const isSibling = replaces !== "" && settingsIn(turn, present).replaces === replaces;
  const base = isSibling ? await teamOf(turn, replaces) : present;
  if (base === undefined) return "behind";
  const known = await lastKnown(turn, base);
  if (!isFoundedAnew(invited, known)) return undefined;
  if (!isSibling) return "next";
  const { settings, roster } = await lastKnown(turn, present);
  const inviter = roster.find(({ name }) => name === present.record.founder);
  if (inviter === undefined) return "behind";
  const other: Invited = { group: present.record.id, settings, roster, inviter };
  return firstFounding(invited, other) === invited ? "next" : "behind";
}

/** From now on the team is this group. The one before it is only read, and what was not received there is sent here. */
export async function goOnIn(turn: Turn, team: Team, founder: string): Promise<void> {
  const { key, id } = team.record;
  const row = await get(turn.tx, "team/", key);
  const before = row === undefined || row.group === id ? undefined : row.group;
  const old = before === undefined ? undefined : await teamOf(turn, before);
  const out = old === undefined ? [] : leftOut(await invitedTo(turn, team, founder), await lastKnown(turn, old));
  team.record.founder = founder;
  team.record.state = "open";
  team.dirty = true;
  const { name } = await learn(turn, team);
  await comparePins(turn, team);
  const own = usernameKey(turn.account.identity.username);
  // Others may go on there, who cannot follow: its founder asks on to be taken in again.
  if (before !== undefined) await leaveBehind(turn, { key, before, old, next: id, asksOn: founder === own });
  const names = out.map((member) => member.name).filter((member) => member !== own);
  const by = founder === own ? "this agent" : founder;
  await turn.alert(
    "founded_anew",
    founder === own ? undefined : founder,
    `the group @${name} could not go on, and was founded anew by ${by}, with ${names.length === 0 ? "all of its members" : `all of its members but ${listed(names)}`}`,
  );
}

function listed(names: string[]): string {
  const more = names.length - NAMED;
  return names.slice(0, NAMED).join(", ") + (more > 0 ? ` and ${more} more` : "");
}

/** The relay has admitted a founding anew of ours: that is where the team goes on, unless another admin's counts more. @returns whether it does */
export async function takeOwnFounding(turn: Turn, team: Team): Promise<boolean> {
  const own = usernameKey(turn.account.identity.username);
  const row = await get(turn.tx, "team/", team.record.key);
  const invited = await invitedTo(turn, team, own);
  const isNext = row !== undefined && (await judgeFounding(turn, invited, row)) === "next";
  if (isNext) await goOnIn(turn, team, own);
  else {
    team.record.state = "closed";
    await abandon(turn, team.record, team.group);
  }
  return isNext;
}

/** A group as one is invited to it. */
export async function invitedTo(turn: Turn, team: Team, founder: string): Promise<Invited> {
  const { settings, roster } = await lastKnown(turn, team);
  const inviter = roster.find(({ name }) => name === founder);
  // Whoever has signed for it is in it.
  if (inviter === undefined) throw new Error("a group without its founder");
  return { group: team.record.id, settings, roster, inviter };
}

interface Behind {
  key: string;
  before: string;
  old: Team | undefined;
  next: string;
  /** Whether this agent goes on asking to be taken in again there. */
  asksOn?: boolean;
}

/** A team goes on in another group. */
export async function leaveBehind(turn: Turn, { key, before, old, next, asksOn = false }: Behind): Promise<void> {
  if (old !== undefined) {
    old.record.state = "replaced";
    old.record.replaced_at = turn.now;
    old.dirty = true;
    await dropOrders(turn, old);
  }
  await unwatch(turn, before);
  await turn.removeCommit(before);
  for (const op of await list(turn.tx, "op/")) {
    // A founding anew ends by itself, or goes on with those who are not added yet.
    if (op.group !== before || op.kind === "refound" || (asksOn && op.kind === "rejoin")) continue;
    // Whoever wants to leave wants to leave the team.
    if (isOfLink(op)) await endOp(turn, op.seq);
    else await put(turn.tx, "op/", pad(op.seq), { ...op, group: next });
  }
  await beginInTeam(turn, { group: before, key, what: "sendAnew", isTeams: true });
}

/** Closes a group that was replaced so long ago that nothing of it comes any more. */
export async function retireReplaced(turn: Turn, id: string, now: number): Promise<void> {
  const record = await get(turn.tx, "team-group/", id);
  if (record?.state !== "replaced" || now - (record.replaced_at ?? now) < READ_MS) return;
  await endOp(turn, (await rejoinOf(turn, id))?.seq);
  await abandon(turn, record, (await teamOf(turn, id))?.group);
}
