/** Files of a relay, measured. */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { createWorld } from "../world.ts";

/** A folder for what is temporary in which nobody else measures. */
function ownFolder(): string {
  const [before, own] = [process.env["TMPDIR"], mkdtempSync(join(tmpdir(), "aimessage measured "))];
  process.env["TMPDIR"] = own;
  onTestFinished(() => {
    if (before === undefined) delete process.env["TMPDIR"];
    else process.env["TMPDIR"] = before;
    rmSync(own, { recursive: true });
  });
  return own;
}

test("bench --files measures a file beside bare HTTP, and leaves nothing behind", async () => {
  const world = await createWorld({ noLimits: true });
  const folder = ownFolder();
  const { exit, stdout } = await world.cli("bench --files 3MB --json");
  expect(exit).toBe(0);
  const result = JSON.parse(stdout) as Record<"up" | "down", { bytes_per_second: number; bare: number; ratio: number }>;
  expect(result).toMatchObject({ bytes: 3_000_000, rounds: 3 });
  for (const { bytes_per_second, bare, ratio } of [result.up, result.down])
    for (const figure of [bytes_per_second, bare, ratio]) expect(figure).toBeGreaterThan(0);
  expect(readdirSync(folder)).toEqual([]);
  expect((await world.cli("bench --files 1KiB")).stdout).toMatch(
    /^a file of 1 KiB, rounds: 3\n\n +file +bare +ratio\nup +\S+ \w+\/s +\S+ \w+\/s +\d+\.\d\d\ndown /,
  );
  expect((await world.cli("bench --files 0")).exit).toBe(2);
});
