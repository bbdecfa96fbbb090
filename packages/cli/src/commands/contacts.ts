import type { Command } from "commander";
import { openAgent } from "../agent.ts";
import { listUnlessNamed } from "../groups.ts";
import { table } from "@aimessage/sdk/program";
import type { Act, Call } from "../call.ts";
import type { Context } from "../context.ts";
import { addYesFlag, agreed, refuseUnlessMeant } from "../consent.ts";
import { counted } from "../counted.ts";
import { UsageError } from "../errors.ts";
import { readNamed, wholePath } from "../files.ts";
import type { Agent, Contact } from "@aimessage/sdk/node";

const TIERS = ["known", "verified", "trusted"];

const TIER_EXAMPLES = `
Examples:
  aimessage contacts tier bob trusted
  aimessage contacts tier --file fleet.txt

Every door shows the tier of a message's sender. A trusted contact has ten times the room of others before the guards hold what it sends.
`;

const EXAMPLES = `
Examples:
  aimessage contacts list
  aimessage contacts trust bob          accepts what bob shows after a change
  aimessage contacts add "aimessage:bob@relay.example.org#ABCD..."
  aimessage contacts block mallory
`;

export function configure(command: Command, act: Act): void {
  listUnlessNamed(command, act, list)
    .description("List, add, trust, block and allow contacts. Without a command: list.")
    .addHelpText("after", EXAMPLES);
  command
    .command("list")
    .description("List all contacts.")
    .addHelpText("after", "\nExample:\n  aimessage contacts list --json\n")
    .action(act(list));
  addYesFlag(command.command("add <card>"))
    .description(
      "Pin an agent by its card, which its own `whoami` shows, and take messages from it. Exit code 6 if the relay shows somebody else.",
    )
    .addHelpText("after", `\nExample:\n  aimessage contacts add "aimessage:bob@relay.example.org#ABCD..."\n`)
    .action(act(add));
  addYesFlag(command.command("trust <name>"))
    .description("Accept a contact's changed identity; NAME#FINGERPRINT only if it is this one.")
    .addHelpText("after", `\nExample:\n  aimessage contacts trust "bob#ABCD EFGH ..."\n`)
    .action(act(trust));
  addYesFlag(command.command("block <name>"))
    .description("Take no more messages from a contact.")
    .addHelpText("after", "\nExample:\n  aimessage contacts block mallory\n")
    .action(act(change((agent, name) => agent.block(name))));
  addYesFlag(command.command("allow <name>"))
    .description("Take messages from a blocked contact again.")
    .addHelpText("after", "\nExample:\n  aimessage contacts allow mallory\n")
    .action(act(allow));
  addYesFlag(command.command("tier"))
    .argument("[name]", "a contact whose fingerprint was compared; NAME#FINGERPRINT compares it")
    .argument("[tier]", TIERS.join(", "))
    .option("--file <path>", "of your own fleet: a line NAME#FINGERPRINT for each, which is verified and trusted")
    .description("Say how far a contact is trusted: known, verified (its fingerprint was compared), or trusted.")
    .addHelpText("after", TIER_EXAMPLES)
    .action(act(tier));
}

async function list(call: Call): Promise<void> {
  await using agent = await openAgent(call, "contacts");
  const contacts = await agent.contacts();
  const lines =
    contacts.length === 0 ? ["No contacts."] : table([["NAME", "STATE", "FINGERPRINT"], ...contacts.map(row)]);
  await call.out.data(lines, { contacts: contacts.map(contactJson) });
}

async function allow(call: Call, { yes }: Asked, name: string): Promise<number> {
  if (!(await agreed(call, { yes, what: `letting ${name} in again`, question: `Take messages from ${name} again?` })))
    return 1;
  await change((agent) => agent.allow(name))(call, {}, name);
  return 0;
}

async function add(call: Call, { yes }: Asked, card: string): Promise<number> {
  const { readPairingLine } = await import("@aimessage/sdk/node");
  const { username } = readPairingLine(card);
  if (!(await agreed(call, { yes, what: `adding ${username}`, question: `Add ${username}?` }))) return 1;
  await change((agent, _name, signal) => agent.pairing.add(card, { signal }))(call, {}, card);
  return 0;
}

interface Asked {
  yes?: true;
}

