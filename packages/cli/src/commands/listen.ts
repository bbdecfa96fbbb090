import type { Agent, AgentError } from "@aimessage/sdk/node";
import { Option, type Command } from "commander";
import { openAgent } from "../agent.ts";
import type { Act, Call } from "../call.ts";
import { interruptedExit } from "../context.ts";
import { messageJson, messageLine } from "../message.ts";
import { type Output, StdoutError } from "@aimessage/sdk/program";
import { count, seconds } from "../values.ts";

interface Options {
  count?: number;
  timeout?: number;
  from?: string;
  share?: true;
}

const EXAMPLES = `
Examples:
  aimessage listen
  aimessage listen --json --count 1 --timeout 60

A message counts as handled once its line is written whole, and on the disk if it goes into a file; else it is shown again. JSON keys: message_id, from, to, body, content_type, sent_at,
received_at (Unix milliseconds), offline, verified; body_base64 instead of body if it is not UTF-8 text.
`;

export function configure(command: Command, act: Act): void {
  command
    .description("Print messages as they arrive, those that waited first.")
    .addOption(new Option("--count <n>", "stop after so many messages").argParser(count))
    .addOption(
      new Option("--timeout <seconds>", "stop after this time; exit 7 if --count is not reached").argParser(seconds),
    )
    .option("--from <name>", "only messages of this sender; others stay unread")
    .option("--share", "take turns with the other listeners of this agent that share")
    .addHelpText("after", EXAMPLES)
    .action(act(listen));
}

async function listen(call: Call, options: Options): Promise<number> {
  const { context, out } = call;
  const overdue = options.timeout === undefined ? undefined : AbortSignal.timeout(options.timeout);
  const signal = overdue === undefined ? context.interrupted : AbortSignal.any([context.interrupted, overdue]);
  context.interrupted.addEventListener("abort", () => out.note("Stopping listener..."));
  await using agent = await openAgent(call, "listen");
  await warnOfStranger(agent, options.from, out);
  const outage = followOutages(agent, out, signal);
  if (!signal.aborted) out.note(`Listening for messages as ${agent.username}... (Press Ctrl+C to stop)`);

  const filter = { ...(options.from === undefined ? {} : { from: options.from }), share: options.share === true };
  let missing = options.count ?? Number.POSITIVE_INFINITY;
  try {
    for await (const message of agent.messages({ ...filter, signal })) {
      await out.data([messageLine(message)], messageJson(message), { until: signal, onDisk: true });
      await message.handled();
      missing -= 1;
      if (missing === 0) return 0;
    }
  } catch (error) {
    if (error instanceof StdoutError) throw await givenBack(error);
    if (!signal.aborted) throw error;
  }
  if (context.interrupted.aborted) return interruptedExit(context);
  if (outage.error !== undefined) throw outage.error;
  if (options.count === undefined) return 0;
  const { AgentError } = await import("@aimessage/sdk/node");
  const came = options.count - missing;
  throw new AgentError("timeout", `time ran out: ${came} of ${options.count} messages came`, {
    hint: "what comes later waits for the next listen",
  });
}

/** A listener for a name that nobody has waits for ever. @throws AgentError bad_username */
async function warnOfStranger(agent: Agent, name: string | undefined, out: Output): Promise<void> {
  if (name === undefined || (await agent.contact(name)) !== undefined) return;
  out.warn(`${name} is not among the contacts: this waits until somebody of that name has written for the first time`);
}

/** A message that stdout has not taken whole is not handled. */
async function givenBack(error: StdoutError): Promise<Error> {
  if (error.code !== "ETIMEDOUT") return error;
  const { AgentError } = await import("@aimessage/sdk/node");
  const hint = "the message that came is shown again by the next listen";
  return new AgentError("timeout", error.message, { hint, cause: error });
}

/** Says once that there is no way to the relay, and once that there is again. The error is there while there is none. */
function followOutages(agent: Agent, out: Output, until: AbortSignal): { readonly error: AgentError | undefined } {
  const outage: { error: AgentError | undefined } = { error: undefined };
  agent.onLink(({ state, detail, error }) => {
    if (until.aborted || state === "waiting") return;
    if (state === "reconnecting" && outage.error === undefined) out.note(`${detail}; trying again`);
    if (state === "connected" && outage.error !== undefined) out.note("Connected again.");
    outage.error = error;
  });
  return outage;
}
