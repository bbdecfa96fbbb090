import { spawnSync } from "node:child_process";
import { existsSync, globSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";

/** The oldest major version that is good for a cluster of relays. */
export const OLDEST_POSTGRES = 15;

const NEEDED = ["postgres", "initdb", "psql", "pg_basebackup"];
/** Users that may run a server where we are root, which PostgreSQL refuses to be. */
const OTHER_USERS = ["postgres", "nobody"];

/**
 * The folder of PostgreSQL's programs: one on the PATH before those that Debian keeps beside it, newest first.
 * @returns undefined where there is none that is new enough
 */
export function findPostgres(path = process.env["PATH"] ?? ""): string | undefined {
  const onPath = path.split(delimiter).filter((folder) => folder !== "");
  const besides = globSync("/usr/lib/postgresql/*/bin/postgres").map((file) => dirname(file));
  besides.sort((one, other) => (versionIn(other) ?? 0) - (versionIn(one) ?? 0));
  return [...onPath, ...besides].find((folder) => (versionIn(folder) ?? 0) >= OLDEST_POSTGRES);
}

/** The major version of the programs in a folder. @returns undefined if one of them is missing */
function versionIn(folder: string): number | undefined {
  if (!NEEDED.every((name) => existsSync(join(folder, name)))) return undefined;
  const { stdout } = spawnSync(join(folder, "postgres"), ["--version"], { encoding: "utf8" });
  const major = /\(PostgreSQL\) (\d+)/.exec(stdout ?? "")?.[1];
  return major === undefined ? undefined : Number(major);
}

/** What they find around them: nothing of what would lead them to another server, and a time zone that initdb need not look for. */
export function postgresEnvironment(): NodeJS.ProcessEnv {
  return { PATH: process.env["PATH"], LC_ALL: "C", TZ: "UTC" };
}

/** Who runs a server: whoever we are, or another user if we are root. @throws Error if there is no such user */
export function postgresUser(): { uid?: number; gid?: number } {
  if (process.geteuid?.() !== 0) return {};
  for (const name of OTHER_USERS) {
    const [uid, gid] = ["-u", "-g"].map((which) => spawnSync("id", [which, name], { encoding: "utf8" }));
    if (uid?.status === 0 && gid?.status === 0) return { uid: Number(uid.stdout), gid: Number(gid.stdout) };
  }
  throw new Error(`PostgreSQL does not run as root, and there is no user ${OTHER_USERS.join(" or ")}`);
}
