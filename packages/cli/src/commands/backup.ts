import { rmSync } from "node:fs";
import { StdoutError } from "@aimessage/sdk/program";
import type { Command } from "commander";
import { openAgent } from "../agent.ts";
import type { Act, Call } from "../call.ts";
import { counted } from "../counted.ts";
import { UsageError } from "../errors.ts";
import { wholePath, writeNamed } from "../files.ts";
import { backupPassphrase, generatePassphrase } from "../passphrase.ts";

interface Options {
  passphraseFile?: string;
  generate?: string;
  force?: true;
}

const EXAMPLES = `
Examples:
  aimessage backup alice.backup
  aimessage backup alice.backup --passphrase-file secret.txt
  aimessage backup alice.backup --generate secret.txt

--generate makes a passphrase, and leaves it in that new file. The passphrase, of 8 characters or more, is asked for, or comes from --passphrase-file or AIMESSAGE_BACKUP_PASSPHRASE. Keep it elsewhere
than the backup: whoever has both is the agent. Messages are not in it. One
backup lasts for as long as the identity; make another to keep newer contacts.
`;

export function configure(command: Command, act: Act): void {
  command
    .description("Write this agent's identity and contacts into one encrypted file, for `restore` on another machine.")
    .argument("<file>", "the file to be made")
    .option("--passphrase-file <file>", "file whose first line is the passphrase")
    .option("--generate <file>", "make a passphrase, and write it into this new file")
    .option("--force", "overwrite the file if it exists")
    .addHelpText("after", EXAMPLES)
    .action(act(backup));
}

async function backup(call: Call, options: Options, file: string): Promise<void> {
  const { context, out } = call;
  const { passphraseFile, generate } = options;
  if (passphraseFile !== undefined && generate !== undefined)
    throw new UsageError("--generate makes the passphrase that --passphrase-file names", "give one of them");
  const path = wholePath(context, file);
  if (generate !== undefined && wholePath(context, generate) === path)
    throw new UsageError("the backup and its passphrase cannot be one file", "choose another file for --generate");
  await using agent = await openAgent(call, "backup");
  const made = generate === undefined ? undefined : await generatePassphrase(context, generate);
  try {
    const sealed = await agent.backup(made?.passphrase ?? (await backupPassphrase(context, passphraseFile, true)));
    await writeNamed(path, sealed, options.force === true);
    const waiting =
      (await agent.unhandled()) + (await agent.requests.list()).reduce((sum, { messages }) => sum + messages, 0);
    const where = made === undefined ? [] : [`Its passphrase is in ${made.path}: keep it elsewhere than the backup.`];
    await out.confirm([`${agent.username} is backed up in ${path}.`, ...where], {
      username: agent.username,
      file: path,
      passphrase_file: made?.path,
    });
    // A backup has no messages: what is here waits here, also after another device has taken the agent over.
    if (waiting > 0) out.note(`${counted(waiting)} that nobody has handled ${waiting === 1 ? "is" : "are"} not in it.`);
  } catch (error) {
    // Of no backup.
    if (made !== undefined && !(error instanceof StdoutError)) rmSync(made.path, { force: true });
    throw error;
  }
}
