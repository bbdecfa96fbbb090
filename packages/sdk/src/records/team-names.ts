/** What teams are called. Their names stand in their settings, so two may have the same: the newer one has a number behind it. */
import type { ReadTransaction } from "../store/store.ts";
import { list } from "./records.ts";
import { nameTeams } from "./team-naming.ts";
import type { TeamRecord } from "./team-records.ts";

/** The teams that this agent is in, or is invited to, each under its name here: `team`, `team~2`. */
export async function teamsByName(tx: ReadTransaction): Promise<Map<string, TeamRecord>> {
  return nameTeams((await list(tx, "team/")).filter(({ state }) => state !== "over"));
}

/** The name of a team here, by its key; undefined if it is over. */
export async function nameOfTeam(tx: ReadTransaction, key: string): Promise<string | undefined> {
  for (const [name, team] of await teamsByName(tx)) if (team.key === key) return name;
  return undefined;
}
