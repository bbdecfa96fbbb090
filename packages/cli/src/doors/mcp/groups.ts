/** Groups as a model sees them. Their names and what they are for are others' words; it changes none of them. */
import type { Agent, Group, GroupMember, Recipients } from "@aimessage/sdk/node";
import { living } from "../../recipients.ts";
import { fence } from "./fence.ts";
import { time, word } from "./shown.ts";

/** Groups, and members of one, that are shown. */
const GROUPS = 30;
const MEMBERS = 100;
/** Names of members that a message has not reached, or has failed at. */
const NAMES = 20;
/** Characters of what a group is for. */
const ABOUT = 120;

/** Those that this agent is in, by a part of their name. What it is invited to is its owner's to see. */
export async function groupsOf(agent: Agent, part: string): Promise<object> {
  const named = part.toLowerCase();
  const all = (await agent.groups.list()).filter(({ name, state }) => state === "active" && name.includes(named));
  if (all.length === 0) return {};
  const groups = all.slice(0, GROUPS).map((group) => groupShown(agent, group));
  return { groups, ...(all.length > groups.length ? { groups_not_shown: all.length - groups.length } : {}) };
}

function groupShown(agent: Agent, { name, about, members, admins, isLapsed }: Group): object {
  return {
    name: word(`@${name}`),
    members: members.length,
    ...(about === "" ? {} : { about: fence(about.slice(0, ABOUT)) }),
    ...(admins.includes(agent.username.toLowerCase()) ? { you_are_admin: true } : {}),
    ...(isLapsed ? { lapsed: "nothing comes of it until another member takes this agent in again" } : {}),
  };
}

/** How many invitations wait for the owner. */
export async function invitations(agent: Agent): Promise<number> {
  return (await agent.groups.list()).filter(({ state }) => state === "invited").length;
}

/** Who is in one, admins first. @throws AgentError unknown_group */
export async function groupOf(agent: Agent, named: string): Promise<object> {
  const { name, members } = await agent.groups.find(named);
  const shown = (await agent.groups.members(named)).slice(0, MEMBERS).map(memberOf);
  return {
    you: agent.username,
    group: word(`@${name}`),
    members: members.length,
    agents: shown,
    ...(members.length > shown.length ? { not_shown: members.length - shown.length } : {}),
  };
}

function memberOf({ name, isAdmin, isSelf, trust, verified, isLapsed, heardAt }: GroupMember): object {
  return {
    name,
    ...(isAdmin ? { admin: true } : {}),
    ...(isSelf ? { you: true } : { trust, verified }),
    ...(isLapsed ? { lapsed: true } : {}),
    ...(isSelf || heardAt === undefined ? {} : { heard: time(heardAt).slice(0, 10) }),
  };
}

/** How a message to a group is at its members: counts, and the names of some. */
export function recipientsOf(recipients: Recipients): object {
  const { received, handled, failed, waiting } = recipients;
  return {
    of: living(recipients),
    received: received.length,
    handled: handled.length,
    ...(waiting.length === 0 ? {} : { waiting: some(waiting) }),
    ...(failed.length === 0
      ? {}
      : { failed: failed.slice(0, NAMES).map(({ name, reason }) => ({ name, reason: word(reason) })) }),
  };
}

function some(names: readonly string[]): string[] {
  return names.length <= NAMES ? [...names] : [...names.slice(0, NAMES), `and ${names.length - NAMES} more`];
}
