import { expect, test } from "vitest";
import { allowancesInMemory, takeOne } from "../src/store/allowances.ts";

const RATE = { most: 4, within: 1_000 };

/** Takes one every so often. @returns at which times there was one */
function taking(everyMs: number, until: number): number[] {
  let fullAt = 0;
  const got: number[] = [];
  for (let now = 0; now < until; now += everyMs) {
    const taken = takeOne(fullAt, RATE, now);
    if ("waitMs" in taken) continue;
    fullAt = taken.fullAt;
    got.push(now);
  }
  return got;
}

test("so many are there at once, and then one after each part of the time", () => {
  expect(taking(1, 1_000)).toEqual([0, 1, 2, 3, 250, 500, 750]);
});

test("all of a number that does not divide the time are there at once", () => {
  let fullAt = 0;
  for (let count = 0; count < 7; count++) {
    const taken = takeOne(fullAt, { most: 7, within: 3_600_000 }, 0);
    expect(taken).toHaveProperty("fullAt");
    if ("fullAt" in taken) fullAt = taken.fullAt;
  }
  expect(takeOne(fullAt, { most: 7, within: 3_600_000 }, 0)).toHaveProperty("waitMs");
});

test("who takes no more than the rate is never kept waiting", () => {
  expect(taking(250, 20_000)).toHaveLength(80);
});

test("who waits for as long as it was told gets one", () => {
  let fullAt = 0;
  let now = 0;
  for (let count = 0; count < 100; count++) {
    const taken = takeOne(fullAt, RATE, now);
    if ("fullAt" in taken) fullAt = taken.fullAt;
    else {
      const again = takeOne(fullAt, RATE, (now += taken.waitMs));
      expect(again).toHaveProperty("fullAt");
      if ("fullAt" in again) fullAt = again.fullAt;
    }
  }
});

test("a clock that is set back keeps nobody waiting for longer than the time of all", () => {
  const taken = takeOne(1e12, RATE, 0);
  expect(taken).toEqual({ waitMs: 250 });
});

test("a rate of none is no rate", () => {
  const allowances = allowancesInMemory(() => 0);
  expect(Array.from({ length: 100 }, () => allowances.take("any", { most: 0, within: 1 }))).toEqual(
    Array.from({ length: 100 }, () => 0),
  );
});
