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
  return isOfAdmin(inviter, known);
}

/**
 * Whether we let somebody take us in again, in a later epoch of a group that we know. What we have missed we cannot judge any more: so who was
 * no admin there has changed nothing of who is one, or it could make itself one where nobody followed, and take in all who ask.
 */
export function mayTakeIn({ settings, roster, inviter }: Invited, known: LastKnown): boolean {
  if (isOfAdmin(inviter, known)) return true;
  const { key, replaces, admins } = known.settings;
  if (known.accused.has(inviter.name) || !equal(settings.key, key) || settings.replaces !== replaces) return false;
  return settings.admins.join() === admins.join() && admins.every((admin) => isSame(admin, roster, known.roster));
}

/** Whether somebody was an admin in the last epoch that we know, under the same identity, and has done nothing forbidden. */
function isOfAdmin({ name, identityKey }: TeamMember, { settings, roster, accused }: LastKnown): boolean {
  const before = roster.find((member) => member.name === name);
  if (before === undefined || !settings.admins.includes(name) || accused.has(name)) return false;
  return equal(before.identityKey, identityKey);
}

/** Whether a name is of the same identity in both. */
function isSame(name: string, ...[now, before]: (readonly TeamMember[])[]): boolean {
  const [one, other] = [now, before].map((roster) => roster?.find((member) => member.name === name));
  return one !== undefined && other !== undefined && equal(one.identityKey, other.identityKey);
}

/**
 * Which of two right foundings anew all members go on in: that of the admin who is first in rank, then the one with the smaller id. Both are asked,
 * and not what oneself knows, since that differs: an admin may have been demoted in an epoch that it has missed. So whoever founds without being
 * an admin by the other founding is behind one who is.
 */
export function firstFounding<T extends Invited>(one: T, other: T): T {
  const isNamed = rankOf(other.settings, one.inviter.name) < Infinity;
  if (isNamed !== rankOf(one.settings, other.inviter.name) < Infinity) return isNamed ? one : other;
  const isFirst = ({ settings }: T) => rankOf(settings, one.inviter.name) < rankOf(settings, other.inviter.name);
  const isSame = one.inviter.name === other.inviter.name || isFirst(one) !== isFirst(other);
  if (isNamed && !isSame) return isFirst(one) ? one : other;
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
