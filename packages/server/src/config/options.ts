import { readDuration, writeDuration } from "@aimessage/sdk/program";
import { type LimitName, type LimitUnit, limitEntries } from "./limits.ts";

const BYTES: Record<string, number> = { "": 1, B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 };

/** An option of the command line; its environment variable; how its text becomes a value. */
export interface Option {
  name: string;
  flag: string;
  env: string;
  /** What it takes, in the help; a switch takes nothing. */
  takes: string | undefined;
  repeatable: boolean;
  about: string;
}

export const generalOptions: Option[] = [
  option("port", "PORT", "number", "TCP port, 0 for any free one (default 8080)"),
  option("host", "HOST", "address", "address to listen on (default 127.0.0.1)"),
  option("db", "DB_PATH", "folder", "folder of the database (default ./data)"),
  option(
    "store",
    "AIMESSAGE_STORE",
    "url",
    "PostgreSQL that several relays share, instead of a folder: postgres://user@host/database; its password in PGPASSWORD or a file",
  ),
  option(
    "enginePatience",
    "AIMESSAGE_ENGINE_PATIENCE",
    "time",
    "how long requests wait for a PostgreSQL that is away (default 15s)",
  ),
  option(
    "drain",
    "AIMESSAGE_DRAIN",
    "time",
    "when told to stop, say on /ready for so long that it does, and go on meanwhile (default 5s with --store, else 0s)",
  ),
  option(
    "files",
    "AIMESSAGE_FILES",
    "folder|s3://...",
    "where encrypted files lie: a folder that all relays share, or s3://bucket/prefix (default: blobs in that of the database)",
  ),
  repeatable(option("publicUrl", "PUBLIC_URL", "url", "URL by which clients know this relay; they sign its name")),
  repeatable(
    option("origin", "ORIGINS", "origin", "web origin that may connect (default http and https://localhost:8080)"),
  ),
  option("console", "CONSOLE", undefined, "serve the console at /console: a page whose agents live in the browser"),
  option("tlsCert", "TLS_CERT", "file", "certificate chain in PEM: serves wss and https"),
  option("tlsKey", "TLS_KEY", "file", "its private key in PEM"),
  option("trustProxy", "TRUST_PROXY", undefined, "take client addresses from the last X-Forwarded-For"),
  option(
    "tokenAccounts",
    "TOKEN_ACCOUNTS",
    "on|off|loopback",
    "take accounts without keys, whose messages nobody encrypts for them (default loopback: only if this machine alone can reach the relay)",
  ),
  option(
    "registration",
    "REGISTRATION",
    "open|invite|closed",
    "who may register a name that is new: everybody, who has an invite, or nobody (default open)",
  ),
  option(
    "metricsPort",
    "METRICS_PORT",
    "number",
    "port of its own for /metrics (default: the relay's, for this machine alone)",
  ),
  option("metricsHost", "METRICS_HOST", "address", "address to listen on there (default 127.0.0.1)"),
  option("logFormat", "LOG_FORMAT", "text|json", "format of the log (default text)"),
  option(
    "restored",
    "RESTORED",
    undefined,
    "the database is a restored backup: clients must not trust their positions",
  ),
  option("noLimits", "NO_LIMITS", undefined, "lift rates and quotas, for benchmarks; only on a loopback address"),
];

export const limitFlags: (Option & { name: LimitName; unit: LimitUnit; most: number | undefined })[] =
  limitEntries().map(([name, { unit, value, why, most }]) => {
    const about = `${why} (default ${formatLimit(unit, value)})`;
    return Object.assign(option(name, `AIMESSAGE_${snake(name).toUpperCase()}`, takes(unit), about), {
      name,
      unit,
      most,
    });
  });

/** Reads a limit: `64KiB`, `54s`, `200`. Undefined if it is none. */
export function parseLimit(unit: LimitUnit, text: string): number | undefined {
  if (unit === "milliseconds") return readDuration(text);
  const [, digits, suffix] = /^(\d{1,15})([A-Za-z]{0,3})$/.exec(text) ?? [];
  if (digits === undefined || suffix === undefined) return undefined;
  const factors: Record<string, number> = unit === "bytes" ? BYTES : { "": 1 };
  const value = Number(digits) * (Object.hasOwn(factors, suffix) ? (factors[suffix] ?? Number.NaN) : Number.NaN);
  return Number.isSafeInteger(value) ? value : undefined;
}

/** A limit as {@link parseLimit} reads it. */
export function formatLimit(unit: LimitUnit, value: number): string {
  if (unit === "milliseconds") return writeDuration(value);
  const factors = unit === "bytes" ? BYTES : {};
  for (const [suffix, factor] of Object.entries(factors).reverse())
    if (factor > 1 && value % factor === 0 && value >= factor) return `${value / factor}${suffix}`;
  return String(value);
}

function takes(unit: LimitUnit): string {
  return unit === "bytes" ? "size" : unit === "milliseconds" ? "time" : "number";
}

function option(name: string, env: string, takes: string | undefined, about: string): Option {
  return { name, flag: `--${snake(name).replaceAll("_", "-")}`, env, takes, repeatable: false, about };
}

function repeatable(one: Option): Option {
  return { ...one, repeatable: true };
}

function snake(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
