import type { Agent, IncomingMessage, Message } from "@aimessage/sdk/node";
import { Option, type Command } from "commander";
import { followOutages, openAgent } from "../agent.ts";
import type { Act, Call } from "../call.ts";
import { interruptedExit } from "../context.ts";
import type { WebhookFlags } from "../doors/webhook-flags.ts";
import { UsageError } from "../errors.ts";
import { addRootFlag, filesRoot } from "../file-flags.ts";
import { FilesShown } from "../file-progress.ts";
import { tellGroupChanges } from "../group-changes.ts";
import { shortId } from "../ids.ts";
import { messageJson, messageLine } from "../message.ts";
import { Repeatable } from "../repeatable.ts";
import { isGone, type SavedFile, type SaveFlags, Saver } from "../saving.ts";
import { sayWhoWaits } from "../requests.ts";
import { type Output, StdoutError } from "@aimessage/sdk/program";
import { count, patience, size } from "../values.ts";

interface Options extends WebhookFlags, SaveFlags {
  count?: number;
  timeout?: number;
  from?: string;
  share?: true;
  once?: true;
  ack?: true;
  exec?: string;
  reply?: "asked" | "always";
  parallel: number;
  execTimeout: number;
  attempts: number;
  filesRoot?: string;
}

const EXAMPLES = `
Examples:
  aimessage listen
  aimessage listen --json --count 1 --timeout 60
  aimessage listen --once
  aimessage listen --exec 'tr a-z A-Z' --reply
  aimessage listen --json --ack
  aimessage listen --save-dir in --max-file 500MiB

--exec: the body is its input; AIMESSAGE_FROM, _GROUP, _ID, _THREAD, _REPLY_TO, _CONTENT_TYPE, _VERIFIED, _TRUST, _ATTEMPT, _EXPECTS_REPLY and _HUMAN are in its environment, and with --save-dir _FILES, a whole path a line. Exit
code 0: handled. 75, or a signal: again later. 65: a dead letter. Anything else: again, and after --attempts a dead letter, with the last line of its
stderr, but for hints, as the reason. What a sender sends is handled in its order. Listeners with --exec or --ack take turns.
--ack: after each line it waits for {"handled": ID}, {"failed": ID, "reason": TEXT} or {"retry": ID} on stdin; what nothing is said of is given back
when stdin ends.

--once --json: the last line is {"count": N}, how many messages came. Where a file could not be saved --once ends with the exit code of that.

A line is written when it is whole, and on the disk if it goes into a file; else its message is shown again. JSON keys: message_id, peer_id, from, to, body,
content_type, sent_at, received_at (Unix milliseconds), offline, verified, trust; body_base64 if the body is not UTF-8 text; expects_reply, human (by its sender's word), late, reply_to, thread and
headers where it has them; files, a list of name, bytes, type, sha256, and path where it was saved, or error and code.

Files are saved before their message is shown. Where one cannot be had the message is shown, says so, and stays unhandled: inbox save ID tries again.
`;

export function configure(command: Command, act: Act): void {
  command
    .description(
      "Print messages as they arrive, those that waited first. Without --ack, --exec or --webhook a message counts as handled when its line is written.",
    )
    .addOption(new Option("--count <n>", "stop after so many messages").argParser(count))
    .addOption(
      new Option("--timeout <time>", "stop after this time; exit 7 if --count is not reached").argParser(patience),
    )
    .option("--from <name>", "only messages of this sender; others stay unread")
    .option("--share", "take turns with the other listeners of this agent that share")
    .option("--once", "stop when everything that waits at the relay now has come")
    .option("--save-dir <folder>", "save files of messages there")
    .addOption(new Option("--max-file <size>", "none that is larger: 500MiB, 1GiB (default 1GiB)").argParser(size))
    .option("--ack", "with --json: a message is handled when its reader says so on stdin")
    .option("--exec <command>", "have a shell command handle each message")
    .option("--webhook <url>", "post each message to a web service")
    .option("--webhook-secret <secret>", "sign by it (Standard Webhooks): @FILE")
    .addOption(new Repeatable("--webhook-header <header>", "repeatable: send a header: 'Name: value', or @FILE"))
    .option("--webhook-template <json>", "post this JSON, or @FILE, with {{body}}, {{from}} and the like filled in")
    .addOption(
      new Option(
        "--reply [when]",
        "with --exec or --webhook: what it prints, or answers, is the reply, to messages that expect one, or always",
      )
        .choices(["asked", "always"])
        .preset("asked"),
    )
    .addOption(
      new Option("--parallel <n>", "with a door: messages at a time, of one sender one").argParser(count).default(1),
    )
    .addOption(
      new Option("--exec-timeout <time>", "how long a command, or a web service, may take")
        .argParser(patience)
        .default(600_000, "10m"),
    )
    .addOption(
      new Option("--attempts <n>", "how often a command, or a web service, may fail").argParser(count).default(3),
    )
    .addHelpText("after", EXAMPLES)
    .action(act(listen));
  addRootFlag(command);
}

