/** Messages that something handles for us, a command or a web service: what becomes of them by how that ends. */
import type { Agent, IncomingMessage } from "@aimessage/sdk/node";
import type { Output } from "@aimessage/sdk/program";
import { isAgentError } from "../errors.ts";
import { senderIn, utf8 } from "../message.ts";
import { takeTurns, type TurnOptions } from "./turns.ts";

/** Between two attempts, doubled from one to the next. Milliseconds. */
const FIRST_RETRY_MS = 1_000;
const LAST_RETRY_MS = 60_000;

export interface WorkOptions extends TurnOptions {
  /** What it prints, or answers, is the reply: to whom expects one, or to all. */
  reply?: "asked" | "always";
  /** How often it may fail. */
  attempts: number;
}

/** How the handling of a message ended. */
export type Ended =
  | { kind: "done"; output: Buffer }
  /** It may go better another time; `counts`: as one of its attempts. */
  | { kind: "again"; reason: string; counts: boolean; afterMs?: number }
  | { kind: "never"; reason: string }
  /** We end ourselves: nothing is known of it. */
  | { kind: "given up" };

export interface Handling {
  signal: AbortSignal;
  /** What it prints, or answers, is sent to the message's sender. */
  isAnswered: boolean;
}

export type Handle = (message: IncomingMessage, handling: Handling) => Promise<Ended>;

/** What became of a message, for people and programs. */
interface Outcome {
  state: "handled" | "failed" | "retry";
  reason?: string;
}

/** Has messages handled as they come, until the signal. @returns how many have ended */
export async function work(
  agent: Agent,
  options: WorkOptions,
  { handle, out, until }: { handle: Handle; out: Output; until: AbortSignal },
): Promise<number> {
  let isTold = false;
  return takeTurns(agent, options, until, async (message, signal) => {
    const isAnswered = options.reply === "always" || (options.reply === "asked" && message.expectsReply);
    const end = await handle(message, { signal, isAnswered });
    // While this one stood still, another one may have settled it: that is the other one's to tell.
    if (await isSettled(agent, message)) return false;
    const outcome = await settle(message, end, { ...options, isAnswered });
    if (outcome === undefined) return false;
    await say(message, outcome, out);
    const isOpen = outcome.state === "handled" && message.expectsReply && options.reply === undefined;
    if (!isTold && isOpen && !(await isReplied(agent, message))) {
      isTold = true;
      out.note(
        `${message.from} waits for a reply to that. With --reply what the command prints, or the service answers, is sent.`,
      );
    }
    return outcome.state !== "retry";
  });
}

async function isSettled(agent: Agent, { id }: IncomingMessage): Promise<boolean> {
  try {
    return (await agent.message(id)).state !== "unhandled";
  } catch {
    // It waits for the owner's word by now, and is settled there.
    return false;
  }
}

/** Whether what has handled it has answered it by itself: `aimessage reply` in a command. */
async function isReplied(agent: Agent, { id }: IncomingMessage): Promise<boolean> {
  const entry = await agent.message(id).catch(() => undefined);
  return entry?.replied === true;
}

/** @returns what became of it; undefined if it is given back as it was */
async function settle(
  message: IncomingMessage,
  end: Ended,
  { attempts, isAnswered }: WorkOptions & { isAnswered: boolean },
): Promise<Outcome | undefined> {
  if (end.kind === "given up") return undefined;
  if (end.kind === "done") return handled(message, end.output, isAnswered);
  const { reason } = end;
  // What was only not the time for it, and a listener that has ended meanwhile, are no failures of it.
  if (end.kind === "never" || (end.counts && message.failures + 1 >= attempts)) {
    await message.failed(reason);
    return { state: "failed", reason };
  }
  const doubled = FIRST_RETRY_MS * 2 ** Math.min(message.attempt - 1, 10);
  await message.retry(reason, end.afterMs ?? Math.min(doubled, LAST_RETRY_MS), { counts: end.counts });
  return { state: "retry", reason };
}

async function handled(message: IncomingMessage, output: Buffer, isAnswered: boolean): Promise<Outcome> {
  if (!isAnswered) {
    await message.handled();
    return { state: "handled" };
  }
  const text = utf8(output);
  try {
    // As $(...) of a shell, for what prints a line.
    await message.handled({ body: text?.replace(/\r?\n$/, "") ?? output });
    return { state: "handled" };
  } catch (error) {
    // A full disk is tried again. What cannot be sent now will not be.
    if (!isAgentError(error) || error.shouldRetry()) throw error;
    const reason = `the reply cannot be sent: ${error.message}`;
    await message.failed(reason);
    return { state: "failed", reason };
  }
}

async function say(message: IncomingMessage, { state, reason }: Outcome, out: Output): Promise<void> {
  const { id: message_id, peerId: peer_id, from, group, attempt } = message;
  const why = reason === undefined ? "" : ` (${reason})`;
  await out.data([{ line: `${message_id} of ${senderIn(message)}: ${state}`, body: why }], {
    message_id,
    peer_id,
    from,
    ...(group === undefined ? {} : { group }),
    state,
    reason,
    attempt,
  });
}
