import { mkdirSync, openSync, readFileSync, closeSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { builtRelay } from "../../test/built.ts";
import { eventually } from "../../test/waiting.ts";
import { startWorker, type Worker } from "./worker.ts";

/** A server that is measured, in a process of its own on the loopback interface. */
export interface Server extends Worker {
  readonly port: number;
}

const START_MS = 20_000;

/** The relay as it is built, with its database in a folder on disk or in a PostgreSQL (`store`), and rates and quotas lifted unless it is `limited`; `args` say what else holds. */
export async function startRelay(
  folder: string,
  { limited = false, args = [], store }: { limited?: boolean; args?: string[]; store?: string } = {},
): Promise<Server> {
  mkdirSync(folder, { recursive: true });
  const file = join(folder, "relay.log");
  const log = openSync(file, "a");
  const from = readFileSync(file, "utf8").length;
  const place = store === undefined ? ["--db", join(folder, "db")] : ["--store", store, "--drain", "0s"];
  const always = ["--port", "0", ...place, "--log-format", "json"];
  const worker = await startWorker(pathToFileURL(builtRelay()), {
    args: [...always, ...(limited ? [] : ["--no-limits"]), ...args],
    execArgv: ["--import", new URL("./usage-probe.ts", import.meta.url).href],
    log,
  });
  closeSync(log);
  const said = () => readFileSync(file, "utf8").slice(from);
  try {
    return { ...worker, port: await eventually("the relay listens", () => portOf(said()), START_MS) };
  } catch {
    await worker[Symbol.asyncDispose]();
    throw new Error(`the relay has not started: ${said()}`);
  }
}

/** The port of a relay that was to choose one, as soon as its log names it. */
export function portOf(log: string): number | undefined {
  const port = /Health check: http:\/\/[^"]*:(\d+)\//.exec(log)?.[1];
  return port === undefined ? undefined : Number(port);
}
