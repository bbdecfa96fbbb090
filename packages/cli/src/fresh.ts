/** What the relay has for an agent is fetched before something is shown that it may change. */
import type { Agent } from "@aimessage/sdk/node";
import type { Call } from "./call.ts";

const SYNC_MS = 5_000;

/** Where the relay does not answer, what is shown is what was known last, which is said. */
export async function fetchWaiting({ context, out }: Call, agent: Agent): Promise<void> {
  const wait = { timeout: SYNC_MS, signal: context.interrupted };
  await agent.sync(wait).catch((error: Error) => out.note(`This is what was known last: ${error.message}`));
}
