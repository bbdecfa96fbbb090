import type { Command } from "commander";
import { openAgent } from "../agent.ts";
import type { Act, Call } from "../call.ts";
import { messageJson, messageText, previewWithFiles } from "../message.ts";
import { fileLabel } from "../saving.ts";
import { shortId } from "../ids.ts";
import { listUnlessNamed } from "../groups.ts";
import { table } from "@aimessage/sdk/program";
import { localTime } from "../times.ts";
import type { DeadLetter } from "@aimessage/sdk/node";
import { MESSAGE_ID } from "../values.ts";

export function configure(command: Command, act: Act): void {
  listUnlessNamed(command, act, list)
    .description(
      "Messages that no handler could handle. Their senders have been told; the text is kept for 30 days. Without a command: list.",
    )
    .addHelpText("after", "\nExamples:\n  aimessage dead\n  aimessage dead redeliver 1f0c9a52b7d84e3f\n");
  const add = (name: string, what: string) =>
    command
      .command(name)
      .description(what)
      .addHelpText("after", `\nExample:\n  aimessage dead ${example(name)}\n`);
  add("list", "List them, oldest first.").action(act(list));
  add("show", "Show one: why it failed, and its text.").argument("<message-id>", MESSAGE_ID).action(act(show));
  add("redeliver", "Give one to handlers again. For its sender it stays failed.")
    .argument("<message-id>", MESSAGE_ID)
    .action(act(redeliver));
  add("discard", "Delete one.").argument("<message-id>", MESSAGE_ID).action(act(discard));
}

function example(name: string): string {
  return name === "list" ? "list" : `${name} 1f0c9a52b7d84e3f`;
}

async function list(call: Call): Promise<void> {
  await using agent = await openAgent(call, "dead");
  const letters = await agent.deadLetters.list();
  const rows = letters.map((letter) => [
    shortId(letter.id),
    localTime(letter.failedAt),
    letter.from,
    letter.reason,
    previewWithFiles(letter),
  ]);
  const lines = rows.length === 0 ? ["No dead letters."] : table([["ID", "FAILED", "FROM", "REASON", "TEXT"], ...rows]);
  await call.out.data(lines, { dead_letters: letters.map(letterJson) });
}

async function show(call: Call, _options: object, typed: string): Promise<void> {
  await using agent = await openAgent(call, "dead");
  const id = await agent.deadLetters.idOf(typed);
  const letter = await agent.deadLetters.show(id);
  const rows = [
    ["Message:", letter.id],
    ["From:", letter.from],
    ["Sent:", localTime(letter.sentAt)],
    ["Failed:", localTime(letter.failedAt)],
    ["Reason:", letter.reason],
    ["Type:", letter.contentType],
    ...letter.files.map((file) => ["File:", fileLabel(file)]),
  ];
  await call.out.data([...table(rows), "", { line: "", body: messageText(letter) }], letterJson(letter));
}

async function redeliver(call: Call, _options: object, typed: string): Promise<void> {
  await using agent = await openAgent(call, "dead");
  const id = await agent.deadLetters.idOf(typed);
  await agent.deadLetters.redeliver(id);
  await call.out.confirm([`Message ${id} is given to handlers again.`], {
    message_id: id,
    state: "unhandled",
  });
}

async function discard(call: Call, _options: object, typed: string): Promise<void> {
  await using agent = await openAgent(call, "dead");
  const id = await agent.deadLetters.idOf(typed);
  await agent.deadLetters.discard(id);
  await call.out.confirm([`Message ${id} is deleted.`], { message_id: id, state: "discarded" });
}

/** A dead letter as JSON. Times are Unix milliseconds. */
function letterJson(letter: DeadLetter): object {
  return { ...messageJson(letter), reason: letter.reason, failed_at: letter.failedAt };
}
