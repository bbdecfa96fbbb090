import { Option, type Command } from "commander";
import { openAgent } from "../agent.ts";
import type { Act, Call } from "../call.ts";
import { addYesFlag, agreed } from "../consent.ts";
import { UsageError } from "../errors.ts";
import { fetchWaiting } from "../fresh.ts";
import { found } from "../group-change.ts";
import { aliasNote, changedText, type MemberChange, renamedText } from "../group-said.ts";
import { groupJson, infoLines, invitationHints, invitationLines, listLines, memberJson } from "../group-view.ts";
import { counted } from "../counted.ts";
import { listUnlessNamed } from "../groups.ts";
import { patience } from "../values.ts";
import type { Group } from "@aimessage/sdk/node";

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
DEVICE: 1 for the first device of that agent, 2 for the one that took its place. HEARD: when something came of it in this group last. KEYS: how old they are, as far as is known here.
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
  changes(
    command,
    act,
    "add",
    "Add members, which an admin may. They decide by their inbox policy; they read what is sent from then on.",
  );
  changes(
    command,
    act,
    "remove",
    "Remove members, which an admin may. They read nothing of what is sent from then on. One that is an admin is demoted first.",
  );
  changes(command, act, "promote", "Make members admins, which an admin may.");
  changes(
    command,
    act,
    "demote",
    "Make admins members like others, which an admin may. The last one makes somebody else one first.",
  );
  waits(command.command("rename <group> <name>"))
    .description("Give a group another name, for all of its members, which an admin may.")
    .addHelpText("after", "\nExample:\n  aimessage group rename @team ops\n")
    .action(act(rename));
  waits(addYesFlag(command.command("accept <group>")))
    .description("Take an invitation: what is sent from now on comes to this agent. Without a terminal it wants --yes.")
    .addHelpText("after", "\nExample:\n  aimessage group accept @team\n")
    .action(act(accept));
  waits(command.command("refuse <group>"))
    .description("Decline an invitation.")
    .addHelpText("after", "\nExample:\n  aimessage group refuse @team\n")
    .action(act(refuse));
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

/** A command that changes who is in a group, or what they may do. */
function changes(command: Command, act: Act, kind: MemberChange, does: string): void {
  const change = async (call: Call, options: Waits, group: string, members: string[]): Promise<void> => {
    await using agent = await openAgent(call, "group");
    const before = await agent.groups.find(group);
    await agent.groups[kind](group, members, waitOf(call, options));
    const after = await agent.groups.find(group);
    await call.out.confirm([changedText(kind, members, before, after)], groupJson(after));
  };
  waits(command.command(`${kind} <group> <members...>`))
    .description(does)
    .addHelpText("after", `\nExample:\n  aimessage group ${kind} @team dave\n`)
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
    throw new UsageError("a group needs members", `as in: aimessage group create ${name} bob carol`);
  await using agent = await openAgent(call, "group");
  const how = { ...(about === undefined ? {} : { about }), ...waitOf(call, options) };
  const group = await found(agent, name, { members, like, ...how });
  await call.out.confirm([`@${group.name} created: ${counted(group.members.length, "member")}`], groupJson(group));
  sayAlias(call, name, group);
}

async function rename(call: Call, options: Waits, group: string, name: string): Promise<void> {
  await using agent = await openAgent(call, "group");
  const before = await agent.groups.find(group);
  const after = await agent.groups.rename(group, name, waitOf(call, options));
  await call.out.confirm([renamedText(before, after)], groupJson(after));
  sayAlias(call, name, after);
}

/** Another group may have the name. */
function sayAlias({ out }: Call, wanted: string, group: Group): void {
  const note = aliasNote(wanted.replace(/^@/, ""), group);
  if (note !== undefined) out.note(note);
}

async function accept(call: Call, { yes }: Waits & { yes?: true }, named: string): Promise<number> {
  const group = `@${named.replace(/^@/, "")}`;
  if (!(await agreed(call, { yes, what: `joining ${group}`, question: `Take the invitation to ${group}?` }))) return 1;
  await using agent = await openAgent(call, "group");
  await agent.groups.accept(group);
  const joined = await agent.groups.find(group);
  await call.out.confirm(
    [`This agent is in @${joined.name}: ${counted(joined.members.length, "member")}`],
    groupJson(joined),
  );
  return 0;
}

async function leave(call: Call, options: Waits, group: string): Promise<void> {
  await using agent = await openAgent(call, "group");
  const { name, members } = await agent.groups.find(group);
  await agent.groups.leave(group, waitOf(call, options));
  const said = [
    `This agent is not in @${name} any more.`,
    ...(members.length > 1 ? ["The others see that when one of them is there."] : []),
  ];
  await call.out.confirm(said, { group: name, left: true });
}

async function refuse(call: Call, options: Waits, group: string): Promise<void> {
  await using agent = await openAgent(call, "group");
  const { name, state } = await agent.groups.find(group);
  await agent.groups.refuse(group, waitOf(call, options));
  const said =
    state === "invited" ? `The invitation to @${name} is refused.` : `This agent is not in @${name} any more.`;
  await call.out.confirm([said], { group: name, left: true });
}

async function list(call: Call): Promise<void> {
  await using agent = await openAgent(call, "group");
  await fetchWaiting(call, agent);
  const groups = await agent.groups.list();
  const lines = [...listLines(groups, agent.username), ...invitationLines(groups)];
  await call.out.data(lines, { groups: groups.map(groupJson) });
  if (!call.settings.json) for (const hint of invitationHints(groups)) call.out.note(hint);
}

async function info(call: Call, { all }: { all?: true }, name: string): Promise<void> {
  await using agent = await openAgent(call, "group");
  await fetchWaiting(call, agent);
  const group = await agent.groups.find(name);
  const members = await agent.groups.members(name);
  const lines = infoLines(group, members, { all: all === true });
  await call.out.data(lines, { ...groupJson(group), roster: members.map(memberJson) });
}
