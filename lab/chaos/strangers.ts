import type { counts, Target } from "../hostile/foe.ts";
import { startWorker, type Worker } from "../shared/worker.ts";

/** Accounts of each attack: some twenty in all. */
const ACCOUNTS = 3;
/** Connections are taken, and memory, by the thousand: that the benchmark measures. Here others shall get through meanwhile. */
const ATTACKS = [
  "heartbeats",
  "nesting",
  "fragments",
  "packages",
  "mailbox",
  "welcomes",
  "generations",
  "gaps",
  "bodies",
];

/** Begins to attack the relay and the agents from a process of its own, past all proxies. Resolves to what ends it, and says how many requests were made. */
export async function unleash(port: number, names: string[]): Promise<() => Promise<number>> {
  const worker: Worker = await startWorker(new URL("../hostile/main.ts", import.meta.url));
  const target: Target = { port, victims: names, sleeper: names[0] ?? "", accounts: ACCOUNTS };
  await worker.ask("start", { ...target, only: ATTACKS });
  return async () => {
    const { requests } = await worker.ask<typeof counts>("stop");
    await worker[Symbol.asyncDispose]();
    return requests;
  };
}
