import { Option, type Command } from "commander";
import { openAgent } from "../agent.ts";
import { beginBody } from "../body.ts";
import { FILES_GO_ON, isAgentError, UsageError } from "../errors.ts";
import { fetchWaiting } from "../fresh.ts";
import { addFileFlags, type FileFlags, filesOf } from "../file-flags.ts";
import { FilesShown } from "../file-progress.ts";
import { shortId } from "../ids.ts";
import { addKindFlags, checkedBody, type Kind, kindOf } from "../kind.ts";
import { senderOf } from "../sender.ts";
import type { Act, Call } from "../call.ts";
import { living } from "../recipients.ts";
import { reached, type Reached } from "../reaching.ts";
import type { Agent, MessageStatus, Sent } from "@aimessage/sdk/node";
import type { Output } from "@aimessage/sdk/program";
import { count, duration, patience } from "../values.ts";

interface Options extends Kind, FileFlags {
  to?: string;
  group?: string;
  message?: string;
  wait?: Reached;
  atLeast?: number;
  timeout: number;
  expires?: number;
  replyTo?: string;
}

/** How long a wait for the recipient is not worth a word. Milliseconds. */
const SILENT_MS = 1_000;

const EXAMPLES = `
Examples:
  aimessage send -t bob -m "hello"
  git diff | aimessage send -t bob
  aimessage send -t @team -m "ship it" --wait handled --at-least 5
  aimessage send -t bob -m "deploy now" --wait handled --timeout 2m
  aimessage send -t bob -f report.pdf -f data.csv -m "numbers"

A message that cannot be sent in time stays in the outbox and is sent by the next command that reaches the relay. With files it is sent when all of them
are at the relay, and --timeout counts from the last that has moved. Ctrl+C: what has gone stays, and is not sent again;
${FILES_GO_ON}.
`;

export function configure(command: Command, act: Act): void {
  command
    .description("Send an end-to-end encrypted message. Done when the relay has it on its disk.")
    .option("-t, --to <name>", "recipient: NAME, NAME#FINGERPRINT to pin before first contact, or @GROUP")
    .option("-g, --group <name>", "instead: a group without its @, which PowerShell has for itself")
    .option("-m, --message <text>", "the message; - or, without -f, no -m with a pipe: exactly what stdin holds")
    .addOption(new Option("--wait <state>", "wait until the message is").choices(["stored", "received", "handled"]))
    .addOption(new Option("--at-least <n>", "with --wait: so many members of a group are enough").argParser(count))
    .addOption(new Option("--timeout <time>", "how long to wait").argParser(patience).default(30_000, "30s"))
    .option("--expires <duration>", "not worth delivering after this: 30s, 15m, 1h, 7d", duration)
    .option("--reply-to <id>", "the message of its recipient that this one answers; the first 6 characters are enough")
    .addHelpText("after", EXAMPLES)
    .action(act(send));
  addFileFlags(addKindFlags(command));
}

async function send(call: Call, options: Options): Promise<void> {
  const { interrupted } = call.context;
  const to = recipientOf(options);
  const files = await filesOf(options, call.context);
  const read = await beginBody(call, options.message, files.files);
  await using agent = await openAgent(call, "send");
  const body = checkedBody(await read(agent.largestBody), options);
  const { expires, replyTo, atLeast } = options;
  if (atLeast !== undefined) await refuseTooMany(agent, to, atLeast);
  if (to.startsWith("@")) await hearOf(call, agent, to);
  using shown = new FilesShown(call);
  const sent = await agent.send(to, body, {
    ...kindOf(options),
    ...files,
    onProgress: shown.onProgress,
    ...(expires === undefined ? {} : { expiresIn: expires }),
    ...(replyTo === undefined ? {} : { replyTo: await agent.inboxId(replyTo) }),
    ...senderOf(call.context),
  });
  const how = { state: options.wait, atLeast, timeout: options.timeout, signal: interrupted };
  const status = await confirmed(sent, options, call.out, () => reached(agent, sent, how, shown));
  const at = status.delivered === true ? "delivered" : "stored_offline";
  const recipients = atLeast === undefined ? undefined : await sent.recipients();
  const where = options.wait ?? (at === "delivered" ? at : "stored for offline delivery");
  const reachedBy = recipients?.[options.wait === "handled" ? "handled" : "received"].length;
  const by = recipients === undefined ? "" : ` by ${reachedBy} of ${living(recipients)}`;
  // Whoever has waited knows what became of it.
  const id = options.wait === undefined ? [`Its id: ${shortId(sent.id)}`] : [];
  await call.out.confirm([`Message sent to ${sent.to} (${where}${by})`, ...id], {
    message_id: sent.id,
    to: sent.to,
    status: options.wait ?? at,
    ...(recipients === undefined ? {} : { recipients }),
  });
  if (at === "stored_offline" && options.wait === undefined) await sayIfSilent(agent, sent.to, call.out);
}

