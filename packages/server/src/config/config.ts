import { eachOptionOnce, explainParser, readDuration } from "@aimessage/sdk/program";
import { type BlobsAddress, parseBlobs } from "./blobs-address.ts";
import { BucketError } from "./bucket.ts";
import type { BlobStore } from "../store/blob-store.ts";
import { isLoopback } from "@aimessage/sdk/protocol";
import { Command, CommanderError, Option as Flag } from "commander";
import * as z from "zod";
import { commandsHelp, isAdminCommand } from "./commands.ts";
import { defaultLimits, type Limits } from "./limits.ts";
import { formatLimit, generalOptions, limitFlags, type Option, parseLimit } from "./options.ts";
import { hasPassword, PASSWORD_IN_ARGUMENT } from "../store/postgres/link/store-name.ts";
import { alone, type Bus } from "../store/bus.ts";
import type { StoreOptions } from "../store/options.ts";
import type { RelayStore } from "../store/store.ts";
import { systemUptime } from "./steady-clock.ts";
import { LISTS, UsageError } from "./usage-error.ts";
import { VERSION } from "../version.ts";

export type PostgresUrl = `postgres${"" | "ql"}://${string}`;

/** Everything that a relay can be told. */
export interface Config {
  /** 0: any free port. */
  port: number;
  host: string;
  /** Folder of the database. */
  db: string;
  /** The database, a store that is gone with the process, a PostgreSQL that several relays share, or a store of your own. */
  store: "sqlite" | "memory" | PostgresUrl | ((options: StoreOptions) => RelayStore | Promise<RelayStore>);
  /** How long requests wait for a PostgreSQL that is away: milliseconds. */
  enginePatience: number;
  /** How long a relay that is told to stop goes on, and says that it is not ready: milliseconds. */
  drain: number;
  /** To other relays that share a store of your own. Default: there are none. */
  bus: Bus;
  /** Where encrypted files lie that several relays have. Undefined: a folder beside the database. */
  files: BlobsAddress | undefined;
  /** A place for them of your own. Undefined: as the store. */
  blobStore: BlobStore | undefined;
  /** URLs by which clients know this relay. None: the loopback names, and `host` if it is an address of its own. */
  publicUrls: string[];
  /** Web origins that may connect, beside the relay's own names. */
  origins: string[];
  /** PEM files. */
  tls: { cert: string; key: string } | undefined;
  trustProxy: boolean;
  /** Serve the console's page, whose agents live in the browser. */
  console: boolean;
  /** Whether accounts without keys are taken. `loopback`: only where nobody but this machine can reach the relay. */
  tokenAccounts: "on" | "off" | "loopback";
  /** New names may be registered by everybody, by whoever has an invite, or by nobody. */
  registration: "open" | "invite" | "closed";
  /** Where `/metrics` is answered. Undefined: on the relay's port, to programs of this machine. */
  metrics: { host: string; port: number } | undefined;
  log: "text" | "json" | "silent";
  /** The database was restored from a backup. */
  restored: boolean;
  limits: Limits;
  /** The system's clock: Unix milliseconds. It is believed as far as it agrees with `uptime`. */
  clock: () => number;
  /** Milliseconds on a clock that nobody sets. */
  uptime: () => number;
  /** Nothing but the relay is in this process: started by root, it becomes the user to whom `db` belongs once it listens. */
  ownProcess: boolean;
}

export const defaultConfig: Config = {
  port: 8080,
  host: "127.0.0.1",
  db: "./data",
  store: "sqlite",
  enginePatience: 15_000,
  drain: 0,
  bus: alone,
  files: undefined,
  blobStore: undefined,
  publicUrls: [],
  origins: ["http://localhost:8080", "https://localhost:8080"],
  tls: undefined,
  trustProxy: false,
  console: false,
  tokenAccounts: "loopback",
  registration: "open",
  metrics: undefined,
  log: "text",
  restored: false,
  limits: defaultLimits(),
  clock: Date.now,
  uptime: systemUptime,
  ownProcess: false,
};

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
  /** Where each value comes from, as its user has written it: the flag or the variable. */
  const source: Record<string, string> = {};
  for (const { name, flag, env: variable, repeatable, takes } of [...generalOptions, ...limitFlags]) {
    const text = env[variable];
    source[name] = flag;
    if (parsed[name] !== undefined) given[name] = parsed[name];
    else if (text !== undefined && text !== "") {
      source[name] = variable;
      given[name] = takes === undefined ? truth(variable, text) : repeatable ? text.split(/[\s,]+/) : text;
    }
  }
  return { ...validate(given, source), files: readFiles(given["files"], source["files"], env) };
}

