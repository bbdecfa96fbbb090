import { rmSync } from "node:fs";
import type { Command } from "commander";
import { openOptions } from "../agent.ts";
import { shellLine } from "../install/program-words.ts";
import type { Act, Call } from "../call.ts";
import { UsageError } from "../errors.ts";
import { generatePassphrase } from "../passphrase.ts";

const EXAMPLES = `
Examples:
  aimessage seal --generate secret.txt
  AIMESSAGE_PASSPHRASE_FILE=secret.txt aimessage seal

--generate makes a passphrase, and leaves it in that new file; one of your own has 8 characters or more.
Without the passphrase nothing opens the store again: keep a copy of it elsewhere.
`;

export function configure(command: Command, act: Act): void {
  command
    .description(
      "Seal this agent's store with the passphrase of AIMESSAGE_PASSPHRASE or AIMESSAGE_PASSPHRASE_FILE, which every command then needs. It cannot be taken back.",
    )
    .option("--generate <file>", "make a passphrase, and write it into this new file")
    .addHelpText("after", EXAMPLES)
    .action(act(seal));
}

async function seal(call: Call, { generate }: { generate?: string }): Promise<void> {
  const { AIMESSAGE_PASSPHRASE: text = "", AIMESSAGE_PASSPHRASE_FILE: file = "" } = call.context.env;
  const given = text !== "" || file !== "";
  if (generate !== undefined) {
    if (!given) return await sealWithNew(call, generate);
    const hint = "unset AIMESSAGE_PASSPHRASE and AIMESSAGE_PASSPHRASE_FILE, or leave out --generate";
    throw new UsageError("a passphrase is set already", hint);
  }
  if (!given)
    throw new UsageError(
      "a passphrase is required",
      "set AIMESSAGE_PASSPHRASE, or AIMESSAGE_PASSPHRASE_FILE, or have one made: seal --generate FILE",
    );
  const { Agent } = await import("@aimessage/sdk/node");
  await using agent = await Agent.open({ ...openOptions(call, "seal"), create: false, seal: true });
  await call.out.confirm([`The store of ${agent.username} is sealed.`], { username: agent.username });
}

async function sealWithNew(call: Call, generate: string): Promise<void> {
  const { Agent } = await import("@aimessage/sdk/node");
  const options = { ...openOptions(call, "seal"), create: false };
  // As long as it opens without a passphrase, none is needed.
  const opens = () => Agent.open(options).then((agent) => agent.close());
  await opens();
  const { passphrase, path } = await generatePassphrase(call.context, generate);
  try {
    await using agent = await Agent.open({ ...options, passphrase, seal: true });
    const { username } = agent;
    await call.out.confirm(
      [
        `The store of ${username} is sealed. Every command needs its passphrase now:`,
        `export AIMESSAGE_PASSPHRASE_FILE=${shellLine([path])}`,
      ],
      { username, passphrase_file: path },
    );
  } catch (error) {
    await opens().then(
      () => rmSync(path, { force: true }),
      () => undefined,
    );
    throw error;
  }
}
