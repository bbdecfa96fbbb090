import type { Command } from "commander";
import { openAgent } from "../agent.ts";
import { fetchWaiting } from "../fresh.ts";
import type { Act, Call } from "../call.ts";
import { agreed, addYesFlag } from "../consent.ts";
import { invitationHints, invitationLines } from "../group-view.ts";
import { listUnlessNamed } from "../groups.ts";
import { messageJson, messageLine } from "../message.ts";
import { requestJson } from "../requests.ts";
import { counted } from "../counted.ts";
import { localTime } from "../times.ts";
import { tellRelay } from "./contacts.ts";
import { table } from "@aimessage/sdk/program";
import { usernameKey } from "@aimessage/sdk/protocol";
import type { InboxPolicy } from "@aimessage/sdk/node";

const EXAMPLES = `
Examples:
  aimessage requests policy contacts    strangers wait here from now on
  aimessage requests                    those who do
  aimessage requests show carol
  aimessage requests accept carol

Who may write: with open (where nothing is said) anybody; with contacts those whom you have written to or accepted, and others wait here; with closed
others are refused. What waits reaches no listener, no command and no assistant, and no program writes to whoever waits (exit 5): what you send at a
terminal accepts it. Twenty messages of one sender wait, a thousand senders, for 14 days.
`;

const POLICIES = ["open", "contacts", "closed"];

export function configure(command: Command, act: Act): void {
  listUnlessNamed(command, act, list)
    .description(
      "Say who may write to this agent, and decide about strangers who would like to. Without a command: list.",
    )
    .addHelpText("after", EXAMPLES);
  command
    .command("list")
    .description("List the strangers who wait.")
    .addHelpText("after", "\nExample:\n  aimessage requests list --json\n")
    .action(act(list));
  command
    .command("show <name>")
    .description("Show what one has sent.")
    .addHelpText("after", "\nExample:\n  aimessage requests show carol\n")
    .action(act(show));
  addYesFlag(command.command("accept <name>"))
    .description("Let one in: what it has sent comes now, and what it sends from now on.")
    .addHelpText("after", "\nExample:\n  aimessage requests accept carol\n")
    .action(act(accept));
  addYesFlag(command.command("refuse <name>"))
    .description("End what one has sent: it hears so, and may ask again.")
    .addHelpText("after", "\nExample:\n  aimessage requests refuse carol\n")
    .action(act(refuse));
  addYesFlag(command.command("block <name>"))
    .description("The same, and take nothing of it any more, nor have the relay take it.")
    .addHelpText("after", "\nExample:\n  aimessage requests block mallory\n")
    .action(act(block));
  addYesFlag(command.command("policy"))
    .argument("[policy]", POLICIES.join(", "))
    .description("Show who may write to this agent, or say so.")
    .addHelpText("after", "\nExample:\n  aimessage requests policy contacts\n")
    .action(act(policy));
}

async function list(call: Call): Promise<void> {
  await using agent = await openAgent(call, "requests");
  await fetchWaiting(call, agent);
  const [policy, requests] = [await agent.requests.policy(), await agent.requests.list()];
  const rows = requests.map((request) => [
    request.username,
    String(request.messages),
    localTime(request.lastAt),
    request.fingerprint,
  ]);
  const invited = (await agent.groups.list()).filter(({ state }) => state === "invited");
  const invitations = invitationLines(invited);
  const people = rows.length === 0 ? [] : table([["NAME", "MESSAGES", "LAST", "FINGERPRINT"], ...rows]);
  const lines = people.length + invitations.length === 0 ? ["Nobody waits."] : [...people, ...invitations];
  await call.out.data([...lines, "", `Who may write: ${MEANINGS[policy]}`], {
    policy,
    requests: requests.map(requestJson),
    ...(invited.length === 0 ? {} : { invitations: invited.map(({ name: group, inviter }) => ({ group, inviter })) }),
  });
  if (!call.settings.json) for (const hint of invitationHints(invited)) call.out.note(hint);
}

const MEANINGS: Record<InboxPolicy, string> = {
  open: "anybody (open)",
  contacts: "those whom you have written to or accepted; others wait here (contacts)",
  closed: "those whom you have written to or accepted; others are refused (closed)",
};

async function show(call: Call, _options: object, name: string): Promise<void> {
  await using agent = await openAgent(call, "requests");
  const messages = await agent.requests.show(name);
  await call.out.data(
    messages.map((message) => messageLine(message)),
    { messages: messages.map((message) => messageJson(message)) },
  );
}

async function accept(call: Call, { yes }: { yes?: true }, name: string): Promise<number> {
  await using agent = await openAgent(call, "requests");
  const request = (await agent.requests.list()).find(({ username }) => usernameKey(username) === usernameKey(name));
  const who = request === undefined ? name : `${request.username} (${request.fingerprint})`;
  if (request !== undefined && !(await agreed(call, { yes, what: `accepting ${name}`, question: `Accept ${who}?` })))
    return 1;
  const messages = await agent.requests.accept(name);
  await call.out.confirm([`${name} is accepted: ${counted(messages)} in the inbox now.`], { username: name, messages });
  await tellRelay(call, agent);
  return 0;
}

async function refuse(call: Call, _options: object, name: string): Promise<void> {
  await using agent = await openAgent(call, "requests");
  const messages = await agent.requests.refuse(name);
  await call.out.confirm([`${name} is refused, and hears so: ${counted(messages)}.`], { username: name, messages });
  await tellRelay(call, agent);
}

async function block(call: Call, _options: object, name: string): Promise<void> {
  await using agent = await openAgent(call, "requests");
  await agent.requests.show(name);
  await agent.block(name);
  await call.out.confirm([`${name} is blocked, and hears so.`], { username: name, blocked: true });
  await tellRelay(call, agent);
}

async function policy(call: Call, { yes }: { yes?: true }, wanted: InboxPolicy | undefined): Promise<number> {
  await using agent = await openAgent(call, "requests");
  const before = await agent.requests.policy();
  if (wanted !== undefined && wanted !== before) {
    const question = `Let write from now on: ${MEANINGS[wanted] ?? wanted}?`;
    const isLess = before === "open" || wanted === "closed";
    if (!isLess && !(await agreed(call, { yes, what: "letting more of them write", question }))) return 1;
    await agent.requests.setPolicy(wanted);
  }
  const after = wanted ?? before;
  await call.out.data([`Who may write: ${MEANINGS[after]}`], { policy: after });
  return 0;
}