/** In lines of its own, since the help leaves what it is as it is. */
const ABOUT = "AI Message: the relay. Stores and forwards messages that only the two ends can\nread.";

function flagOf({ flag, env, takes, repeatable, about }: Option): Flag {
  return new Flag(flag + (takes === undefined ? "" : ` <${takes}${repeatable ? "..." : ""}>`), `${about} [${env}]`);
}

function parseFlags(argv: string[]): Given | string {
  let output = "";
  const command = new Command("aimessage-server")
    .description(`${ABOUT}\n\n${commandsHelp()}`)
    .version(VERSION, "-V, --version", "print the version")
    .helpOption("-h, --help", "print this help")
    .usage("[serve] [options]\n       aimessage-server COMMAND --help")
    .addHelpText("after", "\nEach option has an environment variable; a flag outweighs it. A rate of 0 is no limit.")
    .allowExcessArguments(false)
    .exitOverride()
    .configureOutput({ writeOut: (text) => (output += text), writeErr: () => {} });
  for (const option of generalOptions) command.addOption(flagOf(option));
  command.option("--json", "print errors as JSON");
  for (const option of limitFlags) command.addOption(flagOf(option).helpGroup("Limits:"));
  eachOptionOnce(command, new Set());
  const late = argv.find(isAdminCommand);
  try {
    command.parse(argv[0] === "serve" ? argv.slice(1) : argv, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return output;
    if (error.code === "commander.excessArguments" && late !== undefined)
      throw new UsageError(
        `'${late}' stands behind options`,
        `the command comes first: aimessage-server ${late} --help`,
      );
    if (error.code === "commander.excessArguments") throw new UsageError(`unknown command '${command.args[0]}'`, LISTS);
    const { message, hint } = explainParser(error.message, LISTS);
    throw new UsageError(message, hint);
  }
  // Commander reads `--no-limits` as the option `limits`, set to false.
  const { limits, ...flags } = command.opts<Given>();
  return limits === false ? { ...flags, noLimits: true } : flags;
}

const url = (...protocols: string[]) =>
  z.string().refine((text) => URL.canParse(text) && protocols.includes(new URL(text).protocol));
const port = z
  .string()
  .regex(/^\d{1,5}$/)
  .transform(Number)
  .pipe(z.int().max(65_535));
const duration = z.string().transform((text, context) => {
  const milliseconds = readDuration(text);
  if (milliseconds === undefined) context.addIssue("no time");
  return milliseconds ?? 0;
});
const General = z.object({
  port: port.default(defaultConfig.port),
  host: z.string().min(1).default(defaultConfig.host),
  db: z.string().min(1).default(defaultConfig.db),
  store: z.custom<PostgresUrl>((text) => typeof text === "string" && isPostgres(text)).optional(),
  enginePatience: duration.default(defaultConfig.enginePatience),
  drain: duration.optional(),
  publicUrl: z.array(url("ws:", "wss:", "http:", "https:")).default([]),
  origin: z.array(url("http:", "https:")).default(defaultConfig.origins),
  tlsCert: z.string().optional(),
  tlsKey: z.string().optional(),
  trustProxy: z.boolean().default(false),
  console: z.boolean().default(false),
  tokenAccounts: z.enum(["on", "off", "loopback"]).default(defaultConfig.tokenAccounts),
  registration: z.enum(["open", "invite", "closed"]).default(defaultConfig.registration),
  metricsHost: z.string().min(1).optional(),
  metricsPort: port.optional(),
  logFormat: z.enum(["text", "json"]).default("text"),
  restored: z.boolean().default(false),
  noLimits: z.boolean().default(false),
});

/** Twice as long as balancers mostly need to look again. Milliseconds. */
const CLUSTER_DRAIN_MS = 5_000;

function isPostgres(text: string): text is PostgresUrl {
  return /^postgres(ql)?:\/\//.test(text);
}

/** What an option takes, in the words of an error; of those that are not here any text will do. */
const NEEDS: Partial<Record<string, string>> = {
  port: "a port from 0 to 65535",
  store: "a URL such as postgres://user@host/database",
  enginePatience: "a time such as 15s",
  drain: "a time such as 5s",
  metricsPort: "a port from 0 to 65535",
  publicUrl: "a URL such as https://relay.example.org",
  origin: "an origin such as https://app.example.org",
  tokenAccounts: "on, off or loopback",
  registration: "open, invite or closed",
  logFormat: "text or json",
};

function validate(given: Given, source: Readonly<Record<string, string>>): Config {
  const result = General.safeParse(given);
  if (!result.success) {
    const name = String(result.error.issues[0]?.path[0]);
    const value = String(given[name]);
    // There may be a password in it, in any place if it is no URL.
    const found = /[@?]/.test(value) ? "" : `, not '${value}'`;
    throw new UsageError(`${source[name] ?? name} needs ${NEEDS[name] ?? "a value"}${found}`);
  }
  const { publicUrl, origin, tlsCert, tlsKey, metricsHost, metricsPort, logFormat, noLimits, store, drain, ...rest } =
    result.data;
  if (store !== undefined && source["store"] === "--store" && hasPassword(store))
    throw new UsageError(...PASSWORD_IN_ARGUMENT);
  // That an image names a folder by its environment says nothing about this relay.
  if (store !== undefined && source["db"] === "--db" && given["db"] !== undefined)
    throw new UsageError(
      `${source["store"]} and --db exclude each other`,
      "a relay keeps everything in the one or the other",
    );
  if ((tlsCert === undefined) !== (tlsKey === undefined))
    throw new UsageError("--tls-cert and --tls-key are needed together", "give both, or neither behind a TLS proxy");
  if (metricsHost !== undefined && metricsPort === undefined)
    throw new UsageError("--metrics-host needs --metrics-port", "for example: --metrics-port 9090");
  if (noLimits && !isLoopback(rest.host))
    throw new UsageError(
      `--no-limits is only for loopback addresses, not for ${rest.host}`,
      "leave it out, and set single limits instead",
    );
  return {
    ...defaultConfig,
    ...rest,
    store: store ?? defaultConfig.store,
    // A balancer has to notice first.
    drain: drain ?? (store === undefined ? 0 : CLUSTER_DRAIN_MS),
    publicUrls: publicUrl,
    origins: origin,
    tls: tlsCert === undefined || tlsKey === undefined ? undefined : { cert: tlsCert, key: tlsKey },
    metrics: metricsPort === undefined ? undefined : { host: metricsHost ?? defaultConfig.host, port: metricsPort },
    log: logFormat,
    limits: readLimits(given, source, noLimits),
  };
}

/** @param from The flag or the variable, for an error. @throws UsageError */
export function readFiles(
  text: Given[string],
  from: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
): Config["files"] {
  if (typeof text !== "string") return undefined;
  try {
    const address = parseBlobs(text, env);
    if (address !== undefined) return address;
  } catch (error) {
    if (error instanceof BucketError) throw new UsageError(`${from}: ${error.message}`, "set them in the environment");
    throw error;
  }
  throw new UsageError(`${from} needs a folder that all relays share, or s3://bucket/prefix, not '${text}'`);
}

function readLimits(given: Given, source: Readonly<Record<string, string>>, lifted: boolean): Limits {
  const limits = defaultLimits(lifted);
  for (const { name, unit, most = Infinity } of limitFlags) {
    const text = given[name];
    const from = source[name] ?? name;
    if (typeof text !== "string") continue;
    const value = parseLimit(unit, text);
    if (value === undefined) throw new UsageError(`${from} needs ${EXAMPLES[unit]}, not '${text}'`);
    if (value > most) throw new UsageError(`${from} is ${formatLimit(unit, most)} at most, not '${text}'`);
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

function truth(variable: string, text: string): boolean {
  if (["1", "true", "yes"].includes(text.toLowerCase())) return true;
  if (["0", "false", "no"].includes(text.toLowerCase())) return false;
  throw new UsageError(`${variable} needs true or false, not '${text}'`);
}
