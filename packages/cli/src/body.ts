/** The body of a message that is sent: of `-m`, or what stdin holds. */
import { fstatSync } from "node:fs";
import { addAbortSignal } from "node:stream";
import type { Call } from "./call.ts";
import type { Context } from "./context.ts";
import { UsageError } from "./errors.ts";
import { utf8 } from "./message.ts";

export type Body = string | Uint8Array;

/**
 * Begins to read it, before anything else is opened. With files there need be none, and stdin, which may be somebody else's, is read only where that is said.
 * @returns what gives the whole, for the most that can be sent (bytes)
 * @throws UsageError
 */
export async function beginBody(
  call: Call,
  message: string | undefined,
  files?: readonly unknown[],
): Promise<(largest: number) => Promise<Body>> {
  if (files !== undefined && message === undefined && holdsSomething(call.context))
    call.out.note("Only the files are sent: what stdin holds goes with them by -m -.");
  const text = files === undefined || message === "-" ? given(message, call.context) : (message ?? "");
  if (text !== undefined) return async () => text;
  const input = await begin(call, message === "-").catch(unlessInterrupted);
  return (largest) => readBody(input, largest).catch(unlessInterrupted);
}

/** Whether stdin is a pipe, or a file that is not empty. It is not looked into: who has left a pipe open may never write. */
function holdsSomething({ stdin: { fd } }: Context): boolean {
  if (fd === undefined) return false;
  const found = fstatSync(fd);
  return found.isFIFO() || (found.isFile() && found.size > 0);
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
