/** An agent in a page, that sends. */
import { Agent } from "@aimessage/sdk/browser";
import { sendFor } from "../load/sending.ts";

let agent: Agent;

async function open(username: string, server: string): Promise<void> {
  agent = await Agent.open({ username, server });
}

/** @returns how many messages */
function run(to: string, bytes: number, seconds: number): Promise<number> {
  return sendFor(agent, { to, body: crypto.getRandomValues(new Uint8Array(bytes)), seconds });
}

const page = { open, run };
export type BenchPage = typeof page;
Object.assign(globalThis, { benchPage: page });
