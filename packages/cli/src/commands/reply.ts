import type { Command } from "commander";
import { Option } from "commander";
import { openAgent } from "../agent.ts";
import { beginBody } from "../body.ts";
import type { Act, Call } from "../call.ts";
import { addFileFlags, type FileFlags, filesOf } from "../file-flags.ts";
import { FilesShown } from "../file-progress.ts";
import { addKindFlags, checkedBody, type Kind, kindOf } from "../kind.ts";
import { reached } from "../reaching.ts";
import { senderOf } from "../sender.ts";
import { MESSAGE_ID, patience } from "../values.ts";

interface Options extends Kind, FileFlags {
  message?: string;
  privately?: true;
  timeout: number;
}

const EXAMPLES = `
Examples:
  aimessage reply 1f0c9a52 -m "three"
  npm test 2>&1 | aimessage reply 1f0c9a52
  aimessage reply 1f0c9a52 -f report.pdf

aimessage inbox shows the ids. Whoever has asked takes the reply; if nobody asks any more, it is a message like others.
`;

export function configure(command: Command, act: Act): void {
  command
    .description("Answer a message. Done when the relay has the answer on its disk.")
    .argument("<message-id>", MESSAGE_ID)
    .option("-m, --message <text>", "the answer; - or, without -f, no -m with a pipe: exactly what stdin holds")
    .option("--privately", "of a message to a group: to its sender alone")
    .addOption(new Option("--timeout <time>", "how long to wait").argParser(patience).default(30_000, "30s"))
    .addHelpText("after", EXAMPLES)
    .action(act(reply));
  addFileFlags(addKindFlags(command));
}

async function reply(call: Call, options: Options, typed: string): Promise<void> {
  const files = await filesOf(options, call.context);
  const read = await beginBody(call, options.message, files.files);
  await using agent = await openAgent(call, "reply");
  const message = await agent.message(await agent.inboxId(typed));
  using shown = new FilesShown(call);
  const sent = await message.reply(checkedBody(await read(agent.largestBody), options), {
    ...kindOf(options),
    ...files,
    ...(options.privately === undefined ? {} : { privately: true }),
    onProgress: shown.onProgress,
    ...senderOf(call.context),
  });
  const how = { timeout: options.timeout, signal: call.context.interrupted };
  const status = await reached(agent, sent, how, shown);
  await call.out.confirm([`Reply sent to ${sent.to}`], {
    message_id: sent.id,
    to: sent.to,
    status: status.delivered === true ? "delivered" : "stored_offline",
    reply_to: message.id,
  });
}
