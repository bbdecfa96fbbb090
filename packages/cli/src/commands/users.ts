import { Option, type Command } from "commander";
import { openAgent } from "../agent.ts";
import type { Act, Call } from "../call.ts";
import { patience } from "../values.ts";

export function configure(command: Command, act: Act): void {
  command
    .description("List the other users that are online: those that listen now.")
    .addOption(new Option("--timeout <time>", "how long to wait").argParser(patience).default(30_000, "30s"))
    .addHelpText("after", "\nExample:\n  aimessage users --json\n")
    .action(act(users));
}

async function users(call: Call, { timeout }: { timeout: number }): Promise<void> {
  await using agent = await openAgent(call, "users");
  const names = await agent.users({ timeout, signal: call.context.interrupted });
  const lines = names.length === 0 ? ["(nobody)"] : names.map((name) => `- ${name}`);
  await call.out.data(["Online users:", ...lines], { users: names });
}
