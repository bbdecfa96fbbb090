/**
 * What teams are called. Their names stand in their settings, so two may have the same: whoever has it first keeps it, whatever others
 * are called later, and one to which this agent is only invited takes it from nobody.
 */
import type { ReadTransaction } from "../store/store.ts";
import { list } from "./records.ts";
import { freeName, nameTeams } from "./team-naming.ts";
import type { TeamRecord } from "./team-records.ts";

/** The teams that this agent is in, or is invited to, each under its name here: `team`, `team~2`. */
export async function teamsByName(tx: ReadTransaction): Promise<Map<string, TeamRecord>> {
  const all = nameTeams(await list(tx, "team/"));
  return new Map([...all].filter(([, { state }]) => state !== "over"));
}

/** Names of teams here by their keys, also of those that are over. */
export async function namesOfTeams(tx: ReadTransaction): Promise<Map<string, string>> {
  return new Map(Array.from(nameTeams(await list(tx, "team/")), ([name, { key }]) => [key, name]));
}

/** What a team is called from now on that its owner is in, or whose name has changed. */
export async function aliasFor(tx: ReadTransaction, { key, name }: Pick<TeamRecord, "key" | "name">): Promise<string> {
  const taken = new Set<string>();
  for (const team of await list(tx, "team/"))
    if (team.key !== key && team.state !== "over" && team.alias !== undefined) taken.add(team.alias);
  return freeName(name, taken);
}

/** The name of a team here, by its key; undefined if nothing is known of it any more. */
export async function nameOfTeam(tx: ReadTransaction, key: string): Promise<string | undefined> {
  return (await namesOfTeams(tx)).get(key);
}
