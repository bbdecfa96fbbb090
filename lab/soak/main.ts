import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { endProgress, main, progress } from "../shared/command-line.ts";
import { describeMachine } from "../shared/machine.ts";
import { ownFolder } from "../shared/own-folder.ts";
import { compare } from "./compare.ts";
import { readOptions, usage } from "./options.ts";
import { asJson, asText } from "./report.ts";
import { run } from "./run.ts";

/** Beside the minutes that were asked for: start, rest, and reading the stores. Milliseconds. */
const MORE_MS = 10 * 60_000;

await main(usage, async (args) => {
  const { minutes, relays, json } = readOptions(args);
  const folder = ownFolder("soak", minutes * 60_000 + MORE_MS);
  const machine = describeMachine(folder.path);
  const outcome = await run({ minutes, relays, folder: folder.path, progress });
  endProgress();
  const rows = compare(outcome.minutes);
  const { lost, doubled, other } = outcome.verdict;
  const violations = [...lost, ...doubled, ...other];
  const ok = violations.length === 0 && rows.every((row) => row.ok);
  process.stdout.write(json ? asJson(ok, machine, rows, outcome) : asText(machine, rows, outcome));
  if (!ok) process.exitCode = 1;
  if (violations.length === 0) return;
  folder.keep();
  writeFileSync(join(folder.path, "violations.txt"), violations.join("\n"));
  process.stderr.write(`what is wrong is listed in ${folder.path}, beside the stores of all agents\n`);
});
