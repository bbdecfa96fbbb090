/** What a test that needs a PostgreSQL says: `test.runIf(hasPostgres)`, and in it `await database()`. */
import { once } from "node:events";
import { connect } from "node:net";
import { onTestFinished } from "vitest";
import { DESK } from "./shared-postgres.ts";

const desk = process.env[DESK];

/** Whether there is a PostgreSQL that is new enough. Where there is none the run says so, once. */
export const hasPostgres = desk !== undefined;

/** The URL of an empty database, which is gone when the test has finished. All of a run are in one server, which no test may end. */
export async function database(): Promise<string> {
  const asked = connect(desk ?? "");
  onTestFinished(() => void asked.destroy());
  const [line] = (await once(asked.setEncoding("utf8"), "data")) as [string];
  const url = line.trimEnd();
  if (!url.startsWith("postgres://")) throw new Error(`there is no database: ${url}`);
  return url;
}
