/** Everything that takes minutes or hours, at full length, one after the other: `npm run long`. Ends with 1 if any of it fails. */
import { spawnSync } from "node:child_process";

const lengths = {
  KILL_MESSAGES: "1000",
  FILE_KILLS: "200",
  FILE_CUTS: "50",
  FILE_MIB: "1024",
  FILE_MEMORY_MIB: "2048",
  TEAM_STEPS: "10000",
  TREE_STEPS: "1000000",
  GROUP_MESSAGES: "1000",
  CHAOS_CYCLES: "200",
  CHAOS_GROUP_CYCLES: "50",
  CHAOS_BUGS: "1",
  SETTINGS_RUNS: "300",
};
const steps = [
  ["node_modules/vitest/vitest.mjs", "run", "--tagsFilter=long"],
  ["node_modules/vitest/vitest.mjs", "run", "packages/cli/test/assistants/install-fuzz.test.ts"],
  ["lab/chaos/main.ts", "--cycles", "1000"],
  ["lab/chaos/main.ts", "--cycles", "1000", "--without", "old-copy"],
  ["lab/chaos/main.ts", "--cycles", "300", "--files"],
  ["lab/chaos/main.ts", "--cycles", "500", "--groups"],
  ["lab/chaos/cluster/main.ts", "--seconds", "1200"],
  ["lab/crowd/main.ts"],
  ["--conditions=@aimessage/source", "lab/fuzz/main.ts", "--frames", "1000000"],
  ["--conditions=@aimessage/source", "lab/soak/main.ts"],
  ["--conditions=@aimessage/source", "lab/model/main.ts"],
];

const failed = steps.filter((step) => {
  process.stdout.write(`\n$ node ${step.join(" ")}\n`);
  return spawnSync(process.execPath, step, { stdio: "inherit", env: { ...process.env, ...lengths } }).status !== 0;
});
for (const step of failed) process.stdout.write(`failed: node ${step.join(" ")}\n`);
process.exitCode = failed.length === 0 ? 0 : 1;
