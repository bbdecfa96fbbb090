/** Trees in which anything happens: a million random steps, with cryptography in name only. `SEED=…` runs them again, `TREE_STEPS=…` says how many. */
import { setImmediate } from "node:timers/promises";
import { expect, test } from "vitest";
import { Random, seed } from "../random.ts";
import { TreeChurn, type TreeCounts } from "./tree-churn.ts";

const STEPS = Number(process.env["TREE_STEPS"] ?? 20_000);
/** Of one group. */
const LIFE = 100;

/** Groups one after the other, most of them of up to 16. */
async function churn(steps: number): Promise<TreeCounts> {
  const random = new Random();
  const counts: TreeCounts = new Map();
  for (let done = 0; done < steps; done += LIFE) {
    const group = await TreeChurn.found(random, counts, 4 + random.int(random.int(10) === 0 ? 61 : 13));
    for (let step = 0; step < Math.min(LIFE, steps - done); step++) await group.step();
    // Nothing of a step waits for anything, and whoever runs the tests wants to hear of them.
    await setImmediate();
    if (done % 20_000 === 0 && done > 0) process.stderr.write(`${done} steps of ${steps}, seed ${seed}\n`);
  }
  return counts;
}

test(`in 500 steps of trees no valid join is refused, all agree, and no changed tree is taken (seed ${seed})`, async () => {
  const counts = await churn(500);
  expect(counts.get("joins")).toBeGreaterThan(60);
  expect(counts.get("changed trees with their hash refused")).toBeGreaterThan(0);
});

test(`the same of ${STEPS} (seed ${seed})`, { tags: ["long"], timeout: 24 * 3_600_000 }, async () => {
  const counts = await churn(STEPS);
  process.stderr.write(`${JSON.stringify(Object.fromEntries(counts))}\n`);
  expect(counts.get("trees that the library would not have taken")).toBeGreaterThan(0);
});
