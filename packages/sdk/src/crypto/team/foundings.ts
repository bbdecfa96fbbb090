/** Teams that an admin has founded anew under the same key, since it could not go on in the old group. [P-15.9] */
import { equal } from "../../protocol/index.ts";
import type { TeamMember } from "./roster.ts";
import type { TeamSettings } from "./settings.ts";

/** The last epoch of a team that we know. */
export interface LastKnown {
  settings: TeamSettings;
  roster: readonly TeamMember[];
  /** Lower-case names of those whom we saw sign a forbidden commit. */
  accused: ReadonlySet<string>;
}

/** A team to which we were invited. */
export interface Invited {
  /** The group's id in hex. */
  group: string;
  settings: TeamSettings;
  roster: readonly TeamMember[];
  /** Who has signed for it, as its leaf says. */
  inviter: TeamMember;
}

/** Whether a team is a right founding anew of one that we know; if not, it is another one, whatever its key. */
export function isFoundedAnew({ settings, inviter }: Invited, known: LastKnown): boolean {
  if (!equal(settings.key, known.settings.key) || settings.replaces === "") return false;
  const before = known.roster.find(({ name }) => name === inviter.name);
  const isAdmin = before !== undefined && known.settings.admins.includes(before.name);
  return isAdmin && equal(before.identityKey, inviter.identityKey) && !known.accused.has(before.name);
}

/** Which of two right foundings anew all members go on in: that of the admin who is first in rank, then the one with the smaller id. */
export function firstFounding<T extends Invited>(one: T, other: T, known: LastKnown): T {
  const [rank, otherRank] = [one, other].map(({ inviter }) => rankOf(known.settings, inviter.name));
  if (rank !== otherRank) return rank! < otherRank! ? one : other;
  return one.group < other.group ? one : other;
}

/** How many admins come before one, by which it knows how long to wait before it founds a team anew. Infinity if it is none. */
export function rankOf({ admins }: TeamSettings, name: string): number {
  const rank = admins.indexOf(name);
  return rank < 0 ? Infinity : rank;
}

/** Members of the last known epoch who are not in a team any more that was founded anew: for the owner to see. */
export function leftOut({ roster }: Invited, known: LastKnown): TeamMember[] {
  const there = new Set(roster.map(({ name }) => name));
  return known.roster.filter(({ name }) => !there.has(name));
}

/** The settings with which an admin founds a team anew, without those whom it saw sign a forbidden commit. */
export function settingsAnew(known: LastKnown, group: string): TeamSettings {
  const admins = known.settings.admins.filter((admin) => !known.accused.has(admin));
  return { ...known.settings, admins, replaces: group };
}
