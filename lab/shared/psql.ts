import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { findPostgres, postgresEnvironment } from "./postgres-programs.ts";

const run = promisify(execFile);
let programs: string | undefined;

/**
 * Runs SQL by PostgreSQL's own client, so that it needs no other.
 * @returns its rows as lines, their columns parted by `|`
 * @throws Error with what the server says, or that it cannot be reached
 */
export async function psql(url: string, sql: string): Promise<string> {
  programs ??= findPostgres() ?? "";
  const args = ["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", sql];
  const { stdout } = await run(join(programs, "psql"), args, { env: postgresEnvironment() });
  return stdout.trimEnd();
}