/** Whoever was just added to a group may not have heard of it yet. */
async function hearOf(call: Call, agent: Agent, group: string): Promise<void> {
  await agent.groups.find(group).catch(async (error: unknown) => {
    if (isAgentError(error) && error.code === "unknown_group") await fetchWaiting(call, agent);
  });
}

/** Whom it is for. @throws UsageError */
function recipientOf({ to: named, group, wait, atLeast }: Options): string {
  if (named !== undefined && group !== undefined)
    throw new UsageError("-t and -g exclude each other", "a message has one recipient, which may be a group");
  const to = named ?? (group === undefined ? undefined : `@${group.replace(/^@/, "")}`);
  if (to === undefined)
    throw new UsageError("required option '-t, --to <name>' not specified", "see: aimessage send --help");
  if (atLeast === undefined) return to;
  if (wait !== "received" && wait !== "handled")
    throw new UsageError("--at-least needs --wait received or --wait handled", "it says how many have to be as far");
  if (!to.startsWith("@"))
    throw new UsageError(`${to} is one recipient, and --at-least counts several`, "leave it out, or send to a @GROUP");
  return to;
}

/** Before anything is sent: what nobody could ever wait for. @throws UsageError, AgentError unknown_group */
async function refuseTooMany(agent: Agent, to: string, atLeast: number): Promise<void> {
  const others = (await agent.groups.find(to)).members.length - 1;
  if (atLeast > others)
    throw new UsageError(
      `${to} has ${others} other ${others === 1 ? "member" : "members"}, and no ${atLeast}`,
      "nothing was sent",
    );
}

const DAY_MS = 86_400_000;

/** A message to somebody of whom nothing has come for long may wait as long. By what has come from it, not by the relay's word. */
async function sayIfSilent(agent: Agent, name: string, out: Output): Promise<void> {
  const contact = name.startsWith("@") ? undefined : await agent.contact(name);
  if (contact === undefined) return;
  const { heardAt } = contact;
  if (heardAt === undefined && Date.now() - contact.pinnedAt > DAY_MS)
    out.note(`${name} has never confirmed anything.`);
  else if (heardAt !== undefined && Date.now() - heardAt > 2 * DAY_MS)
    out.note(`${name} has confirmed nothing since ${new Date(heardAt).toDateString()}.`);
}

async function confirmed(
  sent: Sent,
  { wait: state, atLeast }: Options,
  out: Output,
  wait: () => Promise<MessageStatus>,
): Promise<MessageStatus> {
  const many = atLeast === undefined ? "everybody in" : `${atLeast} of`;
  const who = `${sent.to.startsWith("@") ? `${many} ${sent.to}` : sent.to} ${(atLeast ?? 1) > 1 ? "have" : "has"}`;
  const waitsFor = `Waiting until ${who} ${state} the message...`;
  const silence =
    state === "received" || state === "handled" ? setTimeout(() => out.note(waitsFor), SILENT_MS) : undefined;
  try {
    return await wait();
  } finally {
    clearTimeout(silence);
  }
}
