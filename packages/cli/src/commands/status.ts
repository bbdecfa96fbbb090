import type { Command } from "commander";
import { openAgent } from "../agent.ts";
import { localTime, table } from "../output.ts";
import type { Act, Call } from "../call.ts";
import type { MessageState } from "@aimessage/sdk/node";

const STATES = `
States: queued (here, in the outbox), stored (on the relay's disk), received (on the recipient's disk), handled (its handler
succeeded); or, with a reason, expired, refused, failed.

Example:
  aimessage status 1f0c9a52b7d84e3f
`;

/** Receipts of these may wait at the relay. */
const WAITING: ReadonlySet<MessageState> = new Set(["queued", "stored", "received"]);
const SYNC_MS = 5_000;

export function configure(command: Command, act: Act): void {
  command
    .description("Say what became of a message that was sent from here. Fetches the receipts that wait at the relay.")
    .argument("<message-id>", "the id that send printed")
    .addHelpText("after", STATES)
    .action(act(status));
}

async function status(call: Call, _options: object, id: string): Promise<void> {
  await using agent = await openAgent(call, "status");
  let found = await agent.status(id);
  if (found !== undefined && WAITING.has(found.state)) {
    const { context, out } = call;
    const wait = { timeout: SYNC_MS, signal: context.interrupted };
    await agent.sync(wait).catch((error: Error) => out.note(`This is what was known last: ${error.message}`));
    found = await agent.status(id);
  }
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
    sent_at: found.createdAt,
    updated_at: found.updatedAt,
    expires_at: found.expiresAt,
  });
}
