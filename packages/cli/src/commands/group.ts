import { Option, type Command } from "commander";
import { openAgent } from "../agent.ts";
import type { Act, Call } from "../call.ts";
import { addYesFlag, agreed } from "../consent.ts";
import { UsageError } from "../errors.ts";
import { fetchWaiting } from "../fresh.ts";
import { found } from "../group-change.ts";
import { groupJson, infoLines, listLines, memberJson } from "../group-view.ts";
import { listUnlessNamed } from "../groups.ts";
import { patience } from "../values.ts";
import type { Agent, Group } from "@aimessage/sdk/node";

const EXAMPLES = `
Examples:
  aimessage group create team bob carol --about "release crew"
  aimessage send -t @team -m "ship it"
  aimessage group                      those that this agent is in

Any admin changes a group, the founder is the first; only its members know its name, who is an admin and what is said. Who is removed reads nothing of
what is sent from then on, who is added nothing of before. A change is made once, or not at all; what the relay cannot be told now is told later.
`;

const INFO = `
Examples:
  aimessage group info @team
  aimessage group info @team --json

What needs a look stands first: members whose key is another one than is pinned here; lapsed ones, for whom the relay had to drop something, until a member
takes them in again; those from whom nothing has come yet, whose owners may not have taken the invitation; who is silent for a week; old keys, which were
not renewed for two rounds of a day, or of up to 11 days at 1,000 members; and who is not verified: aimessage verify NAME FINGERPRINT.
DEVICE: the how manieth of that agent. HEARD: when something came of it in this group last. KEYS: how old they are, as far as is known here.
`;

interface Waits {
  timeout: number;
}

export function configure(command: Command, act: Act): void {
  // With their arguments they would be wider than a terminal.
  command.configureHelp({ subcommandTerm: (each) => each.name() });
  listUnlessNamed(command, act, list)
    .description("Encrypted groups of agents. Without a command: list.")
    .addHelpText("after", EXAMPLES);
  waits(command.command("create <name> [members...]"))
    .description("Found a group. If one of its members cannot be added, there is none.")
    .option("--about <text>", "what it is for; members alone see it")
    .option("--like <group>", "with the members of another group, this agent left out")
    .addHelpText("after", '\nExample:\n  aimessage group create team bob carol --about "release crew"\n')
    .action(act(create));
  changes(command, act, {
    name: "add",
    does: "Add members. They decide by their inbox policy; they read what is sent from then on.",
    apply: (agent, group, members, wait) => agent.groups.add(group, members, wait),
  });
  changes(command, act, {
    name: "remove",
    does: "Remove members. They read nothing of what is sent from then on.",
    apply: (agent, group, members, wait) => agent.groups.remove(group, members, wait),
  });
  changes(command, act, {
    name: "promote",
    does: "Make members admins.",
    apply: (agent, group, members, wait) => agent.groups.promote(group, members, wait),
  });
  changes(command, act, {
    name: "demote",
    does: "Make admins members like others.",
    apply: (agent, group, members, wait) => agent.groups.demote(group, members, wait),
  });
  waits(command.command("rename <group> <name>"))
    .description("Give a group another name, for all of its members.")
    .addHelpText("after", "\nExample:\n  aimessage group rename @team ops\n")
    .action(act(rename));
  waits(addYesFlag(command.command("accept <group>")))
    .description("Take an invitation: what is sent from now on comes to this agent.")
    .addHelpText("after", "\nExample:\n  aimessage group accept @team\n")
    .action(act(accept));
  waits(command.command("refuse <group>"))
    .description("Decline an invitation.")
    .addHelpText("after", "\nExample:\n  aimessage group refuse @team\n")
    .action(act(leave));
  waits(command.command("leave <group>"))
    .description("Leave a group. Its last admin makes somebody else one first.")
    .addHelpText("after", "\nExample:\n  aimessage group leave @team\n")
    .action(act(leave));
  command
    .command("list")
    .description("List the groups that this agent is in, or is invited to.")
    .addHelpText("after", "\nExample:\n  aimessage group list --json\n")
    .action(act(list));
  command
    .command("info <group>")
    .description("Show a group: what needs a look, its admins, its members.")
    .option("--all", "each member by a line, however many there are")
    .addHelpText("after", INFO)
    .action(act(info));
}

function waits(command: Command): Command {
  return command.addOption(
    new Option("--timeout <time>", "how long to wait").argParser(patience).default(30_000, "30s"),
  );
}

interface Change {
  name: string;
  does: string;
  apply: (
    agent: Agent,
    group: string,
    members: string[],
    wait: { timeout: number; signal: AbortSignal },
  ) => Promise<void>;
}

/** A command that changes who is in a group, or what they may do. */
function changes(command: Command, act: Act, { name, does, apply }: Change): void {
  const change = async (call: Call, options: Waits, group: string, members: string[]): Promise<void> => {
    await using agent = await openAgent(call, "group");
    await apply(agent, group, members, waitOf(call, options));
    await confirm(call, await agent.groups.find(group));
  };
  waits(command.command(`${name} <group> <members...>`))
    .description(does)
    .addHelpText("after", `\nExample:\n  aimessage group ${name} @team dave\n`)
    .action(act(change));
}

function waitOf({ context }: Call, { timeout }: Waits): { timeout: number; signal: AbortSignal } {
  return { timeout, signal: context.interrupted };
}

interface Founding extends Waits {
  about?: string;
  like?: string;
}

async function create(call: Call, options: Founding, name: string, members: string[]): Promise<void> {
  const { about, like } = options;
  if (members.length === 0 && like === undefined)
    throw new UsageError("a group needs members", "as in: aimessage group create team bob carol");
  await using agent = await openAgent(call, "group");
  const how = { ...(about === undefined ? {} : { about }), ...waitOf(call, options) };
  const group = await found(agent, name, { members, like, ...how });
  await call.out.confirm([`@${group.name} created: ${group.members.length} members`], groupJson(group));
}

async function rename(call: Call, options: Waits, group: string, name: string): Promise<void> {
  await using agent = await openAgent(call, "group");
  await agent.groups.rename(group, name, waitOf(call, options));
  await confirm(call, await agent.groups.find(name));
}

async function accept(call: Call, { yes }: Waits & { yes?: true }, group: string): Promise<number> {
  if (!(await agreed(call, { yes, what: `joining ${group}`, question: `Take the invitation to ${group}?` }))) return 1;
  await using agent = await openAgent(call, "group");
  await agent.groups.accept(group);
  await confirm(call, await agent.groups.find(group));
  return 0;
}

async function leave(call: Call, options: Waits, group: string): Promise<void> {
  await using agent = await openAgent(call, "group");
  const { name } = await agent.groups.find(group);
  await agent.groups.leave(group, waitOf(call, options));
  await call.out.confirm([`This agent is not in @${name} any more.`], { group: name, left: true });
}

async function list(call: Call): Promise<void> {
  await using agent = await openAgent(call, "group");
  await fetchWaiting(call, agent);
  const groups = await agent.groups.list();
  await call.out.data(listLines(groups), { groups: groups.map(groupJson) });
}

async function info(call: Call, { all }: { all?: true }, name: string): Promise<void> {
  await using agent = await openAgent(call, "group");
  await fetchWaiting(call, agent);
  const group = await agent.groups.find(name);
  const members = await agent.groups.members(name);
  const lines = infoLines(group, members, { all: all === true });
  await call.out.data(lines, { ...groupJson(group), roster: members.map(memberJson) });
}

async function confirm(call: Call, group: Group): Promise<void> {
  await call.out.confirm([`@${group.name}: ${group.members.length} members`], groupJson(group));
}
