import { columns, number } from "../shared/columns.ts";
import { describe, type Machine } from "../shared/machine.ts";
import { percentile } from "../shared/percentiles.ts";
import type { Row } from "./compare.ts";
import type { Outcome } from "./run.ts";
import { timings } from "./samples.ts";
import type { Minute } from "./watch.ts";

const HEAD = ["figure", "first minute", "last minute", "ratio", "bound", ""];
/** Violations that are printed. */
const SHOWN = 5;

/** For programs, with each minute. */
export function asJson(ok: boolean, machine: Machine, rows: Row[], { minutes, verdict }: Outcome): string {
  return `${JSON.stringify({ ok, machine, rows, ...verdict, minutes: minutes.map(brief) }, null, 2)}\n`;
}

/** A minute without each of its latencies. */
function brief({ figures, times, load }: Minute) {
  const percentiles = (part: number) =>
    Object.fromEntries(timings.map((what) => [what, percentile(times[what], part)]));
  return { figures, p50: percentiles(0.5), p99: percentiles(0.99), load };
}

/** For people. */
export function asText(machine: Machine, rows: Row[], { verdict }: Outcome): string {
  const { counts, lost, doubled, other } = verdict;
  const first = [...lost, ...doubled, ...other].slice(0, SHOWN).map((text) => `violation: ${text}\n`);
  return (
    `${columns([HEAD, ...rows.map(cells)])}\n\n${number(counts.handled)} messages handled, ` +
    `${number(counts.expired)} expired, ${lost.length} lost, ${doubled.length} doubled\n` +
    `${first.join("")}${describe(machine)}\n`
  );
}

function cells({ title, unit, first, last, ratio, atMost, ok }: Row): string[] {
  const bound = atMost === undefined ? ["-", ""] : [`<= ${atMost}`, ok ? "ok" : "above"];
  return [title, number(first) + unit, number(last) + unit, ratio.toFixed(2), ...bound];
}
