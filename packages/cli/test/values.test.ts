import { expect, test } from "vitest";
import { count, duration, seconds } from "../src/values.ts";

test("durations are read in seconds, minutes, hours and days", () => {
  expect(["30s", "15m", "1h", "7d"].map(duration)).toEqual([30_000, 900_000, 3_600_000, 604_800_000]);
});

test("seconds may have decimals, and are never rounded to nothing", () => {
  expect(["30", "0.5", "0.0001"].map(seconds)).toEqual([30_000, 500, 1]);
});

test("a count is a whole number", () => {
  expect(count("12")).toBe(12);
});
