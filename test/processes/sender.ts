/**
 * Sends the messages FIRST to LAST as one agent and prints a line for each that the relay has stored. Started again after
 * it was killed, it goes on with those that it has not printed: node sender.ts HOME USERNAME TO FIRST LAST
 */
import { setTimeout } from "node:timers/promises";
import { Agent } from "@aimessage/sdk/node";

const [home, username, to, first, last] = process.argv.slice(2) as [string, string, string, string, string];
const WINDOW = 16;
/** Pace, so that a run lasts long enough to be killed in. Milliseconds for each message. */
const PACE_MS = 25;

await using agent = await Agent.open({ home, username, create: false, role: "sender" });
const reports: Promise<void>[] = [];
for (let number = Number(first); number <= Number(last); number++) {
  const messageId = `m-${number}`;
  const sent = (await agent.sent(messageId)) ?? (await agent.send(to, String(number), { messageId }));
  reports.push(
    sent.stored({ timeout: 120_000 }).then(() => {
      process.stdout.write(`${number}\n`);
    }),
  );
  if (reports.length % WINDOW > 0) continue;
  await Promise.all(reports);
  await setTimeout(WINDOW * PACE_MS);
}
await Promise.all(reports);
