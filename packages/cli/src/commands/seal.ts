import type { Command } from "commander";
import { openOptions } from "../agent.ts";
import type { Act, Call } from "../call.ts";
import { UsageError } from "../errors.ts";

export function configure(command: Command, act: Act): void {
  command
    .description(
      "Seal this agent's store with the passphrase of AIMESSAGE_PASSPHRASE or AIMESSAGE_PASSPHRASE_FILE, which every command then needs. It cannot be taken back.",
    )
    .addHelpText("after", "\nExample:\n  AIMESSAGE_PASSPHRASE_FILE=secret.txt aimessage seal\n")
    .action(act(seal));
}

async function seal(call: Call): Promise<void> {
  const { AIMESSAGE_PASSPHRASE: text = "", AIMESSAGE_PASSPHRASE_FILE: file = "" } = call.context.env;
  if (text === "" && file === "")
    throw new UsageError("a passphrase is required", "set AIMESSAGE_PASSPHRASE, or AIMESSAGE_PASSPHRASE_FILE");
  const { Agent } = await import("@aimessage/sdk/node");
  await using agent = await Agent.open({ ...openOptions(call, "seal"), create: false, seal: true });
  await call.out.confirm([`The store of ${agent.username} is sealed.`], { username: agent.username });
}
