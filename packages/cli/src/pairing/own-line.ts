/** A line of this agent's, which its owner gives to another one. */
import type { Agent, OwnLine, PairingLine, Taken } from "@aimessage/sdk/node";
import { usernameKey } from "@aimessage/sdk/protocol";
import type { Call } from "../call.ts";
import type { Context } from "../context.ts";
import { isAgentError, UsageError } from "../errors.ts";
import { ask } from "../prompt.ts";
import { type Invited, readInvite, readStdin } from "../secret.ts";
import { isByPerson, isByProgram } from "../sender.ts";
import { localTime } from "../times.ts";
import { openForPairing, openOrRegister, sayPaired } from "./opening.ts";
import { type Patient, resumable, waitOf } from "./patience.ts";
import { lineHasMore, use } from "./taken-line.ts";

interface Options extends Invited, Patient {
  for?: string;
  yes?: true;
  qr?: true;
  /** The other side's line may still come by stdin. */
  later?: boolean;
}

/** Makes a line, and waits until it is used; or until its owner pastes another one, which the other side has made. */
export async function make(call: Call, options: Options): Promise<void> {
  const { context, out } = call;
  if (!isByPerson(context) && !isConfirmed(context, options))
    throw new UsageError("who pairs has to be confirmed", "give --for NAME or --yes, or run it at a terminal");
  const { server } = call.settings;
  await using agent =
    server === undefined
      ? await openForPairing(call)
      : await openOrRegister(call, { server: async () => server, invite: async () => undefined });
  const invite = await readInvite(call, options.invite);
  const own = await agent.pairing.open({ for: options.for, yes: options.yes === true, invite });
  await out.data([own.line], { line: own.line, expires_at: own.expiresAt });
  if (options.qr === true) for (const line of await qrCode(own.line)) out.note(line);
  out.note(
    `Give this line to one other owner, by a way that nobody else reads, to be pasted at \`aimessage pair\` there. It is good once, until ${localTime(own.expiresAt)}.`,
  );
  const used = agent.pairing.used(own.id, waitOf(call, options));
  const mayPaste = isByPerson(context) && !isConfirmed(context, options);
  const comes = mayPaste ? pasted(call, agent, used) : options.later === true ? piped(call, agent, used) : undefined;
  const given = await comes?.catch(async (error: unknown) => {
    if (options.later === true) await agent.pairing.withdraw(own.id);
    return resumable(error);
  });
  if (given === undefined) return await conclude(call, agent, await used.catch(resumable), options);
  const crossing = acceptCrossing(agent, used, given.line).catch(() => undefined);
  await use(call, { agent, taken: given.taken }, options);
  await agent.pairing.withdraw(own.id);
  await crossing;
}

/** Both owners have pasted the line of the other one: each has said by that who is meant. */
async function acceptCrossing(agent: Agent, used: Promise<OwnLine>, { fingerprint }: PairingLine): Promise<void> {
  const { id, state, by } = await used;
  if (state === "asked" && by?.fingerprint.replaceAll(" ", "") === fingerprint) await agent.pairing.accept(id);
}

/** Whether whoever has begun it has said yes already: by a name, or to anybody. A program's name for it is nobody's word. */
function isConfirmed(context: Context, options: Pick<Options, "for" | "yes">): boolean {
  return options.yes === true || (options.for !== undefined && !isByProgram(context));
}

/** A line of the other side's, which was shown to it. */
interface Given {
  line: PairingLine;
  taken: Taken;
}

/** The other side's line, if its owner pastes one before this side's is used. */
async function pasted(call: Call, agent: Agent, used: Promise<OwnLine>): Promise<Given | undefined> {
  const over = new AbortController();
  void used.catch(() => undefined).then(() => over.abort());
  const { context, out } = call;
  const at = { ...context, interrupted: AbortSignal.any([context.interrupted, over.signal]) };
  const { readPairingLine } = await import("@aimessage/sdk/node");
  const hasMore = await lineHasMore();
  try {
    for (;;) {
      const text = await ask(at, "Or paste the line that you were given: ", { hasMore });
      if (text === undefined) return undefined;
      if (text.trim() === "") continue;
      try {
        const line = readPairingLine(text);
        return { line, taken: await agent.pairing.take(line) };
      } catch (error) {
        // What was meant is another line: this side's stays good meanwhile.
        if (!isAgentError(error) || !["bad_line", "usage", "other_relay"].includes(error.code)) throw error;
        out.warn(error.message);
      }
    }
  } catch (error) {
    if (over.signal.aborted) return undefined;
    throw error;
  }
}

/** The same by a pipe, which may take its time. A line that is none ends both. */
async function piped(call: Call, agent: Agent, used: Promise<OwnLine>): Promise<Given | undefined> {
  const over = used.then(
    () => undefined,
    () => undefined,
  );
  const text = await Promise.race([readStdin(call.context), over]);
  call.context.stdin.destroy();
  if (text === undefined || text.trim() === "") return undefined;
  const { readPairingLine } = await import("@aimessage/sdk/node");
  const line = readPairingLine(text);
  return { line, taken: await agent.pairing.take(line) };
}

/** For the camera of whoever reads it. */
async function qrCode(line: string): Promise<string[]> {
  const { renderUnicodeCompact } = await import("uqr");
  return renderUnicodeCompact(line, { border: 2 }).split("\n");
}

/** What has become of a line: its owner is asked, and hears how it has ended. */
export async function conclude(
  call: Call,
  agent: Agent,
  line: OwnLine,
  options: Pick<Options, "for" | "yes">,
): Promise<void> {
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
    return contact && sayPaired(call, contact);
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
  options: Pick<Options, "for" | "yes">,
): Promise<boolean> {
  if (options.for !== undefined && usernameKey(options.for) !== usernameKey(username)) return false;
  if (isConfirmed(context, options)) return true;
  if (!isByPerson(context))
    throw new UsageError(
      `${username} (${fingerprint}) has used the line`,
      "confirm: aimessage pair --resume --for NAME, and --yes where a program runs it",
    );
  const question = `${username} (${fingerprint}) has used the line. Is that who you gave it to? (yes or no) `;
  for (;;) {
    const answer = await ask(context, question).catch(resumable);
    if (answer === undefined) return resumable(new DOMException("no answer", "AbortError"));
    if (/^y(es)?$/i.test(answer.trim())) return true;
    if (/^no?$/i.test(answer.trim())) return false;
  }
}
