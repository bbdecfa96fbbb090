/** Teams as one types them. */
import { AgentError } from "../errors.ts";
import { untrustedIn } from "../records/team-pins.ts";
import { teamStoppedError } from "./sent.ts";
import { get } from "../records/records.ts";
import { teamsByName } from "../records/team-names.ts";
import type { TeamRecord } from "../records/team-records.ts";
import type { ReadTransaction } from "../store/store.ts";

/** A team by its name here, with or without the `@`. @throws AgentError unknown_group */
export async function findTeam(tx: ReadTransaction, typed: string): Promise<TeamRecord> {
  const name = typed.replace(/^@/, "").toLowerCase();
  const team = (await teamsByName(tx)).get(name);
  if (team === undefined)
    throw new AgentError("unknown_group", `this agent is in no group @${name}`, {
      hint: "aimessage group list shows those that it is in",
    });
  return team;
}

/** The same, if it can be sent to. @throws AgentError unknown_group, not_a_member, identity_changed */
export async function teamNamed(tx: ReadTransaction, typed: string): Promise<TeamRecord> {
  return mayBeSentTo(tx, await findTeam(tx, typed));
}

/** The same, by its key. */
export async function teamToSend(tx: ReadTransaction, key: string): Promise<TeamRecord> {
  const team = await get(tx, "team/", key);
  if (team !== undefined) return mayBeSentTo(tx, team);
  throw new AgentError("unknown_group", "this agent does not know the group any more");
}

async function mayBeSentTo(tx: ReadTransaction, team: TeamRecord): Promise<TeamRecord> {
  const who = team.state === "active" ? await untrustedIn(tx, team.key) : undefined;
  if (who !== undefined) throw teamStoppedError(team.name, who);
  if (team.state === "active") return team;
  throw new AgentError(
    "not_a_member",
    team.state === "invited"
      ? `the invitation to @${team.name} is not accepted`
      : `this agent is not in @${team.name}${team.state === "founding" ? " yet" : " any more"}`,
    { hint: team.state === "invited" ? `aimessage group accept @${team.name}` : "an admin of the group can add it" },
  );
}
