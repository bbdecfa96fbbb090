import { once } from "node:events";
import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";
import { escapeLine } from "@aimessage/sdk/program";
import type { Context } from "./context.ts";

/** What is asked for may be pasted in several lines: one more is asked for while this says so, until an empty one. */
export type HasMore = (text: string) => boolean;

/**
 * Asks at the terminal. A terminal that is read by the key sends no signal at Ctrl+C, so that ends the question as a signal does.
 * @param hidden Whether what is typed is not shown.
 * @returns the line without its end; undefined if the input ended (Ctrl+D)
 * @throws AbortError at Ctrl+C or a signal
 */
export async function ask(
  { stdin, stderr, interrupted }: Context,
  question: string,
  { hidden = false, hasMore }: { hidden?: boolean; hasMore?: HasMore | undefined } = {},
): Promise<string | undefined> {
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface(
    hidden ? { input: stdin, output: silent, terminal: true } : { input: stdin, output: stderr },
  );
  if (hidden) stderr.write(escapeLine(question));
  let answer: string | undefined;
  // Lines that came with the first one, and before they were asked for.
  const pasted: string[] = [];
  lines.on("line", (line) => pasted.push(line));
  try {
    const ended = once(lines, "close").then(() => undefined);
    const next = (text: string) => Promise.race([lines.question(text, { signal: interrupted }), ended]);
    answer = await next(hidden ? "" : escapeLine(question));
    while (answer !== undefined && hasMore?.(answer) === true) {
      const more = pasted.shift() ?? (await next(hidden ? "" : "It seems to go on. Its rest, or Enter: "));
      if (more === undefined || more.trim() === "") break;
      answer += more;
    }
    return hasMore === undefined || answer === undefined ? answer : answer + pasted.join("");
  } finally {
    // Where no Enter is shown, what is said next would stand in the line of the question.
    if (hidden || answer === undefined) stderr.write("\n");
    lines.close();
  }
}
