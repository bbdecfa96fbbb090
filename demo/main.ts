/**
 * AI Message at work, in some seconds: `npm run demo`. Everything lives in a temporary folder and is gone afterwards. Ends with 1
 * at the first step that is not as it was promised. PORT chooses the relay's port; default: a free one.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { constants } from "node:os";
import { fileURLToPath } from "node:url";
import { say, title, ok } from "./screen.ts";
import { Failed, Stage } from "./stage.ts";
import { play } from "./story.ts";

const root = fileURLToPath(new URL("../", import.meta.url));
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

process.exitCode = 1;
// Nobody reads any more: what was started is cleaned up all the same.
process.stdout.on("error", () => process.exit());
say("AI Message: agents and a relay, in a folder that is gone afterwards");
try {
  if (!process.argv.includes("--built")) build();
  await perform();
} catch (error) {
  if (!(error instanceof Failed)) throw error;
  process.stderr.write(`   FAILED: ${error.message}\n`);
}
process.exit();

async function perform(): Promise<void> {
  await using stage = new Stage();
  const begun = performance.now();
  const interrupted = new Promise<number>((resolve) => {
    for (const signal of SIGNALS) process.once(signal, () => resolve(128 + constants.signals[signal]));
  });
  try {
    process.exitCode = await Promise.race([play(stage), interrupted]);
  } catch (error) {
    process.stderr.write(`\n${stage.logs}\n`);
    throw error;
  }
  if (process.exitCode !== 0) return;
  say(`\nAll steps passed, in ${((performance.now() - begun) / 1000).toFixed(1)} s.`);
  say('To go on by hand, see "A tour in a minute" in README.md.');
}

function build(): void {
  title("Build");
  if (!existsSync(`${root}node_modules/typescript`)) throw new Failed("dependencies are missing: run npm ci first");
  // A shell, since npm is a script where there is Windows.
  const { status } = spawnSync("npm run --silent build", { cwd: root, shell: true, stdio: ["ignore", 2, 2] });
  if (status !== 0) throw new Failed("the build");
  ok(`built with Node ${process.version}`);
}
