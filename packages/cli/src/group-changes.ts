/** Changes of groups as a person reads them, while something listens. */
import type { Agent, GroupChange } from "@aimessage/sdk/node";
import type { Output } from "@aimessage/sdk/program";
import { someOf } from "./names.ts";

/** Names that are told of a change. */
const NAMED = 10;

export function tellGroupChanges(agent: Agent, out: Output): void {
  agent.groups.onChange((change) => out.note(changeLine(change, agent.username.toLowerCase())));
}

/** @param own in lower case */
export function changeLine(change: GroupChange, own: string): string {
  const { group, by, added, removed, left, promoted, demoted, before } = change;
  const called = (name: string): string => (name === own ? "this agent" : name);
  const all = (names: string[]): string => someOf(names.map(called), NAMED);
  const who = by === undefined ? "somebody" : called(by);
  const parts = [
    left.length > 0 ? `${all(left)} left @${group}` : "",
    added.length > 0 ? `${who} added ${all(added)} to @${group}` : "",
    removed.length > 0 ? `${who} removed ${all(removed)} from @${group}` : "",
    promoted.length > 0 ? `${who} made ${all(promoted)} admin of @${group}` : "",
    demoted.length > 0 ? `${who} made ${all(demoted)} a member like others of @${group}` : "",
    before === undefined ? "" : `${who} renamed @${before} to @${group}`,
  ];
  return `-- ${parts.filter((part) => part !== "").join("; ")}`;
}
