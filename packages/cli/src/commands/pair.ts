import type { Agent, Contact, OwnLine, PairingLine, Taken, Wait } from "@aimessage/sdk/node";
import { relayName, usernameKey } from "@aimessage/sdk/protocol";
import { Option, type Command } from "commander";
import { openAgent, openOptions } from "../agent.ts";
import type { Act, Call } from "../call.ts";
import { counted } from "../counted.ts";
import { isAgentError, UsageError } from "../errors.ts";
import { ended, type Ended, isAborted, isToTell, tellAll } from "../lines.ts";
import { ask } from "../prompt.ts";
import { addInviteFlag, type Invited, readInvite, readSecret, refuseOpenSecret, type Where } from "../secret.ts";
import { localTime } from "../times.ts";
import { patience } from "../values.ts";
import { contactJson } from "./contacts.ts";

/** How long the relay may take to let this agent in, where it only has to say something. Milliseconds. */
const RELAY_MS = 10_000;

interface Options extends Invited {
  line?: Where;
  for?: string;
  yes?: true;
  resume?: true;
  withdraw?: true;
  timeout: number;
}

const EXAMPLES = `
Examples:
  aimessage pair                          prints a line, and waits until somebody has used it
  aimessage pair --for alice | tee line   whoever has this name is not asked about, and nobody else can use it
  aimessage pair --line                   on the other side: asks for the line
  aimessage -u alice pair --line - --yes < line
  aimessage pair --resume                 goes on where Ctrl+C has ended it, on either side

The line is a secret: give it to one other owner, by a way that nobody else reads. It is good once, for an hour. Who has used it is shown
with its fingerprint, and paired when you say yes; then both agents are verified for each other. An agent that does not exist yet is registered
by the name of -u: at the relay of the line, or, where it makes one, at that of -s. Exit code 6: somebody else has used the line, or is in between; 5: the other side has refused.
--resume says of each line how it has ended, unless that was said before; one that has failed counts for nothing once its agent is verified.
JSON: the line and its expires_at, then the contact.
`;

export function configure(command: Command, act: Act): void {
  addInviteFlag(command)
    .description("Pair with another agent by one line that its owner or you paste.")
    .option("--line [where]", "you have a line: @FILE, - for stdin, or nothing to be asked")
    .option("--for <name>", "nobody but this agent may use your line, and it is not asked about")
    .option(
      "-y, --yes",
      "do not ask: whoever uses your line is taken; with --line, that it is meant where no terminal is",
    )
    .option("--resume", "wait for what is open: your lines, and those that you have used")
    .option("--withdraw", "your lines that are open are good for nobody any more")
    .addOption(
      new Option("--timeout <time>", "how long to wait for the other side")
        .argParser(patience)
        .default(3_600_000, "1h"),
    )
    .addHelpText("after", EXAMPLES)
    .action(act(pair));
}

async function pair(call: Call, options: Options): Promise<void> {
  const { line, resume, withdraw, invite } = options;
  if ([line, resume, withdraw].filter((each) => each !== undefined).length > 1)
    throw new UsageError("--line, --resume and --withdraw are three different things", "give one of them");
  if (line !== undefined && options.for !== undefined)
    throw new UsageError("--for is for whoever makes a line", "leave it out with --line");
  if (line === "-" && invite === "-")
    throw new UsageError("--line and --invite cannot both be stdin", "give one @FILE");
  if (line !== undefined) return take(call, options, line);
  if (resume === true) return goOn(call, options);
  if (withdraw === true) return withdrawAll(call);
  return make(call, options);
}

async function make(call: Call, options: Options): Promise<void> {
  const { context, out } = call;
  if (context.stdin.isTTY !== true && options.for === undefined && options.yes !== true)
    throw new UsageError("who pairs has to be confirmed", "give --for NAME or --yes, or run it at a terminal");
  const invite = await readInvite(call, options.invite);
  const { server } = call.settings;
  await using agent =
    server === undefined
      ? await openForPairing(call)
      : await openOrRegister(call, { server: async () => server, invite: async () => undefined });
  const own = await agent.pairing.open({ for: options.for, yes: options.yes === true, invite });
  await out.data([own.line], { line: own.line, expires_at: own.expiresAt });
  out.note(
    `Give this line to one other owner, by a way that nobody else reads. There: \`aimessage pair --line\`. It is good once, until ${localTime(own.expiresAt)}.`,
  );
  await conclude(call, agent, await agent.pairing.used(own.id, waitOf(call, options)).catch(resumable), options);
}