async function listen(call: Call, options: Options): Promise<number> {
  const { context, out } = call;
  refuseMixed(options, call);
  const overdue = options.timeout === undefined ? undefined : AbortSignal.timeout(options.timeout);
  const signal = overdue === undefined ? context.interrupted : AbortSignal.any([context.interrupted, overdue]);
  context.interrupted.addEventListener("abort", () => out.note("Stopping listener..."));
  using shown = new FilesShown(call);
  const saver = await Saver.of(call, options, shown);
  if (options.exec !== undefined && /[\n\r]/.test(saver.path))
    throw new UsageError("the path of --save-dir has a line break", "AIMESSAGE_FILES has a path a line");
  const door = await doorOf(options, call, saver);
  await using agent = await openAgent(call, roleOf(options));
  await sayIfUnheard(agent, options.from, out);
  await warnOfOther(agent, options, out);
  await sayWhoWaits(agent, out);
  if (options.once !== true) tellGroupChanges(agent, out);
  const outage = followOutages(agent, options.once === true ? undefined : out, signal);
  if (!signal.aborted)
    out.note(
      options.once === true
        ? `Taking what waits for ${agent.username}...`
        : `Listening for messages as ${agent.username}... (Press Ctrl+C to stop)`,
    );

  const { from, once, share } = options;
  let missing = options.count ?? Number.POSITIVE_INFINITY;
  let came = 0;
  let failed = 0;
  try {
    if (door !== undefined) missing -= came = await door(agent, call, signal);
    else
      for await (const message of agent.messages({ from, once, share, signal })) {
        const files = await saver.save(agent, message, signal);
        const labels = files.map((file) => saver.label(file));
        await out.data([messageLine(message, labels)], messageJson(message, files), { until: signal, onDisk: true });
        sayOfFiles(message, files, saver, out);
        const lost = files.flatMap(({ error }) => (error === undefined || isGone(error) ? [] : [error.exit]));
        if (lost.length === 0) await message.handled();
        failed = Math.max(failed, ...lost);
        if (message.expectsReply)
          out.note(`${message.from} waits for a reply: aimessage reply ${shortId(message.id)} -m TEXT`);
        came += 1;
        missing -= 1;
        if (missing === 0) break;
      }
  } catch (error) {
    if (error instanceof StdoutError) throw await givenBack(error);
    if (!signal.aborted) throw error;
  }
  if (missing <= 0) return 0;
  if (context.interrupted.aborted) return interruptedExit(context);
  if (outage.error !== undefined) throw outage.error;
  if (options.once === true && !signal.aborted) {
    if (call.settings.json) await out.data([], { count: came });
    return failed;
  }
  if (options.count === undefined) return 0;
  const { AgentError } = await import("@aimessage/sdk/node");
  throw new AgentError("timeout", `time ran out: ${came} of ${options.count} messages came`, {
    hint: "what comes later waits for the next listen",
  });
}

/** How files are to be had that were not saved. */
function sayOfFiles(message: Message, files: readonly SavedFile[], saver: Saver, out: Output): void {
  const { from } = message;
  if (saver.folder === undefined && files.length > 0)
    out.note(
      `${from} has sent ${files.length === 1 ? "a file" : `${files.length} files`}: ${saver.commandFor(message)}`,
    );
  for (const file of files)
    if (file.error !== undefined && isGone(file.error)) out.warn(file.error.message);
    else if (file.error !== undefined)
      out.warn(
        `${file.error.message}, and the message of ${from} stays unhandled; to try again: ${saver.commandFor(message, file)}`,
      );
}

type Door = (agent: Agent, call: Call, signal: AbortSignal) => Promise<number>;

