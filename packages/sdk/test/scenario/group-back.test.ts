/** An agent that has another device comes back into its groups. */
import { expect, test } from "vitest";
import { makeBackup, readBackup, restoreBackup } from "../../src/agent/backup.ts";
import { nodeCryptoProvider } from "../../src/node/provider.ts";
import { MemoryFolder, MemoryStore } from "../../src/store/memory.ts";
import { eventually, follow, World } from "./world.ts";

test("an agent that was restored is in all of its groups again, and is written to, though one member alone takes it in", async () => {
  await using world = await World.create({ noLimits: true });
  const [alice, bob] = [await world.open("alice"), await world.open("bob")];
  for (const agent of [alice, bob]) {
    follow(agent);
    await agent.sync();
  }
  for (const name of ["one", "two", "three"]) await alice.groups.create(name, ["bob"]);
  await eventually("bob is in all of them", async () => (await bob.groups.list()).length === 3);
  const backup = await makeBackup(world.memory("bob"));
  await bob.close();
  const missed = await alice.send("@two", "in between");
  const direct = await alice.send("bob", "and for you alone");
  const store = new MemoryStore(new MemoryFolder());
  await restoreBackup(store, readBackup(JSON.stringify(backup)), nodeCryptoProvider);
  const restored = await world.open("bob", store);
  const got = follow(restored);
  await eventually("it is in all of them again", async () => (await restored.groups.list()).length === 3);
  await Promise.all([missed.handled(), direct.handled()]);
  expect(got.map(({ body }) => body).toSorted()).toEqual(["and for you alone", "in between"]);
  expect((await restored.alerts()).map(({ kind }) => kind)).toEqual([]);
});
