/** Files of a relay, measured. */
import { readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { expect, test } from "vitest";
import { createWorld } from "../world.ts";

const folders = () => readdirSync(tmpdir()).filter((name) => name.startsWith("aimessage-bench-"));

test("bench --files measures a file beside bare HTTP, and leaves nothing behind", async () => {
  const world = await createWorld({ noLimits: true });
  const before = new Set(folders());
  const { exit, stdout } = await world.cli("bench --files 3MB --json");
  expect(exit).toBe(0);
  const result = JSON.parse(stdout) as Record<"up" | "down", { bytes_per_second: number; bare: number; ratio: number }>;
  expect(result).toMatchObject({ bytes: 3_000_000, rounds: 3 });
  for (const { bytes_per_second, bare, ratio } of [result.up, result.down])
    for (const figure of [bytes_per_second, bare, ratio]) expect(figure).toBeGreaterThan(0);
  expect(folders().filter((name) => !before.has(name))).toEqual([]);
  expect((await world.cli("bench --files 1KiB")).stdout).toMatch(
    /^a file of 1 KiB, rounds: 3\n\n +file +bare +ratio\nup +\S+ \w+\/s +\S+ \w+\/s +\d+\.\d\d\ndown /,
  );
  expect((await world.cli("bench --files 0")).exit).toBe(2);
});
