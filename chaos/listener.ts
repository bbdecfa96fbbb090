/** Handles messages and prints each before and after: node listener.ts HOME USERNAME SERVER follow|share */
import { setTimeout } from "node:timers/promises";
import { Agent, AgentError } from "@aimessage/sdk/node";
import { readBody } from "./body.ts";
import { print } from "./orders.ts";

const [home, username, server, manner] = process.argv.slice(2) as [string, string, string, string];
const RETRY_MS = 100;
const PASSING = new Set(["disk_full", "store_busy", "home_unwritable"]);

const agent = await Agent.open({ home, username, server, create: false, role: "listener" }).catch(end);
print({ kind: "ready" });
const ending = new AbortController();
process.once("SIGTERM", () => ending.abort());

try {
  for await (const message of agent.messages({ share: manner === "share", signal: ending.signal })) {
    const { id, from, body } = message;
    print({ kind: "got", id, from, body });
    const { workMs, fails } = readBody(body);
    if (workMs > 0) await setTimeout(workMs);
    await patiently(() => (fails === undefined ? message.handled() : message.failed(fails)));
    print({ kind: "done", id });
  }
  await agent.close();
  process.exit(0);
} catch (error) {
  end(error);
}

async function patiently(work: () => Promise<void>): Promise<void> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof AgentError && PASSING.has(error.code))) throw error;
      await setTimeout(RETRY_MS);
    }
  }
}

function end(error: unknown): never {
  const code = error instanceof AgentError ? error.code : "internal";
  print({ kind: "error", code, message: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  process.exit(1);
}
