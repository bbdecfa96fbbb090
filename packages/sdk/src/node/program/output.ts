import type { Writable } from "node:stream";
import { escapeBody, escapeJson, escapeLine } from "./escape.ts";
import { Live } from "./live.ts";
import { print, type Printing } from "./stdio.ts";

/** A line of output, as it is meant: it is escaped when it is printed. A body may have several lines, which follow indented. */
export type Line = string | { readonly line: string; readonly body: string };

/** Where a command's words go: data to stdout, everything else to stderr. Nothing of it needs to be escaped before. */
export interface Output {
  /**
   * Prints lines, or with `--json` the value in one line. Resolves when stdout has taken it, else rejects with
   * {@link StdoutError}.
   */
  data(lines: readonly Line[], value: unknown, how?: Printing): Promise<void>;
  /** The same for many values, of which each gets a line. */
  each(lines: readonly Line[], values: readonly unknown[]): Promise<void>;
  /** The same for what only confirms what was asked for: `--quiet` leaves out the lines. */
  confirm(lines: readonly Line[], value: unknown): Promise<void>;
  /** The same for what changes again and again: on a terminal the lines take the place of those before, elsewhere an empty line stands between them. */
  again(lines: readonly string[], value: unknown): Promise<void>;
  /** Text that has lines already, such as help. */
  text(text: string, to?: "stdout" | "stderr"): Promise<void>;
  /** A notice on stderr; `--quiet` leaves it out. */
  note(text: string): void;
  /** Something that its reader must know, on stderr. */
  warn(text: string): void;
  /** A failure and its way out, which may have commands behind it, each on a line; on stderr. With `--json` the value, in a line. */
  fail(message: Line, hint: string | readonly string[] | undefined, value: unknown): void;
  /**
   * Lines that change, below all else on a terminal's stderr: each time they take the place of those before. Nowhere else, and not with
   * `--quiet`. @returns whether they are seen
   */
  live(lines: readonly string[]): boolean;
}

const UNREAD: Partial<Record<string, string>> = {
  EPIPE: "nobody reads standard output any more",
  ETIMEDOUT: "standard output is not read",
};

/** Standard output has not taken all of it. */
export class StdoutError extends Error {
  override name = "StdoutError";
  /** The system's word; `EPIPE`: nobody reads any more; `ETIMEDOUT`: it was not read in time. */
  readonly code: string;
  constructor(cause: NodeJS.ErrnoException) {
    const code = cause.code ?? cause.message;
    super(UNREAD[code] ?? `cannot write to standard output (${code})`, { cause });
    this.code = code;
  }
}

/** The output that streams and flags ask for. Once it is `interrupted` it waits for nobody who does not read. */
export function createOutput(
  { stdout, stderr, interrupted }: { stdout: Writable; stderr: Writable; interrupted?: AbortSignal },
  { json, quiet }: { json: boolean; quiet: boolean },
): Output {
  const live = new Live(stderr);
  const screen = new Live(stdout);
  let times = 0;
  const say = (...lines: Line[]): void => live.above(joined(lines.map(printable)));
  const write = async (text: string, how: Printing = { until: interrupted }): Promise<void> => {
    live.hide();
    await toStdout(stdout, text, how);
    live.show();
  };
  const each: Output["each"] = (lines, values) => write(joined(json ? values.map(escapeJson) : lines.map(printable)));
  const data: Output["data"] = (lines, value, how) =>
    write(joined(json ? [escapeJson(value)] : lines.map(printable)), how);
  return {
    data,
    each,
    again: async (lines, value) => {
      times += 1;
      if (json || !screen.draw(lines)) await data(times === 1 ? lines : ["", ...lines], value);
    },
    confirm: async (lines, value) => (quiet && !json ? undefined : data(lines, value)),
    text: async (text, to = "stdout") => {
      const lines = text.split("\n").map(escapeLine).join("\n");
      if (to === "stdout") await write(lines);
      else live.above(lines);
    },
    note: (text) => (quiet ? undefined : say(text)),
    warn: (text) => say(`Warning: ${text}`),
    fail(message, hint, value) {
      if (json) live.above(joined([escapeJson(value)]));
      else say(titled("Error: ", message), ...hintLines(hint));
    },
    live: (lines) => !quiet && live.draw(lines),
  };
}

/** No text within a hint begins a line of its own. */
function hintLines(hint: string | readonly string[] | undefined): string[] {
  const lines = hint === undefined ? [] : typeof hint === "string" ? [hint] : hint;
  return lines.map((line, at) => (at === 0 ? `Hint: ${line}` : `    ${line}`));
}

/** Rows as aligned lines. */
export function table(rows: readonly (readonly string[])[]): string[] {
  // Escaped here already: that makes cells wider.
  const safe = rows.map((row) => row.map(escapeLine));
  const widths: number[] = [];
  for (const row of safe) for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length);
  return safe.map((row) => {
    const cells = row.map((cell, i) => cell.padEnd(widths[i] ?? 0));
    return cells.join("  ").trimEnd();
  });
}

/** A line as it is printed. */
export function printable(line: Line): string {
  return typeof line === "string" ? escapeLine(line) : escapeLine(line.line) + escapeBody(line.body);
}

function titled(title: string, line: Line): Line {
  return typeof line === "string" ? title + line : { line: title + line.line, body: line.body };
}

function joined(lines: readonly string[]): string {
  return lines.map((line) => `${line}\n`).join("");
}

async function toStdout(stdout: Writable, text: string, how: Printing): Promise<void> {
  try {
    await print(stdout, text, how);
  } catch (error) {
    throw new StdoutError(error as NodeJS.ErrnoException);
  }
}
