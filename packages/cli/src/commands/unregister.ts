import { createInterface } from "node:readline/promises";
import { Option, type Command } from "commander";
import { openAgent } from "../agent.ts";
import type { Context } from "../context.ts";
import { UsageError } from "../errors.ts";
import { escapeLine } from "@aimessage/sdk/program";
import type { Act, Call } from "../call.ts";
import { seconds } from "../values.ts";

interface Options {
  yes?: true;
  release?: true;
  timeout: number;
}

export function configure(command: Command, act: Act): void {
  command
    .description(
      "Remove this agent: its account and waiting messages at the relay, then its keys and messages here. Of a device that another one has replaced: only what is here.",
    )
    .option("-y, --yes", "do not ask")
    .option("--release", "let the name be registered again, by anyone")
    .addOption(new Option("--timeout <seconds>", "how long to wait").argParser(seconds).default(30_000, "30"))
    .addHelpText("after", "\nExample:\n  aimessage unregister -u alice --yes\n")
    .action(act(unregister));
}

async function unregister(call: Call, { yes, release, timeout }: Options): Promise<number> {
  const { context, out } = call;
  await using agent = await openAgent(call, "unregister");
  const { username, folder } = agent;
  if (yes !== true && !(await confirmed(username, folder, context))) {
    out.note("Nothing was removed.");
    return 1;
  }
  const wasThere = await agent.unregister({ timeout, signal: context.interrupted, release: release === true });
  const released = wasThere && release === true;
  const lines = wasThere
    ? [`${username} is no longer registered, and its folder is deleted.`]
    : [`The folder of ${username} is deleted. Its account at the relay is another device's, or was removed before.`];
  if (wasThere && !released) lines.push("Its name stays reserved at the relay.");
  await out.confirm(lines, { username, unregistered: wasThere, released });
  return 0;
}

async function confirmed(username: string, folder: string, { stdin, stderr, interrupted }: Context): Promise<boolean> {
  if (stdin.isTTY !== true) throw new UsageError("removing an agent cannot be undone", "give --yes if it is meant");
  const prompt = `Remove ${username} and delete ${folder}? This cannot be undone. Type its name: `;
  const asking = createInterface({ input: stdin, output: stderr });
  try {
    return (await asking.question(escapeLine(prompt), { signal: interrupted })) === username;
  } finally {
    asking.close();
  }
}
