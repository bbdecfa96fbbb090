import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describeMachine } from "../shared/machine.ts";
import { compare } from "./compare.ts";
import { readOptions, UsageError } from "./options.ts";
import { asJson, asText } from "./report.ts";
import { run } from "./run.ts";

/** Beside the minutes that were asked for: start, rest, and reading the stores. Milliseconds. */
const MORE_MS = 10 * 60_000;

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

/** One line that changes in a terminal, a line each elsewhere. */
function progress(text: string): void {
  process.stderr.write(process.stderr.isTTY ? `\r\u{1b}[K${text}` : `${text}\n`);
}

function fail(text: string): never {
  process.stderr.write(`error: ${text}\n`);
  process.exit(1);
}
