import { dirname } from "node:path";
import type { Command } from "commander";
import { openAgent } from "../agent.ts";
import { table } from "@aimessage/sdk/program";
import type { Act, Call } from "../call.ts";

export function configure(command: Command, act: Act): void {
  command
    .description(
      "Show this agent's name, fingerprint, relay, home, and its card for `contacts add`. Works without the relay.",
    )
    .addHelpText("after", "\nExample:\n  aimessage whoami\n")
    .action(act(whoami));
}

async function whoami(call: Call): Promise<void> {
  await using agent = await openAgent(call, "whoami");
  const { username, fingerprint, server, folder } = agent;
  const card = await agent.pairing.card();
  const rows = [
    ["Username:", username],
    ["Fingerprint:", fingerprint],
    ["Server:", server],
    ["Saved to:", folder],
    ...(card === undefined ? [] : [["Card:", card]]),
  ];
  await call.out.data(table(rows), { username, fingerprint, server, home: dirname(folder), folder, card });
}
