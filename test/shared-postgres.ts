/**
 * One PostgreSQL for all tests of a run: it starts when the first of them asks for a database, and lies in memory where there is
 * room. A test asks by a connection, is told a URL, and has the database until it closes the connection.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Postgres } from "../lab/shared/postgres.ts";
import { findPostgres, OLDEST_POSTGRES } from "../lab/shared/postgres-programs.ts";

/** Where a test asks. Not set where there is no PostgreSQL. */
export const DESK = "AIMESSAGE_TEST_POSTGRES";
/** Set to 1 where tests must not be skipped. */
const REQUIRED = "AIMESSAGE_REQUIRE_POSTGRES";

export function setup(): (() => Promise<void>) | undefined {
  delete process.env[DESK];
  if (findPostgres() === undefined) {
    const missing = `PostgreSQL ${OLDEST_POSTGRES} or newer was not found`;
    if (process.env[REQUIRED] === "1") throw new Error(`${missing}, and ${REQUIRED} is set`);
    console.log(`${missing}: tests of the cluster are skipped (apt-get install postgresql)`);
    return undefined;
  }
  let server: Promise<Postgres> | undefined;
  const desk = createServer((asker) => void lend((server ??= Postgres.create()), asker));
  const folder = mkdtempSync(join(tmpdir(), "desk-"));
  process.env[DESK] = join(folder, "postgres");
  desk.listen(process.env[DESK]);
  return async () => {
    desk.close();
    await (await server?.catch(() => undefined))?.[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  };
}

/** Says a URL, or what has failed, on a line. */
async function lend(server: Promise<Postgres>, asker: Socket): Promise<void> {
  const left = new Promise<void>((resolve) => asker.on("error", () => undefined).on("close", () => resolve()));
  try {
    await using database = await (await server).database();
    asker.write(`${database.url}\n`);
    await left;
  } catch (error) {
    asker.end(`${String(error).replaceAll("\n", " ")}\n`);
  }
}
