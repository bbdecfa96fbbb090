/** An agent in a page, that sends. */
import { Agent, type Sent } from "@aimessage/sdk/browser";

/** Messages that are put into the outbox at once, as an agent of Node does. */
const BATCH = 64;

let agent: Agent;

async function open(username: string, server: string): Promise<void> {
  agent = await Agent.open({ username, server });
}

/** Sends for so many seconds, at least one batch. @returns how many messages */
async function run(to: string, bytes: number, seconds: number): Promise<number> {
  const body = crypto.getRandomValues(new Uint8Array(bytes));
  const end = performance.now() + seconds * 1000;
  let count = 0;
  let before: Sent | undefined;
  do {
    const batch = await Promise.all(Array.from({ length: BATCH }, () => agent.send(to, body)));
    count += batch.length;
    await before?.received();
    before = batch.at(-1);
  } while (performance.now() < end);
  return count;
}

const page = { open, run };
export type BenchPage = typeof page;
Object.assign(globalThis, { benchPage: page });
