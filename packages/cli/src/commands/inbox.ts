import { Option, type Command } from "commander";
import { openAgent } from "../agent.ts";
import { messageJson, preview } from "../message.ts";
import { sayWhoWaits } from "../requests.ts";
import { table } from "@aimessage/sdk/program";
import { localTime } from "../times.ts";
import { count } from "../values.ts";
import type { Act, Call } from "../call.ts";

export function configure(command: Command, act: Act): void {
  command
    .description(
      "Look at the messages that this agent has received, the newest last. Consumes none; works without the relay, and fetches nothing from it.",
    )
    .addOption(new Option("--last <n>", "how many, the newest").argParser(count).default(50))
    .addHelpText("after", "\nExample:\n  aimessage inbox --json\n")
    .action(act(inbox));
}

async function inbox(call: Call, { last }: { last: number }): Promise<void> {
  await using agent = await openAgent(call, "inbox");
  await sayWhoWaits(agent, call.out);
  const [older, ...newest] = await agent.inbox({ last: last + 1 });
  const entries = newest.length === last ? newest : [older, ...newest].filter((entry) => entry !== undefined);
  if (newest.length === last) call.out.note(`There are older ones: inbox --last ${2 * last} shows more.`);
  const rows = entries.map((entry) => [entry.id, entry.state, localTime(entry.sentAt), entry.from, preview(entry)]);
  const lines = rows.length === 0 ? ["No messages."] : table([["ID", "STATE", "SENT", "FROM", "TEXT"], ...rows]);
  const { json } = call.settings;
  const { linkHolder } = await import("@aimessage/sdk/node");
  if (!json && linkHolder(agent.folder) === undefined)
    call.out.note("What waits at the relay is not shown: aimessage watch --count 1 fetches it.");
  await call.out.data(lines, {
    messages: entries.map((entry) => Object.assign(messageJson(entry), { state: entry.state, reason: entry.reason })),
  });
}
