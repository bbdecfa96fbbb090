import { Command, CommanderError, Option as Flag } from "commander";
import * as z from "zod/mini";
import { defaultLimits, type Limits } from "./limits.ts";
import { generalOptions, limitFlags, parseLimit } from "./options.ts";
import type { StoreOptions } from "./store/sqlite.ts";
import type { RelayStore } from "./store/store.ts";
import { VERSION } from "./version.ts";

/** Everything that a relay can be told. */
export interface Config {
  /** 0: any free port. */
  port: number;
  host: string;
  /** Folder of the database. */
  db: string;
  /** The database, a store that is gone with the process, or one of your own. */
  store: "sqlite" | "memory" | ((options: StoreOptions) => RelayStore);
  /** URLs by which clients know this relay. None: the loopback names, and `host` if it is an address of its own. */
  publicUrls: string[];
  /** Web origins that may connect, beside the relay's own names. */
  origins: string[];
  /** PEM files. */
  tls: { cert: string; key: string } | undefined;
  trustProxy: boolean;
  log: "text" | "json" | "silent";
  /** The database was restored from a backup. */
  restored: boolean;
  limits: Limits;
  /** Unix milliseconds. */
  clock: () => number;
}

export const defaultConfig: Config = {
  port: 8080,
  host: "127.0.0.1",
  db: "./data",
  store: "sqlite",
  publicUrls: [],
  origins: ["http://localhost:8080", "https://localhost:8080"],
  tls: undefined,
  trustProxy: false,
  log: "text",
  restored: false,
  limits: defaultLimits(),
  clock: Date.now,
};

/** The command line or the environment is wrong; one sentence says what. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

type Given = Record<string, string | string[] | boolean | undefined>;

/**
 * Configuration of flags, then environment, then defaults. Reads and changes nothing else.
 * @param argv Arguments without the program's name.
 * @returns The configuration, or what `--help` or `--version` prints.
 * @throws UsageError
 */
export function readConfig(argv: string[], env: Record<string, string | undefined>): Config | { print: string } {
  const parsed = parseFlags(argv);
  if (typeof parsed === "string") return { print: parsed };
  const given: Given = {};
  for (const { name, env: variable, repeatable, takes } of [...generalOptions, ...limitFlags]) {
    const text = env[variable];
    if (parsed[name] !== undefined) given[name] = parsed[name];
    else if (text !== undefined && text !== "")
      given[name] = takes === undefined ? truth(variable, text) : repeatable ? text.split(/[\s,]+/) : text;
  }
  return validate(given);
}

function parseFlags(argv: string[]): Given | string {
  let output = "";
  const command = new Command("aimessage-server")
    .description("AI Message: the relay. Stores and forwards messages that only the two ends can read.")
    .version(VERSION, "--version", "print the version")
    .helpOption("--help", "print this help")
    .addHelpText("after", "\nEach option has an environment variable; a flag outweighs it. A rate of 0 is no limit.")
    .allowExcessArguments(false)
    .exitOverride()
    .configureOutput({ writeOut: (text) => (output += text), writeErr: () => {} });
  for (const { flag, env, takes, repeatable, about } of [...generalOptions, ...limitFlags]) {
    const value = takes === undefined ? "" : repeatable ? ` <${takes}...>` : ` <${takes}>`;
    command.addOption(new Flag(flag + value, `${about} [${env}]`));
  }
  try {
    command.parse(argv, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return output;
    throw new UsageError(error.message.replace(/^error: /, ""));
  }
  // Commander reads `--no-limits` as the option `limits`, set to false.
  const { limits, ...flags } = command.opts<Given>();
  return limits === false ? { ...flags, noLimits: true } : flags;
}

const urlWith = (...protocols: string[]) =>
  z.string().check(z.refine((text) => URL.canParse(text) && protocols.includes(new URL(text).protocol)));
const General = z.object({
  port: z._default(
    z.pipe(z.pipe(z.string().check(z.regex(/^\d{1,5}$/)), z.transform(Number)), z.int().check(z.maximum(65_535))),
    defaultConfig.port,
  ),
  host: z._default(z.string().check(z.minLength(1)), defaultConfig.host),
  db: z._default(z.string().check(z.minLength(1)), defaultConfig.db),
  publicUrl: z._default(z.array(urlWith("ws:", "wss:", "http:", "https:")), []),
  origin: z._default(z.array(urlWith("http:", "https:")), defaultConfig.origins),
  tlsCert: z.optional(z.string()),
  tlsKey: z.optional(z.string()),
  trustProxy: z._default(z.boolean(), false),
  logFormat: z._default(z.enum(["text", "json"]), "text"),
  restored: z._default(z.boolean(), false),
  noLimits: z._default(z.boolean(), false),
});

function validate(given: Given): Config {
  const result = General.safeParse(given);
  if (!result.success) {
    const name = String(result.error.issues[0]?.path[0]);
    const { flag, takes } = generalOptions.find((option) => option.name === name) ?? { flag: name, takes: "value" };
    throw new UsageError(`${flag} needs a valid ${takes}, not '${String(given[name])}'`);
  }
  const { publicUrl, origin, tlsCert, tlsKey, logFormat, noLimits, ...rest } = result.data;
  if ((tlsCert === undefined) !== (tlsKey === undefined))
    throw new UsageError("--tls-cert and --tls-key are needed together");
  if (noLimits && !isLoopback(rest.host))
    throw new UsageError(`--no-limits is only for loopback addresses, not for ${rest.host}`);
  return {
    ...defaultConfig,
    ...rest,
    publicUrls: publicUrl,
    origins: origin,
    tls: tlsCert === undefined || tlsKey === undefined ? undefined : { cert: tlsCert, key: tlsKey },
    log: logFormat,
    limits: readLimits(given, noLimits),
  };
}

function readLimits(given: Given, lifted: boolean): Limits {
  const limits = defaultLimits(lifted);
  for (const { name, flag, unit } of limitFlags) {
    const text = given[name];
    if (typeof text !== "string") continue;
    const value = parseLimit(unit, text);
    if (value === undefined) throw new UsageError(`${flag} needs ${EXAMPLES[unit]}, not '${text}'`);
    limits[name] = value;
  }
  return limits;
}

const EXAMPLES = {
  bytes: "a size such as 64KiB or 1MiB",
  milliseconds: "a time such as 54s or 14d",
  count: "a whole number",
  "per second": "a whole number",
  "per hour": "a whole number",
};

/** Whether only programs of this machine can reach an address. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || host === "[::1]" || /^127\.\d+\.\d+\.\d+$/.test(host);
}

function truth(variable: string, text: string): boolean {
  if (["1", "true", "yes"].includes(text.toLowerCase())) return true;
  if (["0", "false", "no"].includes(text.toLowerCase())) return false;
  throw new UsageError(`${variable} needs true or false, not '${text}'`);
}
