import { dirname } from "node:path";
import type { Command } from "commander";
import { openOptions } from "../agent.ts";
import { addInviteFlag, type Invited, readInvite } from "../secret.ts";
import { isAgentError, UsageError } from "../errors.ts";
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

function outcome({ moved, anew, username, server }: Agent, already: boolean): string {
  if (already) return `${username} is registered already, at ${server}: nothing was changed.`;
  if (moved) return `${username} was registered already; this address of its relay is remembered: ${server}`;
  if (anew) return `${username} is registered again, with the same keys: its relay did not know it any more.`;
  return "Registration successful!";
}

async function register(call: Call, { invite }: Invited): Promise<void> {
  const { username, server } = call.settings;
  if (username === undefined) throw new UsageError("a username is required", "name it: register -u NAME");
  if (server === undefined) throw new UsageError("a relay is required", "name it: register -u NAME -s ws://HOST:PORT");
  const { Agent } = await import("@aimessage/sdk/node");
  const options = { ...openOptions(call, "register"), username, server };
  let already = false;
  await using agent = await Agent.register({ ...options, invite: await readInvite(call, invite) }).catch(
    (error: unknown) => {
      if (!isAgentError(error) || error.code !== "already_registered") throw error;
      // What a script says each time it runs is done.
      already = true;
      return Agent.open({ ...options, create: false });
    },
  );
  await call.out.confirm(
    [
      outcome(agent, already),
      `Username: ${agent.username}`,
      `Fingerprint: ${agent.fingerprint}`,
      `Saved to: ${agent.folder}`,
    ],
    {
      username: agent.username,
      fingerprint: agent.fingerprint,
      server: agent.server,
      home: dirname(agent.folder),
      folder: agent.folder,
    },
  );
}
