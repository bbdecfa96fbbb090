import {
  createOutput,
  eachOptionOnce,
  garbledArgument,
  type Output,
  StdoutError,
  withHelpFlag,
} from "@aimessage/sdk/program";
import { Command, CommanderError } from "commander";
import type { Act } from "./call.ts";
import { type Context, interruptedExit } from "./context.ts";
import { reportError, UsageError } from "./errors.ts";
import { typedOf, withHints } from "./hints.ts";
import { addGlobalFlags, readSettings } from "./settings.ts";
import { VERSION } from "./version.ts";

interface CommandFile {
  /** Adds description, options, examples and action. */
  configure(command: Command, act: Act): void;
}

/** A command's file is loaded when the command is called. */
const commands: Record<string, { summary: string; load: () => Promise<CommandFile> }> = {
  register: { summary: "register a new agent at a relay", load: () => import("./commands/register.ts") },
  send: { summary: "send an encrypted message", load: () => import("./commands/send.ts") },
  ask: { summary: "ask another agent, and print its reply", load: () => import("./commands/ask.ts") },
  asks: { summary: "list the questions that are open", load: () => import("./commands/asks.ts") },
  reply: { summary: "answer a message", load: () => import("./commands/reply.ts") },
  listen: { summary: "print messages as they arrive", load: () => import("./commands/listen.ts") },
  pipe: { summary: "be an agent for a program, by JSON lines", load: () => import("./commands/pipe.ts") },
  mcp: { summary: "be an agent for an assistant, by MCP", load: () => import("./commands/mcp.ts") },
  watch: { summary: "say that messages have come, take none", load: () => import("./commands/watch.ts") },
  users: { summary: "list the users that are online", load: () => import("./commands/users.ts") },
  inbox: { summary: "look at received messages, consume none", load: () => import("./commands/inbox.ts") },
  status: { summary: "say what became of a sent message", load: () => import("./commands/status.ts") },
  outbox: { summary: "list, retry and discard sent messages", load: () => import("./commands/outbox.ts") },
  dead: { summary: "messages that no handler could handle", load: () => import("./commands/dead.ts") },
  console: { summary: "a page to look, verify and answer", load: () => import("./commands/console.ts") },
  whoami: { summary: "show this agent's name and fingerprint", load: () => import("./commands/whoami.ts") },
  pair: { summary: "pair with another agent by one pasted line", load: () => import("./commands/pair.ts") },
  verify: { summary: "compare a contact's fingerprint", load: () => import("./commands/verify.ts") },
  requests: { summary: "strangers: list, show, accept, refuse, block", load: () => import("./commands/requests.ts") },
  guard: { summary: "limits for programs that answer each other", load: () => import("./commands/guard.ts") },
  contacts: { summary: "list, add, trust, rate, block, allow contacts", load: () => import("./commands/contacts.ts") },
  group: { summary: "groups: create, add, remove, leave, list", load: () => import("./commands/group.ts") },
  backup: { summary: "write identity and contacts into a file", load: () => import("./commands/backup.ts") },
  restore: { summary: "make the agent of a backup this machine's", load: () => import("./commands/restore.ts") },
  seal: { summary: "seal this agent's store with a passphrase", load: () => import("./commands/seal.ts") },
  install: { summary: "set an assistant up: tools, hooks and skill", load: () => import("./commands/install.ts") },
  uninstall: { summary: "take out what install has put in", load: () => import("./commands/uninstall.ts") },
  hook: { summary: "say to an assistant that messages wait", load: () => import("./commands/hook.ts") },
  doctor: { summary: "check relay, login, store, clock and keys", load: () => import("./commands/doctor.ts") },
  bench: { summary: "measure a relay", load: () => import("./commands/bench.ts") },
  unregister: { summary: "remove this agent, here and at the relay", load: () => import("./commands/unregister.ts") },
};

/** Behind these there is a name or an id, which may be `help`. */
const WITH_NAMES = new Set(["verify", "status", "reply"]);
/** Global flags that take the next word. */
const TAKING = new Set(["-u", "--username", "-s", "--server", "--home"]);

const EXIT_CODES = `
Exit codes:
  0 done                 1 error
  2 wrong usage          3 not registered
  4 relay unreachable    7 time-out
  5 refused: by the relay (login, limits, unknown name), by the other side's
    owner, or here for want of consent
  6 security stop: another identity, device or fingerprint, or somebody else in
    a pairing
  130, 143 interrupted before it was done (SIGINT as of Ctrl+C, SIGTERM)

Example:
  aimessage register -u alice -s ws://localhost:8080
  aimessage send -t bob -m "hello"
  aimessage listen
`;

/** Runs one command line and returns its exit code. Never throws. */
export async function run(argv: readonly string[], context: Context): Promise<number> {
  const exit = await runCommand(argv, context);
  return exit !== 0 && context.interrupted.aborted ? interruptedExit(context) : exit;
}

