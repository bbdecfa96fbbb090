/** The agent of this machine that pairs. */
import type { Agent, Contact } from "@aimessage/sdk/node";
import { openAgent, openOptions } from "../agent.ts";
import type { Call } from "../call.ts";
import { contactJson } from "../commands/contacts.ts";
import { isAgentError, UsageError } from "../errors.ts";

/** What is asked at the terminal is no news beside it. */
export function openForPairing(call: Call): Promise<Agent> {
  return openAgent(call, "pair", ["pairing_asked"]);
}

/** Registers it if there is none: `server` and `invite` are asked for then. */
export async function openOrRegister(
  call: Call,
  { server, invite }: { server: () => Promise<string>; invite: () => Promise<string | undefined> },
): Promise<Agent> {
  const { settings, out } = call;
  try {
    return await openForPairing(call);
  } catch (error) {
    if (!isAgentError(error) || error.code !== "not_registered") throw error;
  }
  const { username } = settings;
  if (username === undefined) throw new UsageError("a username is required, to register", "name it: -u NAME");
  const { Agent } = await import("@aimessage/sdk/node");
  const known = { invite: await invite(), server: await server() };
  const agent = await Agent.open({ ...openOptions(call, "pair"), username, ...known });
  out.note(`${agent.username} is registered at ${agent.server}, and saved to ${agent.folder}`);
  return agent;
}

/** Both sides end by it. */
export async function sayPaired({ out }: Call, contact: Contact): Promise<void> {
  const { username, fingerprint } = contact;
  await out.data([`${username} is verified. Its fingerprint: ${fingerprint}`], contactJson(contact));
}
