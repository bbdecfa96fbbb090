import { once } from "node:events";
import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";
import { escapeLine } from "@aimessage/sdk/program";
import type { Context } from "./context.ts";

/**
 * Asks at the terminal. A terminal that is read by the key sends no signal at Ctrl+C, so that ends the question as a signal does.
 * @param hidden Whether what is typed is not shown.
 * @returns the line without its end; undefined if the input ended (Ctrl+D)
 * @throws AbortError at Ctrl+C or a signal
 */
export async function ask(
  { stdin, stderr, interrupted }: Context,
  question: string,
  { hidden = false } = {},
): Promise<string | undefined> {
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface(
    hidden ? { input: stdin, output: silent, terminal: true } : { input: stdin, output: stderr },
  );
  if (hidden) stderr.write(escapeLine(question));
  let answer: string | undefined;
  try {
    const ended = once(lines, "close").then(() => undefined);
    answer = await Promise.race([lines.question(hidden ? "" : escapeLine(question), { signal: interrupted }), ended]);
    return answer;
  } finally {
    // Where no Enter is shown, what is said next would stand in the line of the question.
    if (hidden || answer === undefined) stderr.write("\n");
    lines.close();
  }
}
