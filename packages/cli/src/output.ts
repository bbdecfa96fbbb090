import type { Writable } from "node:stream";
import type { Context } from "./context.ts";
import { StdoutError } from "./errors.ts";
import { escapeJson, escapeLine } from "@aimessage/sdk/program";
import type { Settings } from "./settings.ts";

/** Where a command's words go: data to stdout, everything else to stderr. */
export interface Output {
  /**
   * Prints lines, or with `--json` the value in one line. Lines must be escaped already. Resolves when stdout has taken
   * it, else rejects with {@link StdoutError}.
   */
  data(lines: readonly string[], value: unknown): Promise<void>;
  /** The same for what only confirms what was asked for: `--quiet` leaves out the lines. */
  confirm(lines: readonly string[], value: unknown): Promise<void>;
  /** A notice on stderr; `--quiet` leaves it out. */
  note(text: string): void;
  /** Something that its reader must know, on stderr. */
  warn(text: string): void;
}

/** The output that flags and context ask for. */
export function createOutput({ stdout, stderr }: Context, { json, quiet }: Settings): Output {
  const data: Output["data"] = (lines, value) =>
    write(stdout, json ? `${escapeJson(value)}\n` : lines.map((line) => `${line}\n`).join(""));
  return {
    data,
    confirm: async (lines, value) => (quiet && !json ? undefined : data(lines, value)),
    note: (text) => void (quiet || stderr.write(`${escapeLine(text)}\n`)),
    warn: (text) => void stderr.write(`Warning: ${escapeLine(text)}\n`),
  };
}

/** Rows as aligned, escaped lines. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const safe = rows.map((row) => row.map(escapeLine));
  const widths: number[] = [];
  for (const row of safe) for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length);
  return safe.map((row) => {
    const cells = row.map((cell, i) => cell.padEnd(widths[i] ?? 0));
    return cells.join("  ").trimEnd();
  });
}

/** A point in time as `2026-11-22 14:30:15`, local. */
export function localTime(ms: number): string {
  const at = new Date(ms);
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${clock(ms)}`;
}

/** A point in time as `14:30:15`, local. */
export function clock(ms: number): string {
  const at = new Date(ms);
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

function two(value: number): string {
  return String(value).padStart(2, "0");
}

function write(stream: Writable, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (cause: NodeJS.ErrnoException): void => {
      const why = cause.code === "EPIPE" ? "nobody reads standard output any more" : cause.message;
      reject(new StdoutError(why, { cause }));
    };
    stream.write(text, (error) => (error ? fail(error) : resolve()));
  });
}
