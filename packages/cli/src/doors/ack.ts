/** Messages whose reader says what became of them: `listen --json --ack`. */
import { createInterface } from "node:readline";
import type { Agent } from "@aimessage/sdk/node";
import { type Output, StdoutError } from "@aimessage/sdk/program";
import * as z from "zod/mini";
import type { Context } from "../context.ts";
import { messageJson, messageLine } from "../message.ts";
import type { Saver } from "../saving.ts";
import { Desk, type Word } from "./desk.ts";
import { watchReader } from "./reader.ts";
import { takeTurns, type TurnOptions } from "./turns.ts";

const id = z.string();
/** A line of the reader's. */
const Line = z.union([
  z.strictObject({ handled: id }),
  z.strictObject({ failed: id, reason: z.optional(z.string()) }),
  z.strictObject({ retry: id, reason: z.optional(z.string()), after_ms: z.optional(z.int().check(z.nonnegative())) }),
]);
const SHAPES = '{"handled": ID}, {"failed": ID, "reason": TEXT}, {"retry": ID}';

/**
 * Prints messages, and settles each as its reader says on stdin. What it says nothing of when it is gone, or ends its side,
 * is given back at once. @returns how many were settled
 */
export async function handleByReader(
  agent: Agent,
  options: TurnOptions,
  { context, out, saver }: { context: Context; out: Output; saver: Saver },
  until: AbortSignal,
): Promise<number> {
  const end = new AbortController();
  const desk = new Desk();
  const gone = () => end.abort();
  const lines = createInterface({ input: context.stdin });
  lines.on("line", (line) => void hear(line, desk, out)).once("close", gone);
  using _ = watchReader(context.stdout, gone);
  let settled = 0;
  try {
    await takeTurns(agent, options, AbortSignal.any([until, end.signal]), async (message, signal) => {
      const files = await saver.save(agent, message, signal);
      const word = desk.wait(message, signal);
      await out.data([messageLine(message)], messageJson(message, files), { until: signal });
      const said = await word;
      const ended = said !== undefined && said.kind !== "retry";
      if (ended) settled += 1;
      return ended;
    });
  } catch (error) {
    // Whoever is gone has given back what it had, also where nothing had come yet.
    const isOver = error instanceof StdoutError ? error.code === "EPIPE" || end.signal.aborted : end.signal.aborted;
    if (!isOver) throw error;
  } finally {
    lines.close();
  }
  return settled;
}

/** A line that makes no sense is told of, and nothing is lost by it. */
async function hear(line: string, desk: Desk, out: Output): Promise<void> {
  if (line.trim() === "") return;
  const heard = read(line);
  const refuse = (message: string): void => {
    const hint = "nothing was settled by it";
    out.fail(message, hint, { error: "usage", message, hint });
  };
  if (heard === undefined) return refuse(`a line on stdin is none of ${SHAPES}`);
  const [id, word] = heard;
  const known = await desk.say(id, word).catch((error: unknown) => {
    refuse(`message ${id} cannot be settled: ${error instanceof Error ? error.message : String(error)}`);
    return true;
  });
  if (!known) refuse(`no message ${id} waits for a word`);
}

function read(line: string): [id: string, word: Word] | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  const { data } = Line.safeParse(value);
  if (data === undefined) return undefined;
  if ("handled" in data) return [data.handled, { kind: "handled" }];
  if ("failed" in data) return [data.failed, { kind: "failed", reason: data.reason }];
  return [data.retry, { kind: "retry", reason: data.reason, afterMs: data.after_ms }];
}
