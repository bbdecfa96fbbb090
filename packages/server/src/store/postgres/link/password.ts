import { readFile, stat } from "node:fs/promises";
import { type Address, AddressError, type Host } from "./address.ts";

type Environment = Record<string, string | undefined>;

/**
 * The password for a host: of the URL, else of `PGPASSWORD`, else of the file that `PGPASSFILE` names, which is read anew for each
 * connection (https://www.postgresql.org/docs/15/libpq-pgpass.html). Undefined: none is known.
 * @throws AddressError if others can read the file, or what the file system says
 */
export async function passwordFor(
  { user, database, password }: Address,
  { host, port }: Host,
  env: Environment = process.env,
): Promise<string | undefined> {
  const given = password() ?? env["PGPASSWORD"];
  if (given !== undefined && given !== "") return given;
  const file = env["PGPASSFILE"];
  if (file === undefined || file === "") return undefined;
  if (((await stat(file)).mode & 0o077) !== 0) throw new AddressError(`Others can read ${file}: chmod 600 it`);
  const asked = [host.startsWith("/") ? "localhost" : host, String(port), database, user];
  for (const line of (await readFile(file, "utf8")).split(/\r?\n/)) {
    const fields = fieldsOf(line);
    if (fields.length === 5 && asked.every((value, i) => fields[i] === "*" || fields[i] === value)) return fields[4];
  }
  return undefined;
}

/** `host:port:database:user:password`, in which a backslash stands before a colon or a backslash; the last may have colons as they are. */
function fieldsOf(line: string): string[] {
  if (line.startsWith("#")) return [];
  const fields = /^((?:\\.|[^:\\])*):((?:\\.|[^:\\])*):((?:\\.|[^:\\])*):((?:\\.|[^:\\])*):(.*)$/.exec(line) ?? [];
  return fields.slice(1).map((field) => field.replace(/\\(.)/g, "$1"));
}
