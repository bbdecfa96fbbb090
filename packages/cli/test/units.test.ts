import { expect, test } from "vitest";
import { fileSize, readableLimit } from "../src/units.ts";

test("limits are shown in the largest unit of which there is one", () => {
  const limits = {
    frame_bytes: 65_536,
    frame_bytes_unauthenticated: 1000,
    body_bytes: 49_012,
    mailbox_bytes: 67_108_864,
  };
  expect(Object.entries(limits).map(([name, value]) => readableLimit(name, value))).toEqual([
    ["frame", "64 KiB"],
    ["frame_unauthenticated", "1000 bytes"],
    ["body", "47.9 KiB"],
    ["mailbox", "64 MiB"],
  ]);
  expect(readableLimit("mailbox_age_ms", 14 * 86_400_000)).toEqual(["mailbox_age", "14d"]);
  expect(readableLimit("frames_burst", 400)).toEqual(["frames_burst", "400"]);
});

test("files have the units of the limits", () => {
  const sizes = [0, 1_023, 1_024, 1_258_291, 160_000_000, 2 ** 30];
  expect(sizes.map(fileSize)).toEqual(["0 B", "1023 B", "1 KiB", "1.2 MiB", "153 MiB", "1 GiB"]);
});
