import type { Command } from "commander";
import { openAgent } from "../agent.ts";
import { localTime, table } from "../output.ts";
import type { Act, Call } from "../call.ts";

const STATES = `
States: queued (here, in the outbox), stored (on the relay's disk), received (on the recipient's disk), handled (its handler
succeeded); or, with a reason, expired, refused, failed.

Example:
  aimessage status 1f0c9a52b7d84e3f
`;

export function configure(command: Command, act: Act): void {
  command
    .description("Say what became of a message that was sent from here.")
    .argument("<message-id>", "the id that send printed")
    .addHelpText("after", STATES)
    .action(act(status));
}

async function status(call: Call, _options: object, id: string): Promise<void> {
  await using agent = await openAgent(call, "status");
  const found = await agent.status(id);
  if (found === undefined) {
    const { AgentError } = await import("@aimessage/sdk/node");
    const hint = "check the id; messages that are done are forgotten after a while";
    throw new AgentError("unknown_message", `no message ${id} was sent from here`, { hint });
  }
  const rows = [
    ["Message:", found.id],
    ["To:", found.to],
    ["Status:", found.state],
    ["Reason:", found.reason ?? ""],
    ["Sent:", localTime(found.createdAt)],
    ["Since:", localTime(found.updatedAt)],
    ["Expires:", found.expiresAt === undefined ? "" : localTime(found.expiresAt)],
  ];
  await call.out.data(table(rows.filter(([, value]) => value !== "")), {
    message_id: found.id,
    to: found.to,
    status: found.state,
    reason: found.reason,
    created_at: found.createdAt,
    updated_at: found.updatedAt,
    expires_at: found.expiresAt,
  });
}
