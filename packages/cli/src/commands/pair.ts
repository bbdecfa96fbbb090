import { fstatSync } from "node:fs";
import type { Readable } from "node:stream";
import { Option, type Command } from "commander";
import type { Act, Call } from "../call.ts";
import { counted } from "../counted.ts";
import { isAgentError, UsageError } from "../errors.ts";
import { ended, type Ended, isToTell, tellAll } from "../pairing/lines.ts";
import { openForPairing, sayPaired } from "../pairing/opening.ts";
import { conclude, make } from "../pairing/own-line.ts";
import { resumable, waitOf } from "../pairing/patience.ts";
import { answered, saySleeping, take } from "../pairing/taken-line.ts";
import { addInviteFlag, type Invited, type Where } from "../secret.ts";
import { localTime } from "../times.ts";
import { patience } from "../values.ts";

/** How long the relay may take to let this agent in, where it only has to say something. Milliseconds. */
const RELAY_MS = 10_000;
/** How long a pipe may take to bring a line, before this side makes one of its own, too. Milliseconds. */
const PIPE_MS = 1_000;

interface Options extends Invited {
  line?: Where;
  for?: string;
  yes?: true;
  qr?: true;
  resume?: true;
  withdraw?: true;
  timeout: number;
}

const EXAMPLES = `
Examples:
  aimessage pair                          a line for the other side, or its here
  aimessage -u alice pair --yes < line    the other side's line, by a file
  aimessage pair --for alice | tee line   nobody else may use it
  aimessage pair --resume                 goes on where Ctrl+C has ended it

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
      "do not ask: whoever uses your line is taken; with a line of another's, that it is meant where no terminal is",
    )
    .option("--qr", "show your line as a QR code, too")
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
  if (line !== undefined && (options.for !== undefined || options.qr === true))
    throw new UsageError("--for and --qr are for whoever makes a line", "leave them out with --line");
  if (line === "-" && invite === "-")
    throw new UsageError("--line and --invite cannot both be stdin", "give one @FILE");
  if (line !== undefined) return take(call, options, line);
  if (resume === true) return goOn(call, options);
  if (withdraw === true) return withdrawAll(call);
  const { stdin } = call.context;
  const isMaker = options.for !== undefined || options.qr === true || invite === "-";
  const brings = isMaker || stdin.isTTY === true || isDevice(stdin) ? undefined : await whatComes(stdin);
  if (brings === "line") return take(call, options, "-");
  if (brings === "nothing" && options.yes === true)
    throw new UsageError("no line has come by stdin", "for a line of your own: --for NAME, or < /dev/null");
  try {
    await make(call, { ...options, later: brings === "silence" });
  } catch (error) {
    // Whoever is nobody yet, and names no relay, has been given a line, which does.
    const isNobody = isAgentError(error) && error.code === "not_registered" && call.settings.server === undefined;
    if (isMaker || !isNobody || stdin.isTTY !== true) throw error;
    await take(call, options, true);
  }
}

/** /dev/null, which services have as their stdin, brings nothing, and that says nothing. */
function isDevice(stdin: Readable & { fd?: number }): boolean {
  return stdin.fd !== undefined && fstatSync(stdin.fd).isCharacterDevice();
}

/** Whether a pipe or a file brings a line. One that stays open and silent may do so later. */
async function whatComes(stdin: Readable): Promise<"line" | "nothing" | "silence"> {
  const said = await new Promise<"line" | "nothing" | "silence">((resolve) => {
    const look = () => resolve(stdin.readableLength > 0 ? "line" : "nothing");
    for (const event of ["readable", "end", "error"]) stdin.once(event, look);
    setTimeout(() => resolve("silence"), PIPE_MS).unref();
  });
  if (said !== "line") stdin.pause();
  return said;
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
  const open = own.filter(({ state }) => state === "open");
  const until = Math.max(...open.map(({ expiresAt }) => expiresAt));
  if (open.length > 0)
    call.out.note(
      `${counted(open.length, "line")} of yours may still be used, until ${localTime(until)}. Ctrl+C, and aimessage pair --withdraw, ends that.`,
    );
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
      ended(each, answered(call, each, options), (contact) => sayPaired(call, contact)),
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
