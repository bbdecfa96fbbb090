import { readDuration, writeDuration } from "@aimessage/sdk/program";
import { expect, test } from "vitest";
import { count, duration, patience } from "../src/values.ts";

test("durations are read in seconds, minutes, hours and days, with decimals if wanted", () => {
  const texts = ["30s", "15m", "1h", "7d", "1.5h", "250ms"];
  expect(texts.map(duration)).toEqual([30_000, 900_000, 3_600_000, 604_800_000, 5_400_000, 250]);
});

test("of a wait a bare number is seconds, and no wait is rounded to nothing", () => {
  const texts = ["30", "0.5", "0.0001", "60s", "2m", "1h", "24d"];
  expect(texts.map(patience)).toEqual([30_000, 500, 1, 60_000, 120_000, 3_600_000, 2_073_600_000]);
});

test.each(["", "s", "1w", "1 s", "-1s", "1e3s", "1s2", ".5s", "5.s", "0x1s", "1S", "constructor", "9999999999999s"])(
  "%j is no duration",
  (text) => {
    expect(readDuration(text, "s")).toBeUndefined();
  },
);

test("where a unit is needed, a bare number is no duration; and what is more than a timer takes is no wait", () => {
  expect(readDuration("30")).toBeUndefined();
  expect(() => patience("25d")).toThrow("Write seconds, or 90s, 15m, 1h, up to 24d.");
});

test("a duration is written in the largest unit of which it is a multiple, and read as it was", () => {
  const written = { "14d": 14 * 86_400_000, "90m": 5_400_000, "54s": 54_000, "1500ms": 1_500, "0ms": 0 };
  for (const [text, value] of Object.entries(written)) {
    expect(writeDuration(value)).toBe(text);
    expect(readDuration(text)).toBe(value);
  }
});

test("a count is a whole number", () => {
  expect(count("12")).toBe(12);
});
