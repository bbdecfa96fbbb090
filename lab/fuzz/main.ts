import { main } from "../shared/command-line.ts";
import { readOptions, usage } from "./options.ts";
import { table } from "./report.ts";
import { fuzz } from "./run.ts";
import { Violation } from "./violation.ts";

await main(usage, async (args) => {
  const { json, ...options } = readOptions(args);
  process.stderr.write(`seed ${options.seed}\n`);
  try {
    const report = await fuzz({ ...options, progress });
    process.stdout.write(json ? `${JSON.stringify(report, null, 2)}\n` : table(report));
  } catch (error) {
    if (!(error instanceof Violation)) throw error;
    const { frames, seed, connections } = options;
    if (json) process.stdout.write(`${JSON.stringify({ seed, violation: error.message }, null, 2)}\n`);
    process.stderr.write(`violation: ${error.message}\n`);
    process.stderr.write(`again: npm run fuzz -- --frames ${frames} --connections ${connections} --seed ${seed}\n`);
    process.exit(1);
  }
});

function progress(text: string): void {
  process.stderr.write(`${text}\n`);
}
