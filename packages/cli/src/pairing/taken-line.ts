/** A line of another agent's that was given to the owner of this one. */
import type { Agent, Contact, PairingLine, Taken } from "@aimessage/sdk/node";
import { relayName } from "@aimessage/sdk/protocol";
import type { Call } from "../call.ts";
import { refuseUnlessMeant } from "../consent.ts";
import { UsageError } from "../errors.ts";
import { type Invited, readInvite, readSecret, refuseOpenSecret, type Where } from "../secret.ts";
import { openOrRegister, sayPaired } from "./opening.ts";
import { type Patient, resumableUse, waitOf } from "./patience.ts";

/** How long the relay may take to say who is online. Milliseconds. */
const ONLINE_MS = 10_000;

interface Options extends Invited, Patient {
  yes?: true;
}

/** Takes a line from where it is, for the agent of this machine, which is registered at its relay if there is none. */
export async function take(call: Call, options: Options, where: Where): Promise<void> {
  const { context } = call;
  refuseOpenSecret(where, "--line");
  refuseUnlessMeant(call, { yes: options.yes, what: "pairing" });
  const { readPairingLine } = await import("@aimessage/sdk/node");
  const hasMore = await lineHasMore();
  const line = readPairingLine(await readSecret(context, where, { flag: "--line", text: "The line: ", hasMore }));
  await refuseCard(line);
  await using agent = await openOrRegister(call, {
    server: () => serverFor(call, line),
    invite: async () => (await readInvite(call, options.invite)) ?? line.invite,
  });
  await use(call, { agent, taken: await agent.pairing.take(line) }, options);
}

/** A line that was pasted in pieces is read whole: nothing of it is left to the shell, since it is a secret. */
export async function lineHasMore(): Promise<(text: string) => boolean> {
  const { readPairingLine } = await import("@aimessage/sdk/node");
  return (text) => {
    try {
      return readPairingLine(text).code === undefined;
    } catch {
      return /^\s*aimessage:/i.test(text);
    }
  };
}

/** Before an agent is registered for it. @throws AgentError bad_line */
async function refuseCard({ code, username }: PairingLine): Promise<void> {
  if (code !== undefined) return;
  const { AgentError } = await import("@aimessage/sdk/node");
  throw new AgentError("bad_line", `this is the card of ${username}, and no pairing line`, {
    hint: "aimessage contacts add takes cards; `aimessage pair` on the other side prints a line",
  });
}

/** Waits for what the line's owner says. */
export async function use(
  call: Call,
  { agent, taken }: { agent: Agent; taken: Taken },
  options: Patient,
): Promise<void> {
  call.out.note(`Its owner sees: ${agent.username} (${agent.fingerprint})`);
  await saySleeping(call, agent, [taken]);
  await sayPaired(call, await answered(call, taken, options));
}

/** What the owner of a line that was used here has said. */
export async function answered(call: Call, taken: Taken, options: Patient): Promise<Contact> {
  const wait = waitOf(call, options);
  const resumable = resumableUse(taken.username);
  await taken.received(wait).catch(resumable);
  if ((await taken.state()) === "received") call.out.note(`${taken.username} has it. Its owner is asked...`);
  return taken.paired(wait).catch(resumable);
}

/** Who has made a line may be asleep, and nothing happens until it is not. */
export async function saySleeping({ context, out }: Call, agent: Agent, taken: readonly Taken[]): Promise<void> {
  const waiting = new Set<string>();
  for (const each of taken) if (["queued", "stored"].includes(await each.state())) waiting.add(each.username);
  if (waiting.size === 0) return;
  const online = await agent.users({ timeout: ONLINE_MS, signal: context.interrupted }).catch(() => undefined);
  if (online === undefined) return;
  for (const name of online) waiting.delete(name.toLowerCase());
  for (const name of waiting)
    out.note(`Waiting until ${name}'s aimessage is awake. Ctrl+C, and aimessage pair --resume later, is as good.`);
}

/** The relay of the line, by the address that was given if it is its. */
async function serverFor({ settings: { server, insecure } }: Call, line: PairingLine): Promise<string> {
  const { serverOfLine } = await import("@aimessage/sdk/node");
  if (server === undefined) return serverOfLine(line, insecure);
  const url = URL.canParse(server) ? new URL(server.replace(/^http/i, "ws")) : undefined;
  if (url !== undefined && relayName(url) === line.relay) return server;
  throw new UsageError(
    `the line is for a relay at ${line.relay}, and not for ${server}`,
    "leave out -s and AIMESSAGE_SERVER: the line names the relay",
  );
}
