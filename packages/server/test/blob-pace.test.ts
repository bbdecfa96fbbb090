import { expect, test } from "vitest";
import { Pace } from "../src/blobs/pace.ts";

const PIECE = 2 ** 18;
const PIECES = 64;

/** Milliseconds for so many readers who all take as much as they are given. */
async function took(pace: Pace, readers: number, mail: () => void): Promise<number> {
  const started = performance.now();
  const read = async () => {
    for (let piece = 0; piece < PIECES / readers; piece++) {
      mail();
      await pace.passed(PIECE);
    }
  };
  await Promise.all(Array.from({ length: readers }, read));
  return performance.now() - started;
}

test("files go as fast as they come where there is no mail, and beside it, all together, no faster than leaves room for it", async () => {
  const pace = new Pace();
  const alone = await took(pace, 1, () => {});
  const one = await took(pace, 1, () => pace.mail());
  const many = await took(pace, 16, () => pace.mail());
  console.info(`16 MiB in ${alone.toFixed(0)} ms alone, in ${one.toFixed(0)} and ${many.toFixed(0)} beside mail`);
  // A timer is late, and never early.
  for (const beside of [one, many]) expect(beside).toBeGreaterThan(140);
  expect(alone).toBeLessThan(Math.min(one, many) / 2);
});
