/** Teams as one types them. */
import { AgentError } from "../errors.ts";
import { readAddress } from "../records/addresses.ts";
import { untrustedIn } from "../records/team-pins.ts";
import { teamStoppedError } from "./sent.ts";
import { get, list, readable } from "../records/records.ts";
import type { OutboxRecord } from "../records/tables.ts";
import { nameOfTeam, teamsByName } from "../records/team-names.ts";
import type { TeamRecord } from "../records/team-records.ts";
import type { ReadTransaction } from "../store/store.ts";

/** So many of the newest messages are asked what a team was called before. */
const LOOKED_AT = 500;

/** What a team is called here, if there is one that was typed so: with or without the `@`. */
export function nameTyped(typed: string): string {
  return typed.replace(/^@/, "").toLowerCase();
}

/** A team by its name here, with or without the `@`. @throws AgentError unknown_group */
export async function findTeam(tx: ReadTransaction, typed: string): Promise<TeamRecord> {
  const name = nameTyped(typed);
  const team = (await teamsByName(tx)).get(name);
  if (team === undefined) throw (await nowCalled(tx, name)) ?? (await isOver(tx, name)) ?? unknownGroup(name);
  return team;
}

function unknownGroup(name: string): AgentError {
  return new AgentError("unknown_group", `this agent is in no group @${name}`, {
    hint: "aimessage group list shows those that it is in",
  });
}

/** One that has another name meanwhile, as far as something was sent to it under this one. */
async function nowCalled(tx: ReadTransaction, name: string): Promise<AgentError | undefined> {
  const names = new Map(Array.from(await teamsByName(tx), ([here, { key }]) => [key, here]));
  for (const [, value] of await tx.list({ prefix: "out/", reverse: true, limit: LOOKED_AT })) {
    const row = readable(value) as OutboxRecord | undefined;
    if (row?.to_name !== `@${name}`) continue;
    const address = readAddress(row.to);
    if (address.kind !== "team") continue;
    const now = names.get(address.key);
    if (now === undefined || now === name) continue;
    // The new name is others' word, which a model reads in a fence alone: it gets no hint of ours.
    return new AgentError("unknown_group", `@${name} has another name now`, {
      hint: `it is called @${now}: aimessage group info @${now}`,
    });
  }
  return undefined;
}

/** One that this agent was in, or was invited to. */
async function isOver(tx: ReadTransaction, name: string): Promise<AgentError | undefined> {
  const [last] = (await list(tx, "team/"))
    .filter((team) => team.state === "over" && team.name === name)
    .toSorted((a, b) => (b.over_at ?? 0) - (a.over_at ?? 0));
  if (last === undefined) return undefined;
  const { admins, members } = last;
  return new AgentError("unknown_group", `this agent is not in @${name} any more: it has left, or was removed`, {
    hint: members.length < 2 ? "found another one" : `an admin of it can add this agent: ${admins.join(", ")}`,
  });
}

/** The same, if it can be sent to. @throws AgentError unknown_group, not_a_member, identity_changed, failed: nobody else is in it */
export async function teamNamed(tx: ReadTransaction, typed: string): Promise<TeamRecord> {
  const here = nameTyped(typed);
  const team = await mayBeSentTo(tx, await findTeam(tx, typed), here);
  if (team.members.length > 1) return team;
  throw new AgentError("failed", `@${here} has no other members`, {
    reason: "no_members",
    hint: `nothing was sent; add one: aimessage group add @${here} NAME`,
  });
}

/** The same, by its key. */
export async function teamToSend(tx: ReadTransaction, key: string): Promise<TeamRecord> {
  const team = await get(tx, "team/", key);
  if (team !== undefined) return mayBeSentTo(tx, team, (await nameOfTeam(tx, key)) ?? team.name);
  throw new AgentError("unknown_group", "this agent does not know the group any more");
}

/** @param here What it is called here. */
async function mayBeSentTo(tx: ReadTransaction, team: TeamRecord, here: string): Promise<TeamRecord> {
  const who = team.state === "active" ? await untrustedIn(tx, team.key) : undefined;
  if (who !== undefined) throw teamStoppedError(here, who);
  if (team.state === "active") return team;
  throw new AgentError(
    "not_a_member",
    team.state === "invited"
      ? `the invitation to @${here} is not accepted`
      : `this agent is not in @${here}${team.state === "founding" ? " yet" : " any more"}`,
    {
      hint:
        team.state === "invited"
          ? `aimessage group accept @${here}`
          : team.state === "founding"
            ? "it is being founded: aimessage group list"
            : "an admin of the group can add it",
    },
  );
}
