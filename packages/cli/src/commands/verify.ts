import type { Command } from "commander";
import { openAgent } from "../agent.ts";
import { table } from "@aimessage/sdk/program";
import type { Act, Call } from "../call.ts";
import { addYesFlag, refuseUnlessMeant } from "../consent.ts";
import { contactJson } from "./contacts.ts";

const EXAMPLES = `
Examples:
  aimessage verify bob
  aimessage verify bob ABCD EFGH ...

The first shows both fingerprints, to be compared by another way than this relay. The second compares what bob has told you, and marks bob as verified.
`;

export function configure(command: Command, act: Act): void {
  addYesFlag(command)
    .description("Compare a contact's fingerprint with the one that it told you. Exit code 6 if they differ.")
    .argument("<name>", "the contact")
    .argument("[fingerprint...]", "what the contact's own `aimessage whoami` shows, with or without spaces")
    .addHelpText("after", EXAMPLES)
    .action(act(verify));
}

async function verify(call: Call, { yes }: { yes?: true }, name: string, words: string[]): Promise<void> {
  if (words.length > 0 || name.includes("#")) refuseUnlessMeant(call, { yes, what: `verifying ${name}` });
  await using agent = await openAgent(call, "verify");
  const fingerprint = words.length === 0 ? undefined : words.join(" ");
  const contact = await agent.verify(name, fingerprint, { signal: call.context.interrupted });
  const { newFingerprint } = contact;
  const rows = [
    [`${contact.username}:`, contact.fingerprint, contact.verified ? "(verified)" : "(not verified)"],
    ...(newFingerprint === undefined ? [] : [[`${contact.username}:`, newFingerprint, "(shown now, not trusted)"]]),
    [`${agent.username}:`, agent.fingerprint, "(this agent)"],
  ];
  const lines = fingerprint === undefined ? table(rows) : [`${contact.username} is verified.`];
  await call.out.data(lines, contactJson(contact));
}