async function runCommand(argv: readonly string[], context: Context): Promise<number> {
  let exitCode = 0;
  let json = argv.includes("--json");
  let out = createOutput(context, { json, quiet: false });
  let help = "";
  let program: Command | undefined;
  const act: Act =
    (handler) =>
    async (...parameters) => {
      const command = parameters.at(-1) as Command;
      const flags = command.optsWithGlobals();
      const settings = readSettings(flags, context);
      out = withHints(createOutput(context, settings), await typedOf(flags, settings, context), isCommand);
      json = settings.json;
      const [options, args] = [parameters.at(-2), parameters.slice(0, -2)];
      exitCode = (await handler({ context, settings, out }, options as never, ...(args as never))) ?? 0;
    };
  try {
    const args = withHelpFlag(helpFirst(argv), (command) => isCommand(command) && !WITH_NAMES.has(command));
    refuseGarbled(argv);
    program = createProgram(out, act, { json, columns: columnsOf(context), writeHelp: (text) => (help += text) });
    await program.parseAsync(args, { from: "user" });
    return exitCode;
  } catch (error) {
    // Help and version; help that nobody asked for means that a command was missing.
    if (error instanceof CommanderError && error.exitCode === 0) return printHelp(help, out, columnsOf(context));
    const missing = error instanceof CommanderError && error.code === "commander.help";
    const command = argv.find(isCommand);
    const reason = missing ? new UsageError("a command is required", "see: aimessage --help") : error;
    const exit = await reportError(reason, out, program && nameOf(program, argv));
    // To hosts of assistants 2 says that the turn shall go on, and for that reason.
    return command === "hook" && exit === 2 ? 1 : exit;
  }
}

/** The command that was called, with the subcommand, if there is one: `requests refuse`. */
function nameOf(program: Command, argv: readonly string[]): string | undefined {
  const at = argv.findIndex(isCommand);
  const next = argv.slice(at + 1).find((word) => !word.startsWith("-"));
  const called = program.commands.find((command) => command.name() === argv[at]);
  const within = called?.commands.find((command) => command.name() === next);
  return called && [called, within].flatMap((command) => command?.name() ?? []).join(" ");
}

function isCommand(word: string): boolean {
  return Object.hasOwn(commands, word);
}

/** `help` is a command that may stand behind global flags. @throws UsageError if what it shall explain is no command */
function helpFirst(argv: readonly string[]): readonly string[] {
  const at = argv.findIndex((word, index) => !word.startsWith("-") && !TAKING.has(argv[index - 1] ?? ""));
  if (argv[at] !== "help") return argv;
  const about = argv.slice(at + 1).filter((word) => !word.startsWith("-"));
  const [first] = about;
  if (first !== undefined && !isCommand(first))
    throw new UsageError(`unknown command '${first}'`, "see: aimessage --help");
  return ["help", ...about];
}

/** A message that is not as it was meant must not leave, and a file not be made under another name. @throws UsageError */
function refuseGarbled(argv: readonly string[]): void {
  const garbled = garbledArgument(argv);
  if (garbled === undefined) return;
  const hint = "pipe a message as it is: ... | aimessage send -t NAME -m -; names and paths must be UTF-8";
  throw new UsageError(`an argument is no UTF-8 text: ${garbled}`, hint);
}

function columnsOf({ stdout }: Context): number | undefined {
  return (stdout as { columns?: number }).columns;
}

/** Columns of a terminal that does not say how many it has. */
const COLUMNS = 80;

/** Paragraphs as wide as the terminal; what is indented is a list, or to be copied. */
function wrapped(help: string, columns = COLUMNS): string {
  const paragraphs: string[] = [];
  for (const line of help.split("\n")) {
    const last = paragraphs.at(-1) ?? "";
    // One of several lines goes on after each that is wide.
    const goesOn = last.length > columns && isText(last) && isText(line) && !line.startsWith("--");
    if (goesOn) paragraphs.push(`${paragraphs.pop()} ${line}`);
    else paragraphs.push(line);
  }
  const parts = new RegExp(`(.{1,${columns - 1}})(?: +|$)`, "g");
  return paragraphs.map((text) => (isText(text) ? text.replaceAll(parts, "$1\n").trimEnd() : text)).join("\n");
}

function isText(line: string): boolean {
  return line !== "" && !line.startsWith(" ");
}

/** A reader such as `head` has read enough. */
async function printHelp(help: string, out: Output, columns: number | undefined): Promise<number> {
  return out.text(wrapped(help, columns)).then(
    () => 0,
    (error: unknown) =>
      error instanceof StdoutError && error.code === "EPIPE" ? 0 : reportError(error, out, undefined),
  );
}

interface Printed {
  json: boolean;
  columns: number | undefined;
  writeHelp: (text: string) => void;
}

function createProgram(out: Output, act: Act, { json, columns = COLUMNS, writeHelp }: Printed): Command {
  const program = new Command("aimessage");
  const version = VERSION;
  program
    .description("End-to-end encrypted, durable messages between AI agents.")
    .helpCommand(false)
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({
      writeOut: writeHelp,
      // As wide as paragraphs are made, or these would be broken once more.
      getOutHelpWidth: () => columns - 1,
      getErrHelpWidth: () => columns - 1,
      // Help that nobody asked for; programs get an error instead.
      writeErr: (text) => void (json || out.text(text, "stderr")),
      // Told once, by reportError.
      outputError: () => undefined,
    })
    .addHelpText("after", EXIT_CODES);
  addGlobalFlags(program, version);
  const seen = new Set<string>();
  eachOptionOnce(program, seen);
  for (const [name, { summary }] of Object.entries(commands))
    program.command(name).summary(summary).description(summary);
  program.hook("preSubcommand", async (_program, command) => {
    (await commands[command.name()]?.load())?.configure(command, act);
    for (const each of [command, ...command.commands]) addGlobalFlags(each, version);
    eachOptionOnce(command, seen);
  });
  return program;
}
