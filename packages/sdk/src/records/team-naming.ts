/** What teams are called here, by as little of them as that takes. */
import type { TeamRecord } from "./team-records.ts";

/**
 * Whoever has a name keeps it; one that has none yet, since the owner is only invited, has one that is free, with a number behind it perhaps. So
 * has one that is over: what came there was not said to its owner alone.
 */
export function nameTeams<T extends Pick<TeamRecord, "key" | "name" | "since" | "alias" | "state">>(
  teams: readonly T[],
): Map<string, T> {
  const named = new Map<string, T>();
  for (const team of teams) if (team.alias !== undefined) named.set(team.alias, team);
  const isOver = ({ state }: T) => Number(state === "over");
  const inOrder = teams.toSorted((a, b) => isOver(a) - isOver(b) || a.since - b.since || (a.key < b.key ? -1 : 1));
  for (const team of inOrder) if (team.alias === undefined) named.set(freeName(team.name, named), team);
  return named;
}

/** A name, or the first that is free of it and a number. */
export function freeName(name: string, taken: { has(name: string): boolean }): string {
  let free = name;
  for (let number = 2; taken.has(free); number++) free = `${name}~${number}`;
  return free;
}
