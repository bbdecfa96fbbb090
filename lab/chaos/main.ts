import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { endProgress, main, progress } from "../shared/command-line.ts";
import { readOptions, usage } from "./options.ts";
import { faults } from "./plan.ts";
import { type Outcome, run } from "./run.ts";

await main(usage, async (args) => {
  const options = readOptions(args);
  process.stderr.write(`seed ${options.seed}\n`);
  const isShown = process.stderr.isTTY || options.groups;
  let last = "";
  const outcome = await run(options, (text) => {
    if (isShown && text !== last) progress(text.slice(0, 150));
    last = text;
  });
  endProgress();
  report(outcome, options.seed, options.json);
});

function list(entries: [string, number][]): string {
  return entries.map(([name, count]) => `  ${name}: ${count}`).join("\n");
}

function report({ verdict, hits, folder, ...counts }: Outcome, seed: number, json: boolean): void {
  const { lost, doubled, disordered, other } = verdict;
  const violations = [...lost, ...doubled, ...disordered, ...other];
  const ok = violations.length === 0;
  if (json)
    process.stdout.write(
      `${JSON.stringify({ ok, seed, ...counts, outcomes: verdict.counts, hits: Object.fromEntries(hits), violations: violations.slice(0, 20), ...(ok ? {} : { folder }) }, null, 2)}\n`,
    );
  else {
    const { changes } = counts;
    const changed = changes === undefined ? "" : ` ${changes.ordered} changes of groups, ${changes.made} of them made,`;
    process.stdout.write(
      `${counts.messages} messages,${changed} ${counts.cycles} cycles, ${counts.seconds} seconds, at rest after ${counts.restSeconds}\n` +
        `outcomes:\n${list(Object.entries(verdict.counts))}\n` +
        `faults:\n${list(faults.map((fault) => [fault, hits.get(fault) ?? 0]))}\n` +
        `${counts.attacks} requests of hostile accounts\n` +
        `${lost.length} lost, ${doubled.length} doubled, ${disordered.length} out of order\n`,
    );
    for (const text of violations.slice(0, 5)) process.stdout.write(`violation: ${text}\n`);
  }
  if (ok) return rmSync(folder, { recursive: true, force: true });
  writeFileSync(join(folder, "violations.txt"), `seed ${seed}\n${violations.join("\n")}\n`);
  process.stderr.write(`seed ${seed}: the logs and stores of all processes are in ${folder}\n`);
  process.exitCode = 1;
}
