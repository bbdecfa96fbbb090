import { userInfo } from "node:os";
import type { Writable } from "node:stream";
import { becomeOwnerOf, createOutput, eachOptionOnce, explainParser, readDuration } from "@aimessage/sdk/program";
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { UsageError } from "../config/usage-error.ts";
import { readFiles } from "../config/config.ts";
import { limitOptions } from "../config/limits.ts";
import { parseLimit } from "../config/options.ts";
import { actions, type Flags } from "./actions.ts";
import { asAdminError } from "./admin-error.ts";
import { VERSION } from "../version.ts";
import { hasPassword, PASSWORD_IN_ARGUMENT } from "../store/postgres/link/store-name.ts";
import { type CommandName, commands, groupOf, groups, isAdminCommand } from "../config/commands.ts";

interface Surroundings {
  readonly stdout: Writable;
  readonly stderr: Writable;
  readonly env: Readonly<Record<string, string | undefined>>;
}

type Help = (text: string) => void;

/**
 * Runs one command of an administrator.
 * @param argv Arguments without the program's name.
 * @throws UsageError, AdminError or StdoutError
 */
export async function runAdmin(argv: string[], context: Surroundings): Promise<void> {
  const program = new Command("aimessage-server").exitOverride();
  const out = createOutput(context, { json: false, quiet: false });
  let printed = "";
  const help = (text: string): void => void (printed += text);
  writeTo(program, help);
  // For what is meant by a word that is no command.
  program.command("serve");
  const parents = new Map(Object.keys(groups).map((name) => [`${name} `, group(program, name, help)]));
  for (const name of Object.keys(commands) as CommandName[])
    addCommand(parents.get(groupOf(name)) ?? program, name, context, help);
  eachOptionOnce(program, new Set());
  try {
    await program.parseAsync(argv, { from: "user" });
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return out.text(printed);
    throw error instanceof CommanderError ? usageError(error, argv) : error;
  }
}

function group(program: Command, name: string, help: Help): Command {
  const { about = "", example = "" } = groups[name] ?? {};
  const command = program.command(name).description(about);
  writeTo(command, help);
  return command
    .option("--json", "print errors as JSON")
    .enablePositionalOptions()
    .helpCommand(false)
    .addHelpText("after", `\nExample:\n  ${example}`);
}

function addCommand(parent: Command, name: CommandName, context: Surroundings, help: Help): void {
  const { usage, about, example, options } = commands[name];
  const command = parent.command(usage).description(about).allowExcessArguments(false);
  writeTo(command, help);
  for (const [flag, what, fallback] of options)
    if (fallback === undefined) command.option(flag, what);
    else command.addOption(new Option(flag, `${what} (default ${fallback})`).argParser(wholeNumber));
  command
    .option("--db <folder>", "folder of the database (default ./data) [DB_PATH]")
    .option("--store <url>", "the PostgreSQL of a cluster instead, as its relays have it [AIMESSAGE_STORE]")
    .option("--json", "JSON on stdout, one object a line")
    .addHelpText("after", `\nExample:\n  ${example}`)
    .action(async () => {
      const given = command.optsWithGlobals<
        Partial<Omit<Flags, "reserveBytes" | "expiresMs" | "files">> & {
          reserveBytes?: string;
          expires?: string;
          files?: string;
          watch?: string | true;
        }
      >();
      const flags: Flags = {
        who: operator(),
        ...whereOf(given, context.env, name === "migrate"),
        json: given.json ?? false,
        force: given.force ?? false,
        release: given.release ?? false,
        back: given.back ?? false,
        files: name === "migrate" ? filesOf(given.files, context.env) : undefined,
        last: given.last ?? defaultOf(name),
        limit: given.limit ?? defaultOf(name),
        reserveBytes: reserveBytes(given.reserveBytes, context.env["AIMESSAGE_RESERVE_BYTES"]),
        only: given.only,
        uses: given.uses ?? defaultOf(name),
        expiresMs: expiresMs(given.expires),
        watchMs: given.watch === undefined ? undefined : watchMs(given.watch),
      };
      try {
        // Those two have to do with the folders of two users.
        if ((flags.store === undefined || name === "migrate") && name !== "backup" && name !== "restore")
          becomeOwnerOf(flags.db);
        const out = createOutput(context, { json: flags.json, quiet: false });
        await actions[name](flags, out, command.args[0] ?? "");
      } catch (error) {
        throw asAdminError(error, flags);
      }
    });
}

