import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** A line of an error or a warning, as a relay writes it for people; of several that came at once the first has more before it. */
const LINE = /^(?:\S+ stderr: )?\d\d:\d\d:\d\d (error|warning): (.*)$/;
/** What the death of an engine explains, or the way to it, or the end of the relay itself. */
const EXPLAINED = /PostgreSQL|the engine|no part of its cluster|The fence let nothing pass|the relay ends/i;
const STACK = /^(?:\S+ stderr: )?\s+at .*:\d+:\d+\)?$/;
const LONGEST = 160;

export interface Findings {
  violations: string[];
  counts: Record<string, number>;
}

/** What the relays of a run have complained of, over all their lives: how often of each thing, and what no fault explains. */
export function findingsIn(logs: string): Findings {
  const counts: Record<string, number> = {};
  const violations = new Set<string>();
  for (const file of readdirSync(logs).filter((name) => /^relay\d+\.log$/.test(name)))
    for (const line of readFileSync(join(logs, file), "utf8").split("\n")) {
      if (STACK.test(line)) violations.add(`${file} has a stack: ${line.trim()}`);
      const [, level, text = ""] = LINE.exec(line) ?? [];
      if (level === undefined) continue;
      if (level === "error" && !EXPLAINED.test(text)) violations.add(`${file}: ${text.slice(0, 2000)}`);
      const what = `${level}: ${text.replace(/ (user|count|device)=\S+/g, "").replace(/\d+ (ms|s)\b/g, "... $1")}`;
      counts[what.slice(0, LONGEST)] = (counts[what.slice(0, LONGEST)] ?? 0) + 1;
    }
  return { violations: [...violations], counts };
}
