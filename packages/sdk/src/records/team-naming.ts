/** What teams are called here, by as little of them as that takes. */
import type { TeamRecord } from "./team-records.ts";

/** Whoever has a name keeps it; one that has none yet, since the owner is only invited, has one that is free, with a number behind it perhaps. */
export function nameTeams<T extends Pick<TeamRecord, "key" | "name" | "since" | "alias">>(
  teams: readonly T[],
): Map<string, T> {
  const named = new Map<string, T>();
  for (const team of teams) if (team.alias !== undefined) named.set(team.alias, team);
  for (const team of teams.toSorted((a, b) => a.since - b.since || (a.key < b.key ? -1 : 1)))
    if (team.alias === undefined) named.set(freeName(team.name, named), team);
  return named;
}

/** A name, or the first that is free of it and a number. */
export function freeName(name: string, taken: { has(name: string): boolean }): string {
  let free = name;
  for (let number = 2; taken.has(free); number++) free = `${name}~${number}`;
  return free;
}
