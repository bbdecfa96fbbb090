import { execFile } from "node:child_process";
import { rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { bugs } from "./bugs.ts";

const program = fileURLToPath(new URL("main.ts", import.meta.url));
const SEED = Number(process.env["CHAOS_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
const CYCLES = 50;

interface Result {
  messages: number;
  violations: string[];
  /** With the logs of all processes, if something is wrong. */
  folder?: string;
}

function chaos(...args: string[]): Promise<Result> {
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [program, "--json", ...args], { maxBuffer: 2 ** 24 }, (_, stdout, stderr) => {
      if (stdout === "") reject(new Error(stderr));
      else resolve(JSON.parse(stdout) as Result);
    });
  });
}

test(`whatever fails of relay, agents, network, disks and clocks: every promise is kept (seed ${SEED})`, async () => {
  const { violations, folder, messages } = await chaos("--cycles", String(CYCLES), "--seed", String(SEED));
  expect(violations, `the logs are in ${folder}`).toEqual([]);
  expect(messages).toBe(12 * CYCLES);
}, 300_000);

/** Schedules in which each of them shows within a few cycles, as a rule: when it strikes depends on the machine, too. */
const BUG_SEEDS = ["56", "57", "58"];

test.for(bugs)("finds a planted bug: %s", { timeout: 600_000 }, async (bug) => {
  const sign = bug === "no-dedup" ? "doubled: " : "lost: ";
  const all: string[] = [];
  for (const seed of BUG_SEEDS) {
    const { violations, folder } = await chaos("--cycles", "40", "--seed", seed, "--bug", bug);
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
    all.push(...violations);
    if (all.some((violation) => violation.startsWith(sign))) return;
  }
  expect.unreachable(`${sign}was never seen, but: ${all.join("; ")}`);
});
