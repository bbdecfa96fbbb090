import { Option, type Command } from "commander";
import { openAgent } from "../agent.ts";
import { FilesShown } from "../file-progress.ts";
import { shortId } from "../ids.ts";
import { listUnlessNamed } from "../groups.ts";
import { messageJson, previewWithFiles, senderIn } from "../message.ts";
import { sayWhoWaits } from "../requests.ts";
import { type Explained, isAgentError, UsageError } from "../errors.ts";
import { fileJson, folderOf, saveAll, saveCommand, type SavedFile } from "../saving.ts";
import { table } from "@aimessage/sdk/program";
import { localTime } from "../times.ts";
import { count, MESSAGE_ID, size } from "../values.ts";
import type { Act, Call } from "../call.ts";

export function configure(command: Command, act: Act): void {
  listUnlessNamed(command, act, inbox)
    .description(
      "Look at the messages that this agent has received, the newest last. Consumes none; works without the relay, and fetches nothing from it.",
    )
    .addOption(new Option("--last <n>", "how many, the newest").argParser(count).default(50))
    .addHelpText("after", "\nExamples:\n  aimessage inbox --json\n  aimessage inbox save 1f0c9a --dir in\n");
  command
    .command("save")
    .description(
      "Fetch the files of a message, handled or not, and print their paths. It settles nothing: what is unhandled stays so.",
    )
    .argument("<message-id>", MESSAGE_ID)
    .option("--dir <folder>", "where they are saved (default: the working folder)")
    .option("--file <name>", "only files of this name")
    .addOption(new Option("--max-file <size>", "none that is larger: 500MiB, 1GiB (default 1GiB)").argParser(size))
    .addHelpText("after", SAVE)
    .action(act(save));
}

const SAVE = `
Example:
  aimessage inbox save 1f0c9a --dir in

What was begun goes on from where it was left, and what is there already is not fetched again. JSON: a line for each file, with name, bytes, sha256,
path, and state: saved, or failed with error.
`;

/** What has come so lately says that somebody has looked at the relay. Milliseconds. */
const FRESH_MS = 60_000;

async function inbox(call: Call, { last }: { last: number }): Promise<void> {
  await using agent = await openAgent(call, "inbox");
  await sayWhoWaits(agent, call.out);
  const [older, ...newest] = await agent.inbox({ last: last + 1 });
  const entries = newest.length === last ? newest : [older, ...newest].filter((entry) => entry !== undefined);
  if (newest.length === last) call.out.note(`There are older ones: inbox --last ${2 * last} shows more.`);
  const rows = entries.map((entry) => [
    shortId(entry.id),
    entry.state,
    localTime(entry.sentAt),
    senderIn(entry),
    previewWithFiles(entry),
  ]);
  const lines = rows.length === 0 ? ["No messages."] : table([["ID", "STATE", "SENT", "FROM", "TEXT"], ...rows]);
  const { json } = call.settings;
  const { linkHolder } = await import("@aimessage/sdk/node");
  // What has just come has just been fetched.
  const isFresh = Date.now() - (entries.at(-1)?.receivedAt ?? 0) < FRESH_MS;
  if (!json && !isFresh && linkHolder(agent.folder) === undefined)
    call.out.note("What waits at the relay is not shown: aimessage watch --count 1 fetches it.");
  await call.out.data(lines, {
    messages: entries.map((entry) => Object.assign(messageJson(entry), { state: entry.state, reason: entry.reason })),
  });
}

/** How long the relay is waited for, beside its files. Milliseconds. */
const SYNC_MS = 5_000;

interface SaveOptions {
  dir?: string;
  file?: string;
  maxFile?: number;
}

async function save(call: Call, { dir: typedDir, file: only, maxFile }: SaveOptions, typed: string): Promise<number> {
  const { context, out } = call;
  await using agent = await openAgent(call, "inbox");
  const id = await agent.inboxId(typed);
  const { interrupted: signal } = context;
  const sync = () =>
    agent.sync({ timeout: SYNC_MS, signal }).then(
      () => true,
      () => false,
    );
  // What its sender has sent again lies elsewhere.
  const isReachable = await sync();
  const message = await agent.message(id);
  if (!message.files.some(({ name }) => only === undefined || name === only))
    throw new UsageError(
      `the message has no file${only === undefined ? "" : ` ${only}`}`,
      message.files.length === 0
        ? "see: aimessage inbox"
        : `it has ${message.files.map(({ name }) => name).join(", ")}`,
    );
  using shown = new FilesShown(call);
  const to = {
    ...(await folderOf(context, typedDir ?? ".")),
    maxBytes: maxFile,
    only,
    signal,
    onProgress: shown.onProgress,
  };
  const files = await saveAll(message, to).catch(async (error: unknown) => {
    if (!isAgentError(error) || error.code !== "aborted") throw error;
    const { AgentError } = await import("@aimessage/sdk/node");
    const hint = `it goes on with: ${saveCommand(id, { dir: typedDir, file: only, maxFile })}`;
    throw new AgentError("aborted", "interrupted; what was fetched stays", { hint, cause: error });
  });
  shown[Symbol.dispose]();
  // Its sender hears that they are there, or not, and sends again what is damaged.
  if (isReachable) await sync();
  const paths = files.flatMap(({ path }) => path ?? []);
  await out.each(paths, files.map(savedJson));
  for (const { error } of files)
    if (error !== undefined) out.fail(error.message, error.hint, { ...errorJson(error), message_id: message.id });
  return Math.max(...files.map(({ error }) => error?.exit ?? 0));
}

function errorJson({ code: error, message, hint, reason }: Explained): object {
  return { error, message, hint, reason };
}

function savedJson(file: SavedFile): object {
  return { ...fileJson(file), state: file.error === undefined ? "saved" : "failed" };
}
