import type { Command } from "commander";
import { openAgent } from "../agent.ts";
import { listUnlessNamed } from "../groups.ts";
import { table } from "@aimessage/sdk/program";
import type { Act, Call } from "../call.ts";
import type { Agent, Contact } from "@aimessage/sdk/node";

const EXAMPLES = `
Examples:
  aimessage contacts list
  aimessage contacts trust bob          accepts the identity that bob shows now, after it has changed
  aimessage contacts block mallory
`;

export function configure(command: Command, act: Act): void {
  listUnlessNamed(command, act, list)
    .description("List, trust, block and allow contacts. Without a command: list.")
    .addHelpText("after", EXAMPLES);
  command
    .command("list")
    .description("List all contacts.")
    .addHelpText("after", "\nExample:\n  aimessage contacts list --json\n")
    .action(act(list));
  command
    .command("trust <name>")
    .description("Accept a contact's changed identity; NAME#FINGERPRINT only if it is this one.")
    .addHelpText("after", `\nExample:\n  aimessage contacts trust "bob#ABCD EFGH ..."\n`)
    .action(act(trust));
  command
    .command("block <name>")
    .description("Take no more messages from a contact.")
    .addHelpText("after", "\nExample:\n  aimessage contacts block mallory\n")
    .action(act(change((agent, name) => agent.block(name))));
  command
    .command("allow <name>")
    .description("Take messages from a blocked contact again.")
    .addHelpText("after", "\nExample:\n  aimessage contacts allow mallory\n")
    .action(act(change((agent, name) => agent.allow(name))));
}

async function list(call: Call): Promise<void> {
  await using agent = await openAgent(call, "contacts");
  const contacts = await agent.contacts();
  const lines =
    contacts.length === 0 ? ["No contacts."] : table([["NAME", "STATE", "FINGERPRINT"], ...contacts.map(row)]);
  await call.out.data(lines, { contacts: contacts.map(contactJson) });
}

type Change = (agent: Agent, name: string, signal: AbortSignal) => Promise<Contact>;

function change(apply: Change): (call: Call, options: object, name: string) => Promise<void> {
  return async (call, _options, name) => {
    await using agent = await openAgent(call, "contacts");
    const contact = await apply(agent, name, call.context.interrupted);
    await call.out.confirm(table([row(contact)]), contactJson(contact));
    await tellRelay(call, agent);
  };
}

/** How long the relay may take to hear what the owner has said of a contact. Milliseconds. */
const TELL_MS = 5_000;

/** It is the relay that refuses a blocked contact's messages, and takes them again. */
async function tellRelay({ context, out }: Call, agent: Agent): Promise<void> {
  await agent.contactsTold({ timeout: TELL_MS, signal: context.interrupted }).catch((error: Error) => {
    out.note(`The relay hears of it with the next command that reaches it: ${error.message}`);
  });
}

/** Reasons for which a message fails that may be meant for who is trusted now. */
const STOPS: ReadonlySet<string | undefined> = new Set(["identity_changed", "device_changed", "fingerprint_mismatch"]);

async function trust(call: Call, _options: object, name: string): Promise<void> {
  await using agent = await openAgent(call, "contacts");
  const contact = await agent.trust(name, { signal: call.context.interrupted });
  await call.out.confirm(table([row(contact)]), contactJson(contact));
  await tellRelay(call, agent);
  const stopped = (await agent.outbox.list({ all: true })).filter(
    ({ to, state, reason }) => to === contact.username && state === "failed" && STOPS.has(reason),
  );
  const [last] = stopped.slice(-1);
  if (last === undefined) return;
  const some = stopped.length === 1 ? "1 message" : `${stopped.length} messages`;
  call.out.note(
    `${some} to ${contact.username} failed before. To send one again: aimessage outbox retry ${last.id} (outbox list --all shows them)`,
  );
}

function row(contact: Contact): string[] {
  const { username, fingerprint, newFingerprint } = contact;
  const now = newFingerprint === undefined ? "" : ` (shows now: ${newFingerprint})`;
  return [username, state(contact), fingerprint + now];
}

function state({ blocked, stopped, verified }: Contact): string {
  if (blocked) return "blocked";
  return stopped ?? (verified ? "verified" : "pinned");
}

/** A contact as JSON. Times are Unix milliseconds. */
export function contactJson(contact: Contact): object {
  return {
    username: contact.username,
    fingerprint: contact.fingerprint,
    verified: contact.verified,
    blocked: contact.blocked,
    stopped: contact.stopped,
    new_fingerprint: contact.newFingerprint,
    pinned_at: contact.pinnedAt,
  };
}
