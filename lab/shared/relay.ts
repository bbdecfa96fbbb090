import { mkdirSync, openSync, readFileSync, closeSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { startWorker, type Worker } from "./worker.ts";

/** A server that is measured, in a process of its own on the loopback interface. */
export interface Server extends Worker {
  readonly port: number;
}

const START_MS = 20_000;

/** The relay as it is built, with its database in a folder on disk, and rates and quotas lifted unless it is `limited`. */
export async function startRelay(folder: string, { limited = false } = {}): Promise<Server> {
  mkdirSync(folder, { recursive: true });
  const file = join(folder, "relay.log");
  const log = openSync(file, "a");
  const from = readFileSync(file, "utf8").length;
  const worker = await startWorker(new URL("../../packages/server/bin/aimessage-server.js", import.meta.url), {
    args: ["--port", "0", "--db", join(folder, "db"), "--log-format", "json", ...(limited ? [] : ["--no-limits"])],
    execArgv: ["--import", new URL("./usage-probe.ts", import.meta.url).href],
    log,
  });
  closeSync(log);
  for (const deadline = performance.now() + START_MS; performance.now() < deadline; await delay(20)) {
    const port = /WebSocket endpoint: ws:\/\/[^"]*:(\d+)\//.exec(readFileSync(file, "utf8").slice(from))?.[1];
    if (port !== undefined) return { ...worker, port: Number(port) };
  }
  await worker[Symbol.asyncDispose]();
  throw new Error(`the relay has not started: ${readFileSync(file, "utf8").slice(from)}`);
}
