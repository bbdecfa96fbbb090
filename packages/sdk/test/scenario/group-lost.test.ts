/** Messages of a group that never came, and never will. */
import { describe, expect, test } from "vitest";
import { makeBackup, readBackup, restoreBackup } from "../../src/agent/backup.ts";
import { nodeCryptoProvider } from "../../src/node/provider.ts";
import { MemoryFolder, MemoryStore } from "../../src/store/memory.ts";
import { edit } from "./proxy.ts";
import { caughtUp, eventually, follow, jump, SAME_CLOCK, World } from "./world.ts";

/** Carol, who lacks two messages of Bob's in a group, however often he sends them again. */
async function lacking() {
  const world = await World.create({ noLimits: true, ...SAME_CLOCK });
  const [alice, bob, carol] = [await world.open("alice"), await world.open("bob"), await world.open("carol")];
  for (const agent of [alice, bob, carol]) follow(agent);
  await Promise.all([alice.sync(), bob.sync(), carol.sync()]);
  await alice.groups.create("team", ["bob", "carol"]);
  await (await bob.send("@team", "one")).handled();
  let count = 2;
  world.proxy.rule = ({ agent, toRelay, frame: { data } }) => {
    if (agent !== "carol" || toRelay || data.from !== "bob") return undefined;
    return data.kind === "direct" || (data.kind === "application" && count-- > 0) ? [] : undefined;
  };
  for (const text of ["two", "three", "four"]) await (await bob.send("@team", text)).stored();
  await eventually("carol has the last", async () => (await carol.inbox()).some(({ body }) => body === "four"));
  await caughtUp(carol);
  const lost = async () => (await carol.alerts()).filter(({ kind }) => kind === "lost").map(({ text }) => text);
  return { world, alice, bob, carol, lost };
}

test("what a member counted by another device begins anew, also for whoever could not follow when it was taken in", async () => {
  await using world = await World.create({ noLimits: true });
  const [alice, bob, carol] = [await world.open("alice"), await world.open("bob"), await world.open("carol")];
  for (const agent of [alice, bob, carol]) follow(agent);
  await Promise.all([alice.sync(), bob.sync(), carol.sync()]);
  await alice.groups.create("team", ["bob", "carol"]);
  for (const text of ["one", "two", "three"]) await (await bob.send("@team", text)).handled();
  const backup = await makeBackup(world.memory("carol"));
  await carol.close();
  await bob.close();
  const store = new MemoryStore(new MemoryFolder());
  await restoreBackup(store, readBackup(JSON.stringify(backup)), nodeCryptoProvider);
  const restored = await world.open("carol", store);
  const got = follow(restored);
  await eventually("it is in the group again", async () => (await restored.groups.list()).length === 1);
  // Bob cannot follow that, and is taken in again himself.
  world.proxy.rule = ({ agent, toRelay, frame }) =>
    agent === "bob" && !toRelay && frame.data.kind === "commit" ? [edit(frame, { body: "AAEAAg==" })] : undefined;
  const again = await world.open("bob");
  follow(again);
  await eventually("bob cannot follow", async () => (await again.alerts()).some(({ kind }) => kind === "bad_commit"));
  world.proxy.rule = undefined;
  await (await again.send("@team", "four")).handled();
  expect(got.map(({ body }) => body)).toEqual(["four"]);
});

describe("[P-15.15] messages of a member that never came", () => {
  test("are lost when it is no member any more, and the owner hears how many", async () => {
    const { world: opened, bob, lost } = await lacking();
    await using _ = opened;
    await bob.groups.leave("team");
    await eventually("carol's owner is told", async () => (await lost()).length > 0);
    expect(await lost()).toEqual(["2 of its messages in a group never came, and bob is no member any more"]);
  });

  test("are lost when it has been silent for as long as the relay keeps a message", async () => {
    const { world: opened, alice, bob, lost } = await lacking();
    await using world = opened;
    await bob.close();
    await caughtUp(alice);
    world.proxy.cut();
    jump(15.5 * 86_400_000);
    await eventually("carol's owner is told", async () => (await lost()).length > 0);
    expect(await lost()).toEqual([
      "2 of its messages in a group never came, and bob has said nothing there for as long as the relay keeps a message",
    ]);
  });
});
