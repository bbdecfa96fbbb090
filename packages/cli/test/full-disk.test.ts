import { join } from "node:path";
import { expect, test } from "vitest";
import { smallDisk } from "../../../test/small-disk.ts";
import { createWorld } from "./world.ts";

test("a full disk is told as that, and not as a relay that cannot be reached", async ({ skip }) => {
  using disk = smallDisk("2m");
  if (disk === undefined) {
    skip("no right to mount a small disk");
    return;
  }
  const world = await createWorld();
  const env = { AIMESSAGE_HOME: join(disk.path, "home") };
  expect(await world.cli("register -u alice", { env })).toMatchObject({ exit: 0 });
  // Enough to open the store, and too little to log in.
  disk.fill(32_768);
  for (const line of [
    "listen --timeout 1",
    "listen --count 1 --timeout 1",
    "users --timeout 5",
    "send -t bob -m hello",
  ]) {
    const { exit, stderr } = await world.cli(`${line} --json`, { env });
    const error = JSON.parse(stderr.trimEnd().split("\n").at(-1) ?? "") as object;
    expect({ line, exit, ...error }).toMatchObject({ line, exit: 1, error: "disk_full" });
  }
  const doctor = await world.cli("doctor --json", { env });
  expect(doctor.exit).toBe(1);
  const { checks } = JSON.parse(doctor.stdout) as { checks: { name: string; ok: boolean }[] };
  expect(checks.filter(({ name }) => name === "store")).toEqual([expect.objectContaining({ ok: false })]);
  expect(checks.filter(({ name }) => name === "relay" || name === "link")).toEqual([]);
});