/** Who handles the messages, if that is not whoever reads them. */
async function doorOf(options: Options, { context }: Call, saver: Saver): Promise<Door | undefined> {
  if (options.ack === true) {
    const { handleByReader } = await import("../doors/ack.ts");
    return (agent, { out }, signal) => handleByReader(agent, options, { context, out, saver }, signal);
  }
  const { exec, webhook } = options;
  if (exec === undefined && webhook === undefined) return undefined;
  const { work } = await import("../doors/work.ts");
  if (exec !== undefined) {
    const { byCommand } = await import("../doors/command.ts");
    const root = await filesRoot(context, options.filesRoot);
    return async (agent, { out }, signal) => {
      const { largestBody: largest, folder } = agent;
      const save = async (message: IncomingMessage, until: AbortSignal) => {
        const files = await saver.save(agent, message, until);
        for (const { error } of files)
          if (error !== undefined && isGone(error)) out.warn(`${error.message}; the command begins without it`);
        return files;
      };
      const files = { filesRoot: root.path, save: saver.folder === undefined ? undefined : save };
      const how = { command: exec, timeout: options.execTimeout, largest, env: context.env, folder };
      using commands = byCommand({ ...how, ...files });
      return await work(agent, options, { handle: commands.handle, out, until: signal });
    };
  }
  const { byWebhook } = await import("../doors/webhook.ts");
  const { readWebhook } = await import("../doors/webhook-flags.ts");
  const hook = readWebhook(options, context);
  return (agent, { out }, signal) => {
    const handle = byWebhook({ ...hook, timeout: options.execTimeout, largest: agent.largestBody });
    return work(agent, options, { handle, out, until: signal });
  };
}

/** @throws UsageError */
function refuseMixed(options: Options, { settings }: Call): void {
  const { exec, webhook, ack, reply } = options;
  const doors = [exec, webhook, ack].filter((door) => door !== undefined);
  if (doors.length > 1)
    throw new UsageError("--exec, --webhook and --ack exclude each other", "one of them handles the messages");
  if (ack === true && !settings.json) throw new UsageError("--ack needs --json", "its reader is a program");
  if (webhook !== undefined && options.saveDir !== undefined)
    throw new UsageError(
      "--webhook takes no --save-dir",
      "a web service gets names and sizes; inbox save fetches files",
    );
  if (options.maxFile !== undefined && options.saveDir === undefined)
    throw new UsageError("--max-file needs --save-dir", "without it nothing is saved");
  if (options.filesRoot !== undefined && exec === undefined)
    throw new UsageError("--files-root needs --exec", "it says which files the command may send");
  if (reply !== undefined && exec === undefined && webhook === undefined)
    throw new UsageError("--reply needs --exec or --webhook", "what that prints, or answers, is the reply");
}

/** A listener for a name that nobody has waits for ever; one that is there before its sender has written does not. @throws AgentError bad_username */
async function sayIfUnheard(agent: Agent, name: string | undefined, out: Output): Promise<void> {
  if (name === undefined || (await agent.contact(name)) !== undefined) return;
  out.note(`Nothing has come from ${name} yet: its first message is waited for.`);
}

/** What this listener does, for others of its agent. */
function roleOf({ exec, webhook, ack, share }: Options): string {
  const how = exec !== undefined ? "exec" : webhook !== undefined ? "webhook" : ack === true ? "ack" : undefined;
  return how === undefined ? (share === true ? "listen --share" : "listen") : `listen --${how}`;
}

/** One that prints each message has it handled by that, and whoever else should answer it never gets it. */
async function warnOfOther(agent: Agent, options: Options, out: Output): Promise<void> {
  const other = await agent.linkHolder();
  if (other === undefined || other.pid === process.pid || !other.role.startsWith("listen")) return;
  const [own, theirs] = [roleOf(options), other.role].map((role) => role === "listen");
  if (own === theirs) return;
  const [prints, waits] = own
    ? ["this one", `process ${other.pid} (${other.role})`]
    : [`process ${other.pid}`, "this one"];
  out.warn(
    `another listener of ${agent.username} runs: what ${prints} prints is handled by that, and ${waits} does not get it`,
  );
}

/** A message that stdout has not taken whole is not handled. */
async function givenBack(error: StdoutError): Promise<Error> {
  if (error.code !== "ETIMEDOUT") return error;
  const { AgentError } = await import("@aimessage/sdk/node");
  const hint = "the message that came is shown again by the next listen";
  return new AgentError("timeout", error.message, { hint, cause: error });
}
