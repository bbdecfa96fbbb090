/** What teams are called here, by as little of them as that takes. */
import type { TeamRecord } from "./team-records.ts";

/** Two may have the same name: the newer one has a number behind it. */
export function nameTeams<T extends Pick<TeamRecord, "key" | "name" | "since">>(teams: readonly T[]): Map<string, T> {
  const named = new Map<string, T>();
  for (const team of teams.toSorted((a, b) => a.since - b.since || (a.key < b.key ? -1 : 1))) {
    let name = team.name;
    for (let number = 2; named.has(name); number++) name = `${team.name}~${number}`;
    named.set(name, team);
  }
  return named;
}
