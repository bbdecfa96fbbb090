import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** A line of an error or a warning, as a relay writes it for people; of several that came at once the first has more before it. */
const LINE = /^(?:\S+ stderr: )?\d\d:\d\d:\d\d (error|warning): (.*)$/;

/** What the relays of a run have complained of, over all their lives: how often each. */
export function findingsIn(logs: string): { violations: string[]; counts: Record<string, number> } {
  const counts: Record<string, number> = {};
  for (const file of readdirSync(logs).filter((name) => /^relay\d*\.log$/.test(name)))
    for (const line of readFileSync(join(logs, file), "utf8").split("\n")) {
      const [, level, text] = LINE.exec(line) ?? [];
      if (level === undefined || text === undefined) continue;
      const what = `${level}: ${text.replace(/"stack":"[^"]*"/, "").slice(0, 160)}`;
      counts[what] = (counts[what] ?? 0) + 1;
    }
  return { violations: [], counts };
}
