import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Result } from "./compare.ts";
import { figures } from "./figures/index.ts";
import { describeMachine } from "../shared/machine.ts";
import { help, type Options, readOptions, UsageError } from "./options.ts";
import { reaches, table } from "./report.ts";

/** Nothing here takes so long; a benchmark that hangs ends. Its processes end with it. */
const AT_MOST_MS = 20 * 60_000;

try {
  const options = readOptions(process.argv.slice(2));
  if (options === "help") process.stdout.write(help);
  else await run(options);
} catch (error) {
  const text = error instanceof UsageError ? error.message : error instanceof Error ? error.stack : String(error);
  process.stderr.write(`error: ${text}\n`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}

async function run({ only, seconds, json }: Options): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "aimessage-bench-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));
  setTimeout(() => fail("the benchmark took too long"), AT_MOST_MS).unref();

  const machine = describeMachine(folder);
  const results: Result[] = [];
  for (const name of only) {
    const own = join(folder, name);
    mkdirSync(own);
    results.push(...(await figures[name]({ seconds, folder: own, progress })));
  }
  if (process.stderr.isTTY) progress("");
  process.stdout.write(
    json
      ? `${JSON.stringify({ machine, results: results.map((result) => ({ ...result, ok: reaches(result) })) }, null, 2)}\n`
      : table(machine, results),
  );
}

/** One line that changes in a terminal, a line each elsewhere. */
function progress(text: string): void {
  process.stderr.write(process.stderr.isTTY ? `\r\u{1b}[K${text}` : `${text}\n`);
}

function fail(text: string): never {
  process.stderr.write(`error: ${text}\n`);
  process.exit(1);
}