/** What has become of a line: its owner is asked, and hears how it has ended. */
async function conclude(call: Call, agent: Agent, line: OwnLine, options: Options): Promise<void> {
  const { id, state, by } = line;
  const { AgentError } = await import("@aimessage/sdk/node");
  if (by === undefined || state === "withdrawn") {
    const said = state === "withdrawn" ? "the line was withdrawn" : "nobody has used the line in time";
    throw new AgentError("expired", said, { hint: "aimessage pair makes another one" });
  }
  const who = `${by.username} (${by.fingerprint})`;
  if (state === "asked" && !(await isRight(call, by, options))) await agent.pairing.refuse(id);
  else if (state !== "refused") {
    const contact = state === "asked" ? await agent.pairing.accept(id) : await agent.contact(by.username);
    return confirm(call, contact);
  }
  const meant = usernameKey(options.for ?? line.for ?? by.username);
  if (by.username !== meant)
    throw new AgentError("pairing_stopped", `${who} has used the line, which was for ${meant}, and is not paired`, {
      hint: "find out who has read it; aimessage pair makes another one",
    });
  throw new AgentError("pairing_refused", `${who} has used the line, and is not paired`, {
    hint: "if the line was not for it, find out who has read it; aimessage pair makes another one",
  });
}

/** Whether it is the one that the line was given to. @throws AbortError, UsageError */
async function isRight(
  { context }: Call,
  { username, fingerprint }: NonNullable<OwnLine["by"]>,
  options: Options,
): Promise<boolean> {
  if (options.for !== undefined) return usernameKey(options.for) === usernameKey(username);
  if (options.yes === true) return true;
  if (context.stdin.isTTY !== true)
    throw new UsageError(
      `${username} (${fingerprint}) has used the line`,
      "confirm: aimessage pair --resume --for NAME",
    );
  const question = `${username} (${fingerprint}) has used the line. Is that who you gave it to? (yes or no) `;
  for (;;) {
    const answer = await ask(context, question).catch(resumable);
    if (answer === undefined) return resumable(new DOMException("no answer", "AbortError"));
    if (/^y(es)?$/i.test(answer.trim())) return true;
    if (/^no?$/i.test(answer.trim())) return false;
  }
}

async function take(call: Call, options: Options, where: Where): Promise<void> {
  const { context, out } = call;
  refuseOpenSecret(where, "--line");
  if (context.stdin.isTTY !== true && options.yes !== true)
    throw new UsageError("pairing is for a person to say", "give --yes if it is meant");
  const { AgentError, readPairingLine } = await import("@aimessage/sdk/node");
  // Nothing of it is left to the shell where it was pasted in pieces: it is a secret.
  const hasMore = (text: string): boolean => {
    try {
      return readPairingLine(text).code === undefined;
    } catch {
      return /^\s*aimessage:/i.test(text);
    }
  };
  const line = readPairingLine(await readSecret(context, where, { flag: "--line", text: "The line: ", hasMore }));
  // Before an agent is registered for it.
  if (line.code === undefined)
    throw new AgentError("bad_line", `this is the card of ${line.username}, and no pairing line`, {
      hint: "aimessage contacts add takes cards; `aimessage pair` on the other side prints a line",
    });
  await using agent = await agentFor(call, line, options);
  const taken = await agent.pairing.take(line);
  out.note(`Its owner sees: ${agent.username} (${agent.fingerprint})`);
  await saySleeping(call, agent, [taken]);
  await confirm(call, await answered(call, taken, options));
}

/** What the owner of a line that was used here has said. */
async function answered(call: Call, taken: Taken, options: Options): Promise<Contact> {
  const wait = waitOf(call, options);
  const resumable = resumableUse(taken.username);
  await taken.received(wait).catch(resumable);
  if ((await taken.state()) === "received") call.out.note(`${taken.username} has it. Its owner is asked...`);
  return taken.paired(wait).catch(resumable);
}

