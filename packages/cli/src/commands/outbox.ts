import type { Command } from "commander";
import { openAgent } from "../agent.ts";
import type { Act, Call } from "../call.ts";
import type { SendError } from "../errors.ts";
import { FilesShown } from "../file-progress.ts";
import { filesInLine, reached } from "../reaching.ts";
import type { AgentError } from "@aimessage/sdk/node";
import { shortId } from "../ids.ts";
import { listUnlessNamed } from "../groups.ts";
import { table } from "@aimessage/sdk/program";
import { localTime } from "../times.ts";
import { statusJson, statusWithFiles } from "../status.ts";
import { MESSAGE_ID } from "../values.ts";

export function configure(command: Command, act: Act): void {
  listUnlessNamed(command, act, list)
    .description("Messages that were sent from here and have not ended yet. Without a command: list.")
    .option("--all", "those that have ended, too")
    .addHelpText("after", "\nExamples:\n  aimessage outbox\n  aimessage outbox retry 1f0c9a52b7d84e3f\n");
  command
    .command("list")
    .description("List them, oldest first. Works without the relay.")
    .option("--all", "those that have ended, too")
    .addHelpText("after", "\nExample:\n  aimessage outbox list --json\n")
    .action(act(list));
  command
    .command("retry")
    .description(
      "Try one that waits at once, and wait while its files move; send one that was refused, has expired or was never let out as a new message. One that has failed at its recipient is theirs to repeat: `dead redeliver`.",
    )
    .argument("<message-id>", MESSAGE_ID)
    .addHelpText("after", "\nExample:\n  aimessage outbox retry 1f0c9a52b7d84e3f\n")
    .action(act(retry));
  command
    .command("discard")
    .description("Give one up. If it has left already it may still arrive.")
    .argument("<message-id>", MESSAGE_ID)
    .addHelpText("after", "\nExample:\n  aimessage outbox discard 1f0c9a52b7d84e3f\n")
    .action(act(discard));
}

async function list(call: Call, { all }: { all?: true }): Promise<void> {
  await using agent = await openAgent(call, "outbox");
  const messages = await agent.outbox.list({ all: all === true });
  const rows = messages.map((message) => {
    const { id, state, to, updatedAt, reason } = message;
    return [shortId(id), state, localTime(updatedAt), to, reason ?? filesInLine(message)];
  });
  const lines = rows.length === 0 ? ["No messages."] : table([["ID", "STATE", "SINCE", "TO", "REASON"], ...rows]);
  await call.out.data(lines, { messages: messages.map(statusWithFiles) });
}

/** How long a try may take that is waited for. Milliseconds. */
const TRY_MS = 5_000;

async function retry(call: Call, _options: object, typed: string): Promise<void> {
  await using agent = await openAgent(call, "outbox");
  const id = await agent.outbox.idOf(typed);
  using shown = new FilesShown(call);
  const sent = await agent.outbox.retry(id, { onProgress: shown.onProgress });
  const how = { timeout: TRY_MS, signal: call.context.interrupted };
  await reached(agent, sent, how, shown).catch((error: SendError) => {
    // It was tried, and goes on waiting for its recipient.
    if ((error.cause as AgentError).code !== "timeout") throw error;
  });
  const { state, files } = await sent.status();
  const done = files !== undefined && state !== "queued" ? "is sent" : "is tried again";
  const said = sent.id === id ? `Message ${id} ${done}.` : `Message ${id} is sent again, as ${sent.id}.`;
  await call.out.confirm([said], { message_id: sent.id, to: sent.to, status: state, retry_of: id });
}

async function discard(call: Call, _options: object, typed: string): Promise<void> {
  await using agent = await openAgent(call, "outbox");
  const id = await agent.outbox.idOf(typed);
  const status = await agent.outbox.discard(id);
  await call.out.confirm([`Message ${id} is given up.`], statusJson(status));
}
