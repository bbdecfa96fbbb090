import type { Command } from "commander";
import { openOptions } from "../agent.ts";
import type { Act, Call } from "../call.ts";
import { readNamed, wholePath } from "../files.ts";
import { backupPassphrase } from "../passphrase.ts";
import { addInviteFlag, type Invited, readInvite } from "../secret.ts";

const EXAMPLES = `
Example:
  aimessage restore alice.backup

This becomes the agent's one device: the one before stops, and contacts open their conversations anew by themselves. What waited for
the old device at the relay is sent again by those who wrote it; what it had fetched already stays with it.
`;

export function configure(command: Command, act: Act): void {
  addInviteFlag(command)
    .description("Make the agent of a backup this machine's, with a device of its own. Ends its device elsewhere.")
    .argument("<file>", "what `backup` has written")
    .option("--passphrase-file <file>", "file whose first line is the passphrase")
    .addHelpText("after", EXAMPLES)
    .action(act(restore));
}

interface Options extends Invited {
  passphraseFile?: string;
}

async function restore(call: Call, { passphraseFile, invite }: Options, file: string): Promise<void> {
  const { context, out } = call;
  const sealed = await readNamed(wholePath(context, file));
  const passphrase = await backupPassphrase(context, passphraseFile, false);
  const shown = await readInvite(call, invite);
  const { Agent } = await import("@aimessage/sdk/node");
  await using agent = await Agent.restore(sealed, passphrase, { ...openOptions(call, "restore"), invite: shown });
  const { username, fingerprint, server, folder } = agent;
  await out.confirm([`${username} is restored.`, `Fingerprint: ${fingerprint}`, `Saved to: ${folder}`], {
    username,
    fingerprint,
    server,
    folder,
  });
}
