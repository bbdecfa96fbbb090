import { escapeJsonText, escapeLine, lossyLines } from "@aimessage/sdk/program";
import { pino, type Logger } from "pino";
import type { Config } from "./config/config.ts";

export type Log = Logger;

/** What may stand in a log line; any other field is left out, so that no body, key or token gets there by mistake. */
const FIELDS = ["user", "kind", "device", "count", "err"] as const;

/**
 * One line an event: JSON on stdout, or a short line for people on stderr. A line that cannot be written is given up, and
 * `onLost` is told.
 */
export function createLog(format: Config["log"], onLost?: () => void): Log {
  return createLogTo(format, lossyLines(format === "json" ? process.stdout : process.stderr, onLost));
}

export function createLogTo(format: Config["log"], stream: { write(line: string): unknown }): Log {
  return pino(
    {
      base: null,
      level: format === "silent" ? "silent" : "info",
      formatters: {
        log: (fields) => Object.fromEntries(FIELDS.flatMap((name) => (name in fields ? [[name, fields[name]]] : []))),
      },
    },
    { write: (line: string) => stream.write(format === "json" ? jsonLine(line) : readable(line)) },
  );
}

/** pino ends each line. */
function jsonLine(line: string): string {
  return `${escapeJsonText(line.trimEnd())}\n`;
}

function readable(line: string): string {
  const { time, level, msg, ...rest } = JSON.parse(line) as Record<string, unknown>;
  const clock = new Date(Number(time)).toISOString().slice(11, 19);
  const mark = Number(level) >= 50 ? "error: " : Number(level) >= 40 ? "warning: " : "";
  const fields = Object.entries(rest).map(([name, value]) => ` ${name}=${plain(value)}`);
  return `${escapeLine(`${clock} ${mark}${String(msg)}${fields.join("")}`)}\n`;
}

function plain(value: unknown): string {
  return typeof value === "string" && /^[\w.:@/-]+$/.test(value) ? value : JSON.stringify(value);
}
