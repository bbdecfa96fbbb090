import { Option, type Command } from "commander";
import { openAgent } from "../agent.ts";
import type { Context } from "../context.ts";
import { counted } from "../counted.ts";
import { UsageError } from "../errors.ts";
import { ask } from "../prompt.ts";
import type { Act, Call } from "../call.ts";
import type { Agent } from "@aimessage/sdk/node";
import { patience } from "../values.ts";

interface Options {
  yes?: true;
  release?: true;
  timeout: number;
}

export function configure(command: Command, act: Act): void {
  command
    .description(
      "Remove this agent: its account and waiting messages at the relay, then its keys and messages here. What waits to be sent is sent first, as far as the time goes. Of a device that another one has replaced: only what is here.",
    )
    .option("-y, --yes", "do not ask")
    .option("--release", "let the name be registered again, by anyone")
    .addOption(
      new Option("--timeout <time>", "how long to wait for what is still to be sent, and for the relay")
        .argParser(patience)
        .default(30_000, "30s"),
    )
    .addHelpText("after", "\nExample:\n  aimessage unregister -u alice --yes\n")
    .action(act(unregister));
}

async function unregister(call: Call, { yes, release, timeout }: Options): Promise<number> {
  const { context, out } = call;
  await using agent = await openAgent(call, "unregister");
  const { username } = agent;
  if (yes !== true && !(await confirmed(agent, context))) {
    out.note("Nothing was removed.");
    return 1;
  }
  const wait = { timeout, signal: context.interrupted };
  for (const text of await whatWaits(agent)) out.note(`${text}.`);
  const unsent = await agent.outbox.drained(wait);
  const wasThere = await agent.unregister({ ...wait, release: release === true });
  const released = wasThere && release === true;
  if (unsent > 0) out.warn(`${counted(unsent)} could not be sent in time, and ${unsent === 1 ? "is" : "are"} gone`);
  const lines = wasThere
    ? [`${username} is no longer registered, and its folder is deleted.`]
    : [`The folder of ${username} is deleted. Its account at the relay is another device's, or was removed before.`];
  if (wasThere && !released) lines.push("Its name stays reserved at the relay.");
  await out.confirm(lines, { username, unregistered: wasThere, released, unsent });
  return 0;
}

/** Messages that would be lost with the agent, in sentences without their full stops. */
async function whatWaits(agent: Agent): Promise<string[]> {
  const toSend = (await agent.outbox.list()).filter(({ state }) => state === "queued").length;
  const unhandled = await agent.unhandled();
  return [
    ...(toSend === 0 ? [] : [`${counted(toSend)} waiting to be sent`]),
    ...(unhandled === 0 ? [] : [`${counted(unhandled)} received and not handled; their senders hear that they failed`]),
  ];
}

async function confirmed(agent: Agent, context: Context): Promise<boolean> {
  const { username, folder } = agent;
  const waiting = (await whatWaits(agent)).join(", and ");
  if (context.stdin.isTTY !== true)
    throw new UsageError(
      waiting === "" ? "removing an agent cannot be undone" : `removing an agent cannot be undone; it has ${waiting}`,
      "give --yes if it is meant",
    );
  const also = waiting === "" ? "" : ` It has ${waiting}.`;
  const prompt = `Remove ${username} and delete ${folder}?${also} This cannot be undone. Type its name: `;
  return (await ask(context, prompt)) === username;
}
