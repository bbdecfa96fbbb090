import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { endProgress, main, progress } from "../shared/command-line.ts";
import { describeMachine } from "../shared/machine.ts";
import { ownFolder } from "../shared/own-folder.ts";
import type { Result } from "./compare.ts";
import { figures } from "./figures/index.ts";
import { readOptions, usage } from "./options.ts";
import { reaches, table } from "./report.ts";

/** Nothing here takes so long; a benchmark that hangs ends. Its processes end with it. */
const AT_MOST_MS = 20 * 60_000;

await main(usage, async (args) => {
  const { only, seconds, json } = readOptions(args);
  const { path } = ownFolder("bench", AT_MOST_MS);
  const machine = describeMachine(path);
  const results: Result[] = [];
  for (const name of only) {
    const folder = join(path, name);
    mkdirSync(folder);
    results.push(...(await figures[name]({ seconds, folder, progress })));
  }
  endProgress();
  process.stdout.write(
    json
      ? `${JSON.stringify({ machine, results: results.map((result) => ({ ...result, ok: reaches(result) })) }, null, 2)}\n`
      : table(machine, results),
  );
});