/** Which database is meant: of two variables, or two flags, none is; a flag outweighs a variable. */
function whereOf(
  given: { db?: string; store?: string | undefined },
  env: Surroundings["env"],
  takesBoth: boolean,
): Pick<Flags, "db" | "store"> {
  const isFlagged = given.db !== undefined || given.store !== undefined;
  const db = given.db ?? (isFlagged && !takesBoth ? undefined : env["DB_PATH"] || undefined);
  const store = given.store ?? (isFlagged && !takesBoth ? undefined : env["AIMESSAGE_STORE"] || undefined);
  if (given.store !== undefined && hasPassword(given.store)) throw new UsageError(...PASSWORD_IN_ARGUMENT);
  if (db !== undefined && store !== undefined && !takesBoth)
    throw new UsageError(
      `${isFlagged ? "--store and --db" : "AIMESSAGE_STORE and DB_PATH"} exclude each other`,
      "name the database of a cluster, or the folder of one relay",
    );
  return { db: db ?? "./data", store };
}

/** Where a cluster has encrypted files. */
function filesOf(flag: string | undefined, env: Surroundings["env"]): Flags["files"] {
  const text = flag ?? (env["AIMESSAGE_FILES"] || undefined);
  return readFiles(text, flag === undefined ? "AIMESSAGE_FILES" : "--files", env);
}

/** The user of the operating system. */
function operator(): string {
  try {
    return userInfo().username;
  } catch {
    // In a container there may be no name for it.
    return `uid ${process.getuid?.() ?? "unknown"}`;
  }
}

function writeTo(command: Command, help: Help): void {
  command
    .version(VERSION, "-V, --version", "print the version")
    .helpOption("-h, --help", "print this help")
    .configureOutput({ writeOut: help, writeErr: () => {} });
}

function defaultOf(name: CommandName): number {
  return commands[name].options.find(([, , fallback]) => fallback !== undefined)?.[2] ?? 0;
}

function reserveBytes(flag: string | undefined, variable: string | undefined): number {
  const given = flag ?? variable;
  if (given === undefined || given === "") return limitOptions.reserveBytes.value;
  const bytes = parseLimit("bytes", given);
  if (bytes === undefined)
    throw new UsageError(
      `${flag === undefined ? "AIMESSAGE_RESERVE_BYTES" : "--reserve-bytes"} needs a size such as 64MiB, not '${given}'`,
    );
  return bytes;
}

/** @throws UsageError */
function watchMs(given: string | true): number {
  const milliseconds = given === true ? WATCH_MS : (readDuration(given) ?? 0);
  if (milliseconds < 100 || milliseconds > DAY_MS)
    throw new UsageError(`--watch needs a time such as 10s, 100ms to 24h, not '${given}'`);
  return milliseconds;
}

const WATCH_MS = 2_000;
const DAY_MS = 86_400_000;
const LONGEST_MS = 3650 * DAY_MS;

function expiresMs(given = "7d"): number {
  const milliseconds = readDuration(given) ?? 0;
  if (milliseconds < 1 || milliseconds > LONGEST_MS)
    throw new UsageError(`--expires needs a time such as 12h or 7d, ten years at most, not '${given}'`);
  return milliseconds;
}

function wholeNumber(given: string): number {
  if (!/^[1-9]\d{0,8}$/.test(given)) throw new InvalidArgumentError("It needs a whole number, 1 or more.");
  return Number(given);
}

function usageError(error: CommanderError, [first, second]: string[]): UsageError {
  if (error.code === "commander.help")
    return new UsageError(`\`${first}\` needs a command`, `aimessage-server ${first} --help lists them`);
  if (first === undefined || !isAdminCommand(first)) {
    const { message, hint } = explainParser(error.message, "aimessage-server --help lists every command");
    return new UsageError(message, hint);
  }
  const command = `${first} ${second}` in commands ? `${first} ${second}` : first;
  const { message, hint } = explainParser(error.message, `aimessage-server ${command} --help shows an example`);
  return new UsageError(message, hint);
}
