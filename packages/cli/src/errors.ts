import type { AgentError, MessageState, MessageStatus, Recipients } from "@aimessage/sdk/node";
import { CommanderError } from "commander";
import { shortId } from "./ids.ts";
import { howFar } from "./recipients.ts";
import { explainParser, type Output, StdoutError } from "@aimessage/sdk/program";

/** What was typed makes no sense: exit code 2. */
export class UsageError extends Error {
  override name = "UsageError";
  readonly hint: string;
  constructor(message: string, hint: string) {
    super(message);
    this.hint = hint;
  }
}

/** A message that did not get as far as its sender asked, and how far it got. */
export class SendError extends Error {
  override name = "SendError";
  readonly status: MessageStatus;
  /** Of a message to a group: how it is at each of its members. */
  readonly recipients: Recipients | undefined;
  constructor(status: MessageStatus, cause: unknown, recipients?: Recipients) {
    super("not confirmed", { cause });
    this.status = status;
    this.recipients = recipients;
  }
}

/** A question to which there is no reply yet, or will be none. */
export class AskError extends Error {
  override name = "AskError";
  readonly id: string;
  /** All of its files are at the relay, if it has any. */
  readonly isUp: boolean;
  constructor(id: string, cause: unknown, isUp = true) {
    super("no reply", { cause });
    this.id = id;
    this.isUp = isUp;
  }
}

/** Says on stderr what went wrong and what to do, and returns the exit code. `command` is the one that was called. */
export async function reportError(error: unknown, out: Output, command: string | undefined): Promise<number> {
  const explained = error instanceof CommanderError ? explainCommander(error, command) : await explain(error);
  const { code, hint, files = [], commands = [], reason, messageId, status, exit } = explained;
  const message = [explained.message, ...(files.length === 0 ? [] : [files.join(", ")])].join(": ");
  const isList = hint !== undefined && commands.length > 0;
  const inLine = isList ? `${hint}: ${commands.join("; ")}` : hint;
  const value = { error: code, message, hint: inLine, reason, message_id: messageId, status };
  out.fail(message, isList ? [`${hint}:`, ...commands] : hint, value);
  return exit;
}

export interface Explained {
  code: string;
  message: string;
  hint?: string | undefined;
  /** What the hint speaks of, as it is to be typed. */
  commands?: readonly string[];
  reason?: string | undefined;
  /** Names of files of which it speaks, which others may have chosen: they stand behind the message. */
  files?: readonly string[];
  messageId?: string;
  /** How far that message is: whether it may still be sent, or has ended. */
  status?: MessageState;
  exit: number;
}

/** An error as programs see it. */
export async function explain(error: unknown): Promise<Explained> {
  // What went wrong first matters, not that closing failed too.
  if (error instanceof SuppressedError) return explain(error.suppressed);
  if (error instanceof SendError) return explainSend(error, await explain(error.cause));
  if (error instanceof AskError) return explainAsk(error, await explain(error.cause));
  if (error instanceof UsageError) return { code: "usage", message: error.message, hint: error.hint, exit: 2 };
  if (error instanceof StdoutError) return { code: "stdout", message: error.message, exit: 1 };
  if (isAgentError(error)) {
    // Already loaded, since the error came from there; a command that never needs the SDK never loads it.
    const { localErrors } = await import("@aimessage/sdk/node");
    const { code, message, hint, reason } = error;
    return { code, message, hint, reason, exit: localErrors[code].exit };
  }
  // A question, or another thing of the runtime's, that was given up.
  if (error instanceof Error && error.name === "AbortError")
    return { code: "aborted", message: "interrupted", hint: "nothing was done", exit: 130 };
  const message = error instanceof Error ? error.message : String(error);
  return { code: "internal", message, hint: "this is a fault of aimessage: please report it", exit: 1 };
}

/** By its name: the SDK, and its class with it, may not be loaded. */
export function isAgentError(error: unknown): error is AgentError {
  return error instanceof Error && error.name === "AgentError";
}

/** Where files stand that have not gone, and what goes on with them: documents say it in the same words. */
export const FILES_GO_ON =
  "its files go on with a command that stays (listen, watch, pipe, mcp, a longer send -f), or at once with outbox retry ID";

function explainSend({ status, recipients }: SendError, why: Explained): Explained {
  const { id, state, files } = status;
  const where: Partial<Record<MessageState, string>> = {
    queued: "the message stays in the outbox and is sent as soon as possible",
    stored: "the message waits at the relay until it is fetched",
    received: "the message has arrived, and is not handled yet",
  };
  // A device that was replaced sends nothing any more.
  const kept = why.code === "device_replaced" ? undefined : where[state];
  const known = { ...why, messageId: id, status: state };
  const culprits = files?.filter(({ state, reason }) => state === "failed" && reason !== undefined) ?? [];
  if (state === "failed" && culprits.length > 0) return { ...known, files: culprits.map(({ name }) => name) };
  if (kept === undefined) return known;
  const isOfFiles = state === "queued" && files?.some(({ state }) => state === "waits") === true;
  const short = shortId(id);
  const far = recipients === undefined ? kept : (howFar(recipients) ?? kept);
  const hint = isOfFiles ? `what has gone stays; ${FILES_GO_ON}` : `${far}; see: aimessage status ${short}`;
  return {
    ...known,
    hint: why.hint === undefined ? hint : `${why.hint}; ${hint}`,
    ...(isOfFiles ? { commands: [`aimessage outbox retry ${short}`, `aimessage status ${short}`] } : {}),
  };
}

/** What may still be answered is not lost with the command that waits for it. */
function explainAsk({ id, isUp }: AskError, why: Explained): Explained {
  const known = { ...why, messageId: id };
  if (why.code === "expired" && !isUp)
    return { ...known, hint: "its files were not at the relay by then: ask again with a longer --timeout" };
  if (!["timeout", "aborted", "relay_unreachable", "internal"].includes(why.code)) return known;
  const hint = `the question stays: aimessage ask --resume ${id}`;
  return { ...known, hint: why.hint === undefined ? hint : `${why.hint}; ${hint}` };
}

/** Commands to which a text or files are given behind flags. */
const WITH_TEXT = new Set(["send", "ask", "reply"]);

function explainCommander(error: CommanderError, command = ""): Explained {
  const help = command === "" ? "see: aimessage --help" : `see: aimessage ${command} --help`;
  const isLoose = error.code === "commander.excessArguments" && WITH_TEXT.has(command);
  const hint = isLoose ? `quotes belong around a text, and -f before each file; ${help}` : help;
  return { code: "usage", ...explainParser(error.message, hint), exit: 2 };
}
