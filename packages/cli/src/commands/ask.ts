import type { Agent, Asked, Message } from "@aimessage/sdk/node";
import { Option, type Command } from "commander";
import { openAgent } from "../agent.ts";
import { beginBody } from "../body.ts";
import type { Act, Call } from "../call.ts";
import { AskError, UsageError } from "../errors.ts";
import { shortId } from "../ids.ts";
import { addFileFlags, type FileFlags, filesOf } from "../file-flags.ts";
import { FilesShown } from "../file-progress.ts";
import { addKindFlags, checkedBody, type Kind, kindOf } from "../kind.ts";
import { messageJson, withFiles } from "../message.ts";
import { follow } from "../reaching.ts";
import { fileLabel } from "../saving.ts";
import { senderOf } from "../sender.ts";
import { patience } from "../values.ts";

interface Options extends Kind, FileFlags {
  to?: string;
  message?: string;
  timeout?: number;
  resume?: string;
}

const EXAMPLES = `
Examples:
  aimessage ask -t bob -m "how many tests fail?"
  aimessage ask -t bob -m "how many tests fail?" --timeout 1h &
  aimessage ask --resume 1f0c9a52

Prints the reply, and ends 0; 1 if there will be none: its time is over (it has expired, and 7 is not said here), it failed, or was refused (5). It is kept whatever
happens to this command: aimessage asks lists what is open, and --resume takes the reply. JSON: the reply as listen prints it, and
question_id.
`;

export function configure(command: Command, act: Act): void {
  command
    .description("Ask another agent, and print its reply.")
    .option(
      "-t, --to <name>",
      "whom: NAME, NAME#FINGERPRINT to pin before first contact, or @GROUP: its first answer counts",
    )
    .option("-m, --message <text>", "the question; - or, without -f, no -m with a pipe: exactly what stdin holds")
    .addOption(
      new Option(
        "--timeout <time>",
        "how long a reply is of use; the question expires then, on both sides (default: 60s, with files 1h)",
      ).argParser(patience),
    )
    .option("--resume <id>", "wait for the reply to a question that was asked before")
    .addHelpText("after", EXAMPLES)
    .action(act(ask));
  addFileFlags(addKindFlags(command));
}

/** How long a reply is of use if nothing is said; files are on their way for longer. Milliseconds. */
const ASK_MS = 60_000;
const WITH_FILES_MS = 3_600_000;

async function ask(call: Call, options: Options): Promise<void> {
  const { message, resume, to } = options;
  if (resume !== undefined && (to !== undefined || message !== undefined || options.file !== undefined))
    throw new UsageError("--resume takes neither -t nor -m nor -f", "the question was asked before");
  if (resume === undefined && to === undefined) throw new UsageError("whom to ask is required", "write -t NAME");
  const files = await filesOf(options, call.context);
  const read = resume === undefined ? await beginBody(call, message, files.files) : undefined;
  await using agent = await openAgent(call, "ask");
  using shown = new FilesShown(call);
  const asked =
    read === undefined
      ? await agent.asked(resume ?? "")
      : await agent.question(to ?? "", checkedBody(await read(agent.largestBody), options), {
          ...kindOf(options),
          ...files,
          onProgress: shown.onProgress,
          ...senderOf(call.context),
          timeout: options.timeout ?? (files.files === undefined ? ASK_MS : WITH_FILES_MS),
        });
  using _ = follow(agent, asked, shown);
  const reply = await replyTo(agent, asked, call);
  const labels = reply.files.map((file) => `${fileLabel(file)}, not saved`);
  await call.out.data([{ line: "", body: withFiles(reply, labels) }], {
    ...messageJson(reply),
    question_id: asked.id,
  });
  if (labels.length > 0) call.out.note(`To save what came with it: aimessage inbox save ${shortId(reply.id)}`);
}

async function replyTo(agent: Agent, asked: Asked, { context, out }: Call): Promise<Message> {
  const hint = `Waiting for the reply of ${asked.to} (question ${asked.id})...`;
  const silence = setTimeout(() => out.note(hint), SILENT_MS);
  try {
    return await asked.reply({ signal: context.interrupted });
  } catch (error) {
    const { files = [] } = (await agent.status(asked.id).catch(() => undefined)) ?? {};
    throw new AskError(
      asked.id,
      error,
      files.every(({ state }) => state === "up" || state === "fetched"),
    );
  } finally {
    clearTimeout(silence);
  }
}

/** How long a wait for the other side is not worth a word. Milliseconds. */
const SILENT_MS = 1_000;