async function tier(
  call: Call,
  { yes, file }: Asked & { file?: string },
  name: string | undefined,
  wanted: string | undefined,
): Promise<number> {
  if ((file === undefined) === (name === undefined) || (name !== undefined && !isTier(wanted)))
    throw new UsageError(
      name === undefined ? "a name, or a file of names, is needed" : `a tier is one of ${TIERS.join(", ")}`,
      "as in: aimessage contacts tier bob trusted",
    );
  const all = file === undefined ? [[name ?? "", wanted as RaisedTier] as const] : await readFleet(call.context, file);
  await using agent = await openAgent(call, "contacts");
  const names = all.map(([address]) => address.split("#")[0] ?? "");
  const some = names.length === 1 ? names[0] : `${names.length} contacts`;
  if (
    (await raises(agent, all)) &&
    !(await agreed(call, { yes, what: `trusting ${some}`, question: `Trust ${names.join(", ")}?` }))
  )
    return 1;
  const contacts: Contact[] = [];
  for (const [address, to] of all) {
    if (address.includes("#")) await agent.verify(address, undefined, { signal: call.context.interrupted });
    contacts.push(await agent.setTier(address.split("#")[0] ?? "", to));
  }
  await call.out.confirm(table(contacts.map(row)), { contacts: contacts.map(contactJson) });
  await tellRelay(call, agent);
  return 0;
}

/** Whether somebody is trusted further by it than now: to make a stranger known lets it in. */
async function raises(agent: Agent, all: readonly (readonly [address: string, tier: RaisedTier])[]): Promise<boolean> {
  for (const [address, to] of all) {
    const contact = await agent.contact(address.split("#")[0] ?? "");
    if (TIERS.indexOf(to) > TIERS.indexOf(contact?.tier ?? "unknown")) return true;
  }
  return false;
}

type RaisedTier = Parameters<Agent["setTier"]>[1];

function isTier(text: string | undefined): text is RaisedTier {
  return text !== undefined && TIERS.includes(text);
}

/** @throws UsageError */
async function readFleet(context: Context, path: string): Promise<(readonly [address: string, tier: RaisedTier])[]> {
  const lines = (await readNamed(wholePath(context, path))).split("\n");
  return lines.flatMap((line, index) => {
    const [address = "", tier = "trusted", more] = line.trim().split(/\s+/);
    if (address === "" || address.startsWith("#")) return [];
    if (address.indexOf("#") < 1 || !isTier(tier) || more !== undefined)
      throw new UsageError(
        `line ${index + 1} of ${path} is no member of a fleet`,
        "write NAME#FINGERPRINT, without spaces, and perhaps a tier",
      );
    return [[address, tier] as const];
  });
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
export async function tellRelay({ context, out }: Call, agent: Agent): Promise<void> {
  const wait = { timeout: TELL_MS, signal: context.interrupted };
  // Words for contacts leave at the end of the link, too.
  const told = agent.sync(wait).then(() => agent.contactsTold(wait));
  await told.catch((error: Error) => {
    out.note(`The relay hears of it with the next command that reaches it: ${error.message}`);
  });
}

/** Reasons for which a message fails that may be meant for who is trusted now. */
const STOPS: ReadonlySet<string | undefined> = new Set(["identity_changed", "device_changed", "fingerprint_mismatch"]);

async function trust(call: Call, { yes }: Asked, name: string): Promise<number> {
  const question = `Accept whatever identity ${name} shows now?`;
  if (name.includes("#")) refuseUnlessMeant(call, { yes, what: `trusting ${name}` });
  else if (!(await agreed(call, { yes, what: `trusting ${name}`, question }))) return 1;
  await using agent = await openAgent(call, "contacts");
  const contact = await agent.trust(name, { signal: call.context.interrupted });
  await call.out.confirm(table([row(contact)]), contactJson(contact));
  await tellRelay(call, agent);
  const stopped = (await agent.outbox.list({ all: true })).filter(
    ({ to, state, reason }) => to === contact.username && state === "failed" && STOPS.has(reason),
  );
  const [last] = stopped.slice(-1);
  if (last === undefined) return 0;
  call.out.note(
    `${counted(stopped.length)} to ${contact.username} failed before. To send one again: aimessage outbox retry ${last.id} (outbox list --all shows them)`,
  );
  return 0;
}

function row(contact: Contact): string[] {
  const { username, fingerprint, newFingerprint } = contact;
  const now = newFingerprint === undefined ? "" : ` (shows now: ${newFingerprint})`;
  return [username, state(contact), fingerprint + now];
}

function state({ blocked, stopped, tier }: Contact): string {
  if (blocked) return "blocked";
  return stopped ?? tier;
}

/** A contact as JSON. Times are Unix milliseconds. */
export function contactJson(contact: Contact): object {
  return {
    username: contact.username,
    fingerprint: contact.fingerprint,
    verified: contact.verified,
    tier: contact.tier,
    blocked: contact.blocked,
    stopped: contact.stopped,
    new_fingerprint: contact.newFingerprint,
    pinned_at: contact.pinnedAt,
    heard_at: contact.heardAt,
  };
}
