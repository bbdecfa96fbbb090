import type { Command } from "commander";
import { openAgent } from "../agent.ts";
import type { Act, Call } from "../call.ts";
import { wholePath, writeNamed } from "../files.ts";
import { backupPassphrase } from "../passphrase.ts";

interface Options {
  passphraseFile?: string;
  force?: true;
}

const EXAMPLES = `
Examples:
  aimessage backup alice.backup
  aimessage backup alice.backup --passphrase-file secret.txt

The passphrase is asked for, or comes from --passphrase-file or AIMESSAGE_BACKUP_PASSPHRASE. Messages are not in it. One
backup lasts for as long as the identity; make another to keep newer contacts.
`;

export function configure(command: Command, act: Act): void {
  command
    .description("Write this agent's identity and contacts into one encrypted file, for `restore` on another machine.")
    .argument("<file>", "the file to be made")
    .option("--passphrase-file <file>", "file whose first line is the passphrase")
    .option("--force", "overwrite the file if it exists")
    .addHelpText("after", EXAMPLES)
    .action(act(backup));
}

async function backup(call: Call, { passphraseFile, force }: Options, file: string): Promise<void> {
  const { context, out } = call;
  await using agent = await openAgent(call, "backup");
  const sealed = await agent.backup(await backupPassphrase(context, passphraseFile, true));
  const path = wholePath(context, file);
  await writeNamed(path, sealed, force === true);
  await out.confirm([`${agent.username} is backed up in ${path}.`], {
    username: agent.username,
    file: path,
  });
}