/** Who has made a line may be asleep, and nothing happens until it is not. */
async function saySleeping({ context, out }: Call, agent: Agent, taken: readonly Taken[]): Promise<void> {
  const waiting = new Set<string>();
  for (const each of taken) if (["queued", "stored"].includes(await each.state())) waiting.add(each.username);
  if (waiting.size === 0) return;
  const online = await agent.users({ timeout: RELAY_MS, signal: context.interrupted }).catch(() => undefined);
  if (online === undefined) return;
  for (const name of online) waiting.delete(name.toLowerCase());
  for (const name of waiting)
    out.note(`Waiting until ${name}'s aimessage is awake. Ctrl+C, and aimessage pair --resume later, is as good.`);
}

/** The agent of this machine that pairs, registered at the relay of the line if there is none. */
function agentFor(call: Call, line: PairingLine, options: Options): Promise<Agent> {
  return openOrRegister(call, {
    server: () => serverFor(call, line),
    invite: async () => (await readInvite(call, options.invite)) ?? line.invite,
  });
}

/** `server` and `invite` are asked for if there is no agent yet. */
async function openOrRegister(
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

/** Goes on with all that is open, whichever ends first, and tells of each line how it has ended. */
async function goOn(call: Call, options: Options): Promise<void> {
  await using agent = await openForPairing(call);
  // What is said here reaches the other side before this ends, and what has come is known.
  await agent.sync({ timeout: RELAY_MS, signal: call.context.interrupted }).catch((error: Error) => {
    call.out.note(`The other side hears of it when the relay can be reached: ${error.message}`);
  });
  const own = (await agent.pairing.lines()).filter(isToTell);
  const taken = await agent.pairing.taken();
  if (own.length + taken.length === 0) await call.out.confirm(["No line is open."], { open: 0 });
  const going = new Map<object, Promise<Ended>>();
  for (const line of own) {
    const used = agent.pairing.used(line.id, waitOf(call, options)).catch(resumable);
    going.set(
      line,
      ended(line, used, (one) => conclude(call, agent, one, options)),
    );
  }
  for (const each of taken)
    going.set(
      each,
      ended(each, answered(call, each, options), (contact) => confirm(call, contact)),
    );
  await saySleeping(call, agent, taken);
  await tellAll(call.out, agent, going);
}

async function withdrawAll(call: Call): Promise<void> {
  await using agent = await openForPairing(call);
  const count = await agent.pairing.withdraw();
  await call.out.confirm([`${counted(count, "line")} ${count === 1 ? "is" : "are"} withdrawn.`], {
    withdrawn: count,
  });
}

async function confirm({ out }: Call, contact: Contact | undefined): Promise<void> {
  if (contact === undefined) return;
  const { username, fingerprint } = contact;
  await out.data([`${username} is verified. Its fingerprint: ${fingerprint}`], contactJson(contact));
}

/** What is asked at the terminal is no news beside it. */
function openForPairing(call: Call): Promise<Agent> {
  return openAgent(call, "pair", ["pairing_asked"]);
}

function waitOf({ context }: Call, { timeout }: Options): Wait {
  return { timeout, signal: context.interrupted };
}

const OWN = {
  said: "the line stays good until it was used or its hour is over",
  hint: "aimessage pair --resume goes on; aimessage pair --withdraw ends it",
};

/** What was interrupted, or has run out of time, goes on, and says how. */
async function resumable(error: unknown): Promise<never> {
  throw await stopped(error, OWN);
}

/** The same on the side that has used a line of `username`'s: it has none to withdraw. */
function resumableUse(username: string): (error: unknown) => Promise<never> {
  const said = `the line was used, and ${username} answers it all the same`;
  return async (error) => {
    throw await stopped(error, { said, hint: "aimessage pair --resume says how it has ended" });
  };
}

async function stopped(error: unknown, { said, hint }: typeof OWN): Promise<unknown> {
  const isOverdue = isAgentError(error) && error.code === "timeout";
  if (!isOverdue && !isAborted(error)) return error;
  const { AgentError } = await import("@aimessage/sdk/node");
  const why = isOverdue ? error.message : "stopped waiting";
  return new AgentError(isOverdue ? "timeout" : "aborted", `${why}; ${said}`, { hint, cause: error });
}
