/** What commands say of changes of a group that were made. */
import type { Group } from "@aimessage/sdk/node";
import { counted } from "./counted.ts";
import { together } from "./names.ts";

export type MemberChange = "add" | "remove" | "promote" | "demote";

/** `bob and carol were added to @team: 4 members`. @param before As it was known here before. */
export function changedText(kind: MemberChange, named: readonly string[], before: Group, after: Group): string {
  const names = [...new Set(named.map((name) => name.toLowerCase()))];
  const [who, are] = [together(names), names.length === 1 ? "is" : "are"];
  const were = names.length === 1 ? "was" : "were";
  const group = `@${after.name}`;
  const members = counted(after.members.length, "member");
  if (kind === "add") return `${who} ${were} added to ${group}: ${members}`;
  if (kind === "remove") return `${who} ${were} removed from ${group}: ${members}`;
  const isPromoted = kind === "promote";
  const what = names.length === 1 ? ["admin", "an admin"] : ["admins", "admins"];
  const said = `${who} ${are} ${isPromoted ? what[1] : `no ${what[0]}`} of ${group}`;
  if (names.every((name) => before.admins.includes(name) === isPromoted))
    return `Nothing changed: ${said}${isPromoted ? " already" : ""}`;
  return isPromoted ? said : `${said} any more`;
}

/** What a group is called now. */
export function renamedText(before: Group, { name, members }: Group): string {
  if (before.name === name) return `Nothing changed: it is called @${name} here already`;
  return `@${before.name} is called @${name} now: ${counted(members.length, "member")}`;
}

/** Why a group has another name here than it was given, and how it is written to; undefined if it has that one. */
export function aliasNote(wanted: string, { name }: Group): string | undefined {
  if (name === wanted) return undefined;
  return `Another group is called @${wanted} here, so this one is @${name}: aimessage send -t @${name} -m TEXT`;
}
