import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describeMachine, type Machine } from "../bench/machine.ts";
import { columns, describe, number } from "../bench/report.ts";
import { percentile } from "../fuzz/percentiles.ts";
import { compare, type Row } from "./compare.ts";
import { readOptions, UsageError } from "./options.ts";
import { type Outcome, run } from "./run.ts";
import { timings } from "./samples.ts";
import type { Minute } from "./watch.ts";

/** Beside the minutes that were asked for: start, rest, and reading the stores. Milliseconds. */
const MORE_MS = 10 * 60_000;
/** Violations that are printed. */
const SHOWN = 5;

try {
  await soak(readOptions(process.argv.slice(2)));
} catch (error) {
  process.stderr.write(`error: ${error instanceof UsageError ? error.message : String((error as Error).stack)}\n`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}

async function soak({ minutes: length, json }: { minutes: number; json: boolean }): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "aimessage-soak-"));
  let keep = false;
  process.once("exit", () => keep || rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));
  setTimeout(() => fail("the soak took too long"), length * 60_000 + MORE_MS).unref();
  const machine = describeMachine(folder);
  const outcome = await run(length, folder, progress);
  if (process.stderr.isTTY) progress("");
  const rows = compare(outcome.minutes);
  const { lost, doubled, other } = outcome.verdict;
  const violations = [...lost, ...doubled, ...other];
  const ok = violations.length === 0 && rows.every((row) => row.ok);
  process.stdout.write(json ? asJson(ok, machine, rows, outcome) : asText(machine, rows, outcome));
  if (!ok) process.exitCode = 1;
  if (violations.length === 0) return;
  keep = true;
  writeFileSync(join(folder, "violations.txt"), violations.join("\n"));
  process.stderr.write(`what is wrong is listed in ${folder}, beside the stores of all agents\n`);
}

function asJson(ok: boolean, machine: Machine, rows: Row[], { minutes, verdict }: Outcome): string {
  return `${JSON.stringify({ ok, machine, rows, ...verdict, minutes: minutes.map(brief) }, null, 2)}\n`;
}

/** A minute without each of its latencies. */
function brief({ figures, times, load }: Minute) {
  const medians = timings.map((what) => [what, percentile(times[what], 0.5)]);
  return { figures, p50: Object.fromEntries(medians), load };
}

const HEAD = ["figure", "first minute", "last minute", "ratio", "bound", ""];

function asText(machine: Machine, rows: Row[], { verdict }: Outcome): string {
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

/** One line that changes in a terminal, a line each elsewhere. */
function progress(text: string): void {
  process.stderr.write(process.stderr.isTTY ? `\r\u{1b}[K${text}` : `${text}\n`);
}

function fail(text: string): never {
  process.stderr.write(`error: ${text}\n`);
  process.exit(1);
}
