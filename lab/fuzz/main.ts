import { help, type Options, readOptions, UsageError } from "./options.ts";
import { table } from "./report.ts";
import { fuzz } from "./run.ts";
import { Violation } from "./violation.ts";

try {
  const options = readOptions(process.argv.slice(2));
  if (options === "help") process.stdout.write(help);
  else await run(options);
} catch (error) {
  const text = error instanceof UsageError ? error.message : error instanceof Error ? error.stack : String(error);
  process.stderr.write(`error: ${text}\n`);
  process.exit(error instanceof UsageError ? 2 : 1);
}

async function run({ json, ...options }: Options): Promise<void> {
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
}

function progress(text: string): void {
  process.stderr.write(`${text}\n`);
}
