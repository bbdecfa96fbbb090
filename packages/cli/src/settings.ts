import { Option, type Command } from "commander";
import type { Context } from "./context.ts";
import { UsageError } from "./errors.ts";
import { wholePath } from "./files.ts";

/** What the global flags and the environment say. Undefined: nothing said; the SDK knows what to do. */
export interface Settings {
  readonly server: string | undefined;
  readonly username: string | undefined;
  readonly home: string | undefined;
  readonly json: boolean;
  readonly quiet: boolean;
  readonly insecure: boolean;
}

/** Adds the global flags to a command. Every command has them, so that they may stand before or after its name. */
export function addGlobalFlags(command: Command, version: string): Command {
  const globals: [flags: string, description: string][] = [
    ["-s, --server <url>", "relay, e.g. ws://localhost:8080 (AIMESSAGE_SERVER; remembered by register)"],
    ["-u, --username <name>", "which agent of this machine (AIMESSAGE_USERNAME; not needed while there is one)"],
    ["--home <folder>", "where agents are kept (AIMESSAGE_HOME; default ~/.aimessage)"],
    ["--json", "print JSON, one object a line"],
    ["-q, --quiet", "print data and errors only, no notices"],
    ["--insecure", "allow ws:// to a relay that is not on this machine"],
  ];
  command.optionsGroup("Global options:");
  for (const [flags, description] of globals) command.addOption(new Option(flags, description));
  command.version(version, "-V, --version", "print the version");
  command.helpOption("-h, --help", "print this help");
  return command;
}

/** Flags, then environment. An empty variable counts as unset; an empty flag is a mistake. @throws UsageError */
export function readSettings(flags: Readonly<Record<string, unknown>>, context: Context): Settings {
  const text = (flag: string, variable: string): string | undefined => {
    if (flags[flag] === "") throw new UsageError(`--${flag} is empty`, "give it a value, or leave it out");
    const value = flags[flag] ?? context.env[variable];
    // It stands there for bytes that are no UTF-8: keys would land in a folder that nobody has named.
    if (flags[flag] === undefined && context.env[variable]?.includes("\u{fffd}") === true)
      throw new UsageError(`${variable} is no UTF-8 text`, `give --${flag}, or write it in UTF-8`);
    return typeof value === "string" && value !== "" ? value : undefined;
  };
  const home = text("home", "AIMESSAGE_HOME");
  return {
    server: text("server", "AIMESSAGE_SERVER"),
    username: text("username", "AIMESSAGE_USERNAME"),
    home: home === undefined ? undefined : wholePath(context, home),
    json: flags["json"] === true,
    quiet: flags["quiet"] === true,
    insecure: flags["insecure"] === true,
  };
}
