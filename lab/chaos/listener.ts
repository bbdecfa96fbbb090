/** Handles messages and prints each before and after: node listener.ts HOME USERNAME SERVER follow|share */
import { setTimeout as delay } from "node:timers/promises";
import { Agent } from "@aimessage/sdk/node";
import { readBody } from "./body.ts";
import { Files } from "./files.ts";
import { print } from "./orders.ts";
import { end, patiently } from "./patience.ts";

const [home, username, server, manner, folder] = process.argv.slice(2) as [string, string, string, string, string];

/** Names of the agents whose mail counts; strangers have others. */
const AGENTS = "agent";

const agent = await Agent.open({ home, username, server, create: false, role: "listener" }).catch(end);
print({ kind: "ready" });
const files = new Files(agent, folder);
const ending = new AbortController();
process.once("SIGTERM", () => ending.abort());
void files.run(ending.signal).catch(end);

try {
  for await (const message of agent.messages({ share: manner === "share", signal: ending.signal })) {
    const { peerId: id, from, body } = message;
    if (!from.startsWith(AGENTS)) {
      await patiently(() => message.handled());
      continue;
    }
    print({ kind: "got", id, from, body });
    files.add(message);
    const { workMs, fails } = readBody(body);
    if (workMs > 0) await delay(workMs);
    await patiently(() => (fails === undefined ? message.handled() : message.failed(fails)));
    print({ kind: "done", id });
  }
  await agent.close();
  process.exit(0);
} catch (error) {
  end(error);
}
