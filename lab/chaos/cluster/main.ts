import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { endProgress, main, progress } from "../../shared/command-line.ts";
import { ownFolder } from "../../shared/own-folder.ts";
import { Ledger } from "./ledger.ts";
import { type Options, readOptions, usage } from "./options.ts";
import { faults } from "./plan.ts";
import { run } from "./run.ts";

/** Beside the time for faults: to start, to come to rest, and for the last fault of a round. Milliseconds. */
const MORE_MS = 600_000;

await main(usage, async (args) => {
  const options = readOptions(args);
  const folder = ownFolder("chaos-cluster", options.seconds * 1000 + MORE_MS);
  process.stderr.write(`seed ${options.seed}\n`);
  const ledger = new Ledger((text) => progress(text.slice(0, 200)));
  await run(options, folder.path, ledger);
  endProgress();
  if (ledger.violations.length === 0) rmSync(folder.path, { recursive: true, force: true });
  else {
    folder.keep();
    writeFileSync(join(folder.path, "violations.txt"), `seed ${options.seed}\n${ledger.violations.join("\n")}\n`);
    process.exitCode = 1;
  }
  report(ledger, options, folder.path);
});

function list(entries: [string, number][]): string {
  return entries.map(([name, count]) => `  ${name}: ${count}\n`).join("");
}

function report(ledger: Ledger, { seed, json }: Options, folder: string): void {
  const { violations, counts, hits, longestPause } = ledger;
  const ok = violations.length === 0;
  const longestPauseMs = Math.round(ledger.longestPauseMs);
  if (json) {
    const outcome = { ok, seed, counts, faults: Object.fromEntries(hits), longestPauseMs, longestPause, violations };
    process.stdout.write(`${JSON.stringify({ ...outcome, ...(ok ? {} : { folder }) }, null, 2)}\n`);
    return;
  }
  process.stdout.write(
    `${list(Object.entries(counts))}faults:\n${list(faults.map((fault) => [fault, hits.get(fault) ?? 0]))}` +
      `longest pause of a sender: ${(longestPauseMs / 1000).toFixed(1)} s (${longestPause})\n` +
      `${violations.length} violations\n`,
  );
  for (const text of violations.slice(0, 5)) process.stdout.write(`violation: ${text}\n`);
  if (!ok) process.stderr.write(`seed ${seed}: the logs of the relays are in ${folder}\n`);
}
