import { addAbortSignal } from "node:stream";
import { Option, type Command } from "commander";
import { openAgent } from "../agent.ts";
import type { Context } from "../context.ts";
import { SendError, UsageError } from "../errors.ts";
import { utf8 } from "../message.ts";
import type { Act, Call } from "../call.ts";
import type { MessageStatus, Sent, Wait } from "@aimessage/sdk/node";
import type { Output } from "@aimessage/sdk/program";
import { duration, seconds } from "../values.ts";

interface Options {
  to: string;
  message?: string;
  wait?: "stored" | "received" | "handled";
  timeout: number;
  expires?: number;
}

/** How long a wait for the recipient is not worth a word. Milliseconds. */
const SILENT_MS = 1_000;

const EXAMPLES = `
Examples:
  aimessage send -t bob -m "hello"
  git diff | aimessage send -t bob
  aimessage send -t bob -m "deploy now" --wait handled --timeout 120

A message that cannot be sent in time stays in the outbox and is sent by the next command that reaches the relay.
`;

export function configure(command: Command, act: Act): void {
  command
    .description("Send an end-to-end encrypted message. Done when the relay has it on its disk.")
    .requiredOption("-t, --to <name>", "recipient: NAME, or NAME#FINGERPRINT to pin before first contact")
    .option("-m, --message <text>", "the message; - or no -m with a pipe: exactly what stdin holds")
    .addOption(new Option("--wait <state>", "wait until the message is").choices(["stored", "received", "handled"]))
    .addOption(new Option("--timeout <seconds>", "how long to wait").argParser(seconds).default(30_000, "30"))
    .option("--expires <duration>", "not worth delivering after this: 30s, 15m, 1h, 7d", duration)
    .addHelpText("after", EXAMPLES)
    .action(act(send));
}

async function send(call: Call, options: Options): Promise<void> {
  const { interrupted } = call.context;
  const text = given(options.message, call.context);
  const input = text === undefined ? await begin(call, options.message === "-").catch(unlessInterrupted) : undefined;
  await using agent = await openAgent(call, "send");
  const body = text ?? (await readBody(input ?? [], agent.largestBody).catch(unlessInterrupted));
  const expiry = options.expires === undefined ? {} : { expiresIn: options.expires };
  const sent = await agent.send(options.to, body, expiry);
  const wait = { timeout: options.timeout, signal: interrupted };
  const status = await confirmed(sent, options.wait, wait, call.out);
  const at = status.delivered === true ? "delivered" : "stored_offline";
  const reached = options.wait ?? (at === "delivered" ? at : "stored for offline delivery");
  await call.out.confirm([`Message sent to ${sent.to} (${reached})`], {
    message_id: sent.id,
    to: sent.to,
    status: options.wait ?? at,
  });
}

async function confirmed(sent: Sent, state: Options["wait"], wait: Wait, out: Output): Promise<MessageStatus> {
  const waitsFor = `Waiting until ${sent.to} has ${state} the message...`;
  const silence =
    state === "received" || state === "handled" ? setTimeout(() => out.note(waitsFor), SILENT_MS) : undefined;
  try {
    return await sent[state ?? "stored"](wait);
  } catch (error) {
    throw new SendError(await sent.status(), error);
  } finally {
    clearTimeout(silence);
  }
}

/** An input that was given up is no fault; anything else is. */
async function unlessInterrupted(error: unknown): Promise<never> {
  if (!(error instanceof Error) || error.name !== "AbortError") throw error;
  const { AgentError } = await import("@aimessage/sdk/node");
  throw new AgentError("aborted", "interrupted while the message was read", { hint: "nothing was sent" });
}

/** The text of `-m`; undefined if the message is what stdin holds. */
function given(message: string | undefined, context: Context): string | undefined {
  if (message === "") throw new UsageError("the message is empty", "write it after -m, or give -m - and a pipe");
  if (message === undefined && context.stdin.isTTY === true)
    throw new UsageError("a message is required", 'write -m "text", or pipe it in');
  return message === "-" ? undefined : message;
}

type Input = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

/** Begins to read stdin. An empty pipe that nobody named is a mistake upstream: a failed command, or a job without stdin. */
async function begin({ context: { stdin, interrupted }, out }: Call, mayBeEmpty: boolean): Promise<Input> {
  if (stdin.isTTY === true) out.note("The message is what you type now, until Ctrl+D on a line of its own.");
  // Without this, Ctrl+C would be noticed only when the input ends.
  addAbortSignal(interrupted, stdin);
  const parts = stdin[Symbol.asyncIterator]() as AsyncIterator<Buffer | string>;
  const first = await parts.next();
  if (first.done === true && !mayBeEmpty)
    throw new UsageError("standard input is empty", 'write -m "text", or -m - if an empty message is meant');
  return (async function* () {
    for (let part = first; part.done !== true; part = await parts.next()) yield Buffer.from(part.value as string);
  })();
}

/** Reads no more than can be sent: stdin may never end. Text becomes a string, so that it is sent as text. */
async function readBody(input: Input, largest: number): Promise<string | Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of input) {
    parts.push(part);
    length += part.length;
    if (length > largest) throw await tooLarge(largest);
  }
  const body = Buffer.concat(parts);
  return utf8(body) ?? body;
}

async function tooLarge(largest: number): Promise<Error> {
  const { AgentError } = await import("@aimessage/sdk/node");
  return new AgentError(
    "message_too_large",
    `the message has more than ${largest} bytes, the most that this relay takes`,
    {
      hint: "split it, or send a link to it",
    },
  );
}
