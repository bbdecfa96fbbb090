import { expect, test } from "vitest";
import { changeLine } from "../src/group-changes.ts";
import { createWorld } from "./world.ts";

const NOTHING = { at: 0, added: [], removed: [], left: [], promoted: [], demoted: [], before: undefined };

test.each([
  [{ by: "alice", added: ["dave", "erin"] }, "-- alice added dave, erin to @team"],
  [{ by: "alice", added: ["bob"] }, "-- alice added this agent to @team"],
  [{ by: undefined, left: ["carol"] }, "-- carol left @team"],
  [{ by: "bob", removed: ["carol"], left: ["dave"] }, "-- dave left @team; this agent removed carol from @team"],
  [{ by: "alice", promoted: ["bob"] }, "-- alice made this agent admin of @team"],
  [{ by: "alice", before: "ops" }, "-- alice renamed @ops to @team"],
])("a change of a group is told in a line: %o", (change, said) => {
  expect(changeLine({ ...NOTHING, group: "team", ...change }, "bob")).toBe(said);
});

test("whoever listens is told that it was added, and of what is changed then", async () => {
  const world = await createWorld();
  await world.register("alice", "bob", "carol");
  const listening = world.cli("listen -u bob --count 1");
  await world.cli("group create -u alice team bob");
  await world.cli("group add -u alice @team carol");
  await world.cli("send -u alice -t @team -m done");
  const { stderr, stdout } = await listening;
  expect(stdout).toMatch(/@team alice: done/);
  expect(stderr).toContain("-- alice added this agent to @team\n");
  expect(stderr).toContain("-- alice added carol to @team\n");
});
