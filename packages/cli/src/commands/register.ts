import { dirname } from "node:path";
import type { Command } from "commander";
import { openOptions } from "../agent.ts";
import { addInviteFlag, type Invited, readInvite } from "../secret.ts";
import { UsageError } from "../errors.ts";
import type { Act, Call } from "../call.ts";
import type { Agent } from "@aimessage/sdk/node";

const EXAMPLES = `
Examples:
  aimessage register -u alice -s ws://localhost:8080
  aimessage register -u alice -s wss://relay.example.org --invite @invite.txt
`;

export function configure(command: Command, act: Act): void {
  addInviteFlag(command)
    .description(
      "Register a new agent at a relay. Its keys are made here and never leave this machine. One that its relay does not know any more is registered again.",
    )
    .addHelpText("after", EXAMPLES)
    .action(act(register));
}

function outcome({ moved, anew, username, server }: Agent): string {
  if (moved) return `${username} was registered already; this address of its relay is remembered: ${server}`;
  if (anew) return `${username} is registered again, with the same keys: its relay did not know it any more.`;
  return "Registration successful!";
}

async function register(call: Call, { invite }: Invited): Promise<void> {
  const { username, server } = call.settings;
  if (username === undefined) throw new UsageError("a username is required", "name it: register -u NAME");
  if (server === undefined) throw new UsageError("a relay is required", "name it: register -u NAME -s ws://HOST:PORT");
  const { Agent } = await import("@aimessage/sdk/node");
  await using agent = await Agent.register({
    ...openOptions(call, "register"),
    username,
    server,
    invite: await readInvite(call, invite),
  });
  await call.out.confirm(
    [outcome(agent), `Username: ${agent.username}`, `Fingerprint: ${agent.fingerprint}`, `Saved to: ${agent.folder}`],
    {
      username: agent.username,
      fingerprint: agent.fingerprint,
      server: agent.server,
      home: dirname(agent.folder),
      folder: agent.folder,
    },
  );
}
