/** Changes of groups as several doors make them. */
import type { Agent, CreateOptions, Group } from "@aimessage/sdk/node";
import { UsageError } from "./errors.ts";

interface Founding extends CreateOptions {
  members: readonly string[];
  /** With the members of this group, too. */
  like?: string | undefined;
}

/** @throws UsageError, AgentError */
export async function found(agent: Agent, name: string, { members, like, ...options }: Founding): Promise<Group> {
  const others = like === undefined ? [] : (await agent.groups.find(like)).members;
  const own = agent.username.toLowerCase();
  const all = [...new Set([...members, ...others.filter((member) => member !== own)])];
  if (all.length === 0)
    throw new UsageError("a group needs members", `as in: aimessage group create ${name} bob carol`);
  return agent.groups.create(name, all, options);
}

/** An invitation of somebody whom the owner has not let in is for the owner. @throws AgentError refused */
export async function acceptByProgram(agent: Agent, name: string): Promise<Group> {
  const { name: known, state, inviter } = await agent.groups.find(name);
  const tier = inviter === undefined ? undefined : (await agent.contact(inviter))?.tier;
  if (state === "invited" && (tier === undefined || tier === "unknown")) {
    const { AgentError } = await import("@aimessage/sdk/node");
    throw new AgentError("refused", `${inviter} is a stranger, and no program takes its invitation`, {
      reason: "consent",
      hint: `its owner does, in a terminal: aimessage group accept @${known}`,
    });
  }
  await agent.groups.accept(name);
  return agent.groups.find(name);
}
