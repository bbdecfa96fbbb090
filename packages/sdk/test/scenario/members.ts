/** Members of groups, each over its own store. */
import { expect } from "vitest";
import type { Agent } from "../../src/agent/agent.ts";
import type { IncomingMessage } from "../../src/agent/message.ts";
import { list } from "../../src/records/records.ts";
import type { TeamGroupRecord } from "../../src/records/team-records.ts";
import { caughtUp, eventually, follow, type World } from "./world.ts";

export interface Member {
  agent: Agent;
  got: IncomingMessage[];
}

/** Agents of these names, all of them online and handling what comes. */
export async function online<T extends string>(world: World, ...names: T[]): Promise<Record<T, Member>> {
  const members: [string, Member][] = [];
  for (const name of names) {
    const agent = await world.open(name);
    members.push([name, { agent, got: follow(agent) }]);
    await agent.sync();
  }
  return Object.fromEntries(members) as Record<T, Member>;
}

/** The same, all of them in the group @team that the first of them has founded. */
export async function gathered<T extends string>(world: World, ...names: T[]): Promise<Record<T, Member>> {
  const members = await online(world, ...names);
  const [founder, ...others] = names as [T, ...T[]];
  await members[founder].agent.groups.create("team", others);
  for (const name of others)
    await eventually(`${name} is in`, async () => (await members[name].agent.groups.list()).length === 1);
  return members;
}

export function texts({ got }: Member): string[] {
  return got.map(({ from, group, body }) => `@${group} ${from}: ${body}`);
}

/** It has got these, and nothing else. */
export async function hears(member: Member, ...lines: string[]): Promise<void> {
  await eventually(`${member.agent.username} has heard it`, () => member.got.length >= lines.length);
  await caughtUp(member.agent);
  expect(texts(member).toSorted()).toEqual(lines.toSorted());
}

/** What an agent's store has of the one group that it is, or was, in. */
export async function groupOf(world: World, name: string): Promise<TeamGroupRecord | undefined> {
  return (await world.memory(name).read((tx) => list(tx, "team-group/")))[0];
}

/** The records of an agent under a prefix. */
export function records(world: World, name: string, prefix: string): Promise<string[]> {
  return world.memory(name).read(async (tx) => (await tx.list({ prefix })).map(([key]) => key));
}
