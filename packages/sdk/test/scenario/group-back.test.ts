/** An agent that has another device comes back into its groups. */
import { cpSync, rmSync } from "node:fs";
import { expect, test } from "vitest";
import type { Sent } from "../../src/agent/sent.ts";
import { makeBackup, readBackup, restoreBackup } from "../../src/agent/backup.ts";
import { nodeCryptoProvider } from "../../src/node/provider.ts";
import { list } from "../../src/records/records.ts";
import { MemoryFolder, MemoryStore } from "../../src/store/memory.ts";
import { gathered, online } from "./members.ts";
import { alertKinds, eventually, follow, World } from "./world.ts";

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

test("an agent whose store was put back to an old copy is in its group again, and goes on in both directions", async () => {
  await using world = await World.create({ noLimits: true });
  const [folder, copy] = [world.folder(), world.folder()];
  const [alice, bob] = [await world.open("alice"), await world.open("bob")];
  const [heard] = [alice, bob].map((agent) => follow(agent));
  for (const agent of [alice, bob]) await agent.sync();
  const open = async () => world.open("carol", await world.sqlite(folder));
  const first = await open();
  follow(first);
  await first.sync();
  await alice.groups.create("team", ["bob", "carol"]);
  await (await alice.send("@team", "before the copy")).handled();
  await first.close();
  cpSync(folder, copy, { recursive: true });
  const second = await open();
  follow(second);
  await (await second.send("@team", "after the copy")).handled();
  await alice.groups.rename("team", "ops");
  await (await bob.send("@ops", "to the second")).handled();
  await second.close();
  rmSync(folder, { recursive: true });
  cpSync(copy, folder, { recursive: true });
  const missed = await bob.send("@ops", "while it was away");
  await missed.stored();
  const third = await open();
  const got = follow(third);
  await missed.handled();
  await eventually("it knows the name", async () => (await third.groups.list())[0]?.name === "ops");
  await (await third.send("@ops", "after the restore")).handled();
  await (await alice.send("@ops", "to the third")).handled();
  expect(got.map(({ body }) => body).filter((body) => body !== "to the second")).toEqual([
    "while it was away",
    "to the third",
  ]);
  expect(heard?.filter(({ from }) => from === "carol").map(({ body }) => body)).toEqual([
    "after the copy",
    "after the restore",
  ]);
  expect(await alertKinds(third)).toEqual(["old_copy"]);
  expect(await third.groups.list()).toMatchObject([
    { name: "ops", state: "active", members: ["alice", "bob", "carol"], isLapsed: false },
  ]);
});

/** Opens an agent on a store; `copy` keeps that as it is now, and `putBack` has it be so again. */
function copied(world: World, name: string) {
  const [folder, kept] = [world.folder(), world.folder()];
  const open = async () => world.open(name, await world.sqlite(folder));
  const copy = () => cpSync(folder, kept, { recursive: true });
  const putBack = () => {
    rmSync(folder, { recursive: true });
    cpSync(kept, folder, { recursive: true });
  };
  return { open, copy, putBack };
}

test("an agent that had left a group when its store was copied, and was added again since, is in it when that is put back", async () => {
  await using world = await World.create({ noLimits: true });
  const [folder, copy] = [world.folder(), world.folder()];
  const { agent: alice } = (await online(world, "alice", "bob")).alice;
  const open = async () => world.open("carol", await world.sqlite(folder));
  const first = await open();
  follow(first);
  await first.sync();
  await alice.groups.create("team", ["bob", "carol"]);
  await (await first.send("alice", "so that nobody is a stranger")).handled();
  await eventually("carol is in", async () => (await first.groups.list()).length === 1);
  await first.groups.leave("team");
  await eventually("carol is out", async () => (await alice.groups.list())[0]?.members.includes("carol") === false);
  await first.close();
  cpSync(folder, copy, { recursive: true });
  const second = await open();
  follow(second);
  await second.sync();
  await alice.groups.add("team", ["carol"]);
  await eventually("carol is in again", async () => (await second.groups.list()).length === 1);
  await (await second.send("@team", "here I am")).handled();
  await second.close();
  rmSync(folder, { recursive: true });
  cpSync(copy, folder, { recursive: true });
  const third = await open();
  const got = follow(third);
  await eventually("carol is in all the same", async () => (await third.groups.list()).length === 1);
  await (await alice.send("@team", "to the third")).handled();
  await (await third.send("@team", "from the third")).handled();
  expect(got.map(({ body }) => body)).toContain("to the third");
  expect(await third.groups.list()).toMatchObject([{ state: "active", members: ["alice", "bob", "carol"] }]);
});

test("an agent that was removed since its store was copied is out when that is put back", async () => {
  await using world = await World.create({ noLimits: true });
  const { alice } = await gathered(world, "alice", "bob");
  const { open, copy, putBack } = copied(world, "carol");
  const first = await open();
  await first.sync();
  await alice.agent.groups.add("team", ["carol"]);
  await eventually("it is in", async () => (await first.groups.list()).length === 1);
  await first.close();
  copy();
  const second = await open();
  follow(second);
  await (await second.send("@team", "after the copy")).handled();
  await alice.agent.groups.remove("team", ["carol"]);
  await eventually("it is out", async () => (await second.groups.list()).length === 0);
  await second.close();
  putBack();
  const third = await open();
  follow(third);
  await eventually("it is out again", async () => (await third.groups.list()).length === 0);
  expect(await alertKinds(third)).toEqual(["old_copy"]);
});

test("a group whose founding was not answered yet when its founder's store was copied is there once", async () => {
  await using world = await World.create({ noLimits: true });
  const { bob } = await online(world, "bob");
  const { open, copy, putBack } = copied(world, "alice");
  const first = await open();
  await first.sync();
  world.proxy.rule = ({ agent, toRelay, frame }) =>
    agent === "alice" && toRelay && frame.type === "commit" ? "cut" : undefined;
  const founding = first.groups.create("team", ["bob"]).catch(() => undefined);
  await eventually("it has begun", () => world.proxy.sentBy("alice", "commit").length > 0);
  await first.close();
  await founding;
  copy();
  world.proxy.rule = undefined;
  const second = await open();
  follow(second);
  await eventually("bob is in", async () => (await bob.agent.groups.list()).length === 1);
  await (await second.send("@team", "founded")).handled();
  await second.close();
  putBack();
  const third = await open();
  follow(third);
  await eventually("it is in again", async () => {
    const groups = await third.groups.list();
    return groups.length === 1 && groups[0]?.state === "active" && !groups[0].isLapsed;
  });
  await (await third.send("@team", "after the restore")).handled();
  expect(await alertKinds(third)).toEqual(["old_copy"]);
  expect((await third.groups.list()).map(({ name, members }) => [name, members.length])).toEqual([["team", 2]]);
});

test(
  "a restored agent is back in twenty groups, one after another, with the mail of the meantime",
  { tags: ["long"] },
  async () => {
    await using world = await World.create({ noLimits: true });
    const { alice, bob, dave } = await online(world, "alice", "bob", "carol", "dave");
    const teams = Array.from({ length: 20 }, (_, at) => `team${at}`);
    for (const team of teams) await alice.agent.groups.create(team, ["bob", "carol", "dave"]);
    await eventually("dave is in all", async () => (await dave.agent.groups.list()).length === teams.length);
    const backup = await makeBackup(world.memory("dave"));
    await dave.agent.close();
    // No admin is there.
    await alice.agent.close();
    for (const team of teams) await (await bob.agent.send(`@${team}`, team)).stored();
    const store = new MemoryStore(new MemoryFolder());
    await restoreBackup(store, readBackup(JSON.stringify(backup)), nodeCryptoProvider);
    const restored = await world.open("dave", store);
    const got = follow(restored);
    await eventually("all has come", () => got.length === teams.length, 30_000);
    expect(got.map(({ body }) => body).toSorted()).toEqual(teams.toSorted());
  },
);

async function lacksNothing(world: World, name: string): Promise<void> {
  await eventually(`${name} lacks nothing`, async () => {
    const members = await world.memory(name).read((tx) => list(tx, "team-member/"));
    return members.every(({ gaps = [] }) => gaps.length === 0);
  });
}

/** Carol has said something to a group of which Bob sleeps; then Dave has come, and her store is put back. */
async function saidBeforeDave(world: World, count = 1) {
  const { alice, bob, dave } = await online(world, "alice", "bob", "dave");
  const { open, copy, putBack } = copied(world, "carol");
  const first = await open();
  await first.sync();
  await alice.agent.groups.create("team", ["bob", "carol"]);
  await eventually("bob is in", async () => (await bob.agent.groups.list()).length === 1);
  const old = await first.send("@team", "known to all");
  await old.handled();
  await bob.agent.close();
  const sent: Sent[] = [];
  for (let at = 0; at < count; at++) sent.push(await first.send("@team", "before dave"));
  for (const one of sent) await one.handled({ atLeast: 1 });
  await first.close();
  copy();
  await alice.agent.groups.add("team", ["dave"]);
  await eventually("dave is in", async () => (await dave.agent.groups.list()).length === 1);
  return { alice, dave, open, putBack, old: old.id, said: sent.map(({ id }) => id) };
}

test("what an agent said before its store was put back goes to nobody who has come since, and what became of it is known of each", async () => {
  await using world = await World.create({ noLimits: true });
  const { alice, dave, open, putBack, old, said } = await saidBeforeDave(world);
  const second = await open();
  await second.sync();
  await second.close();
  putBack();
  const third = await open();
  const bob = await world.open("bob");
  const heard = follow(bob);
  await eventually("bob has it", () => heard.length === 1);
  await eventually("all have", async () => (await (await third.sent(said[0]!))?.status())?.state === "handled");
  await (await third.send("@team", "to all")).handled();
  await (await third.send("@team", "and once more")).handled();
  expect(heard.map(({ body }) => body)).toEqual(["before dave", "to all", "and once more"]);
  expect(dave.got.map(({ body }) => body)).toEqual(["to all", "and once more"]);
  expect(alice.got.map(({ body }) => body)).toEqual(["known to all", "before dave", "to all", "and once more"]);
  for (const id of [old, ...said])
    expect(await (await third.sent(id))?.recipients()).toMatchObject({ handled: ["alice", "bob"], waiting: [] });
  // Nor does Dave go on asking for it, nor Alice, who has had it.
  for (const name of ["alice", "dave"]) await lacksNothing(world, name);
  expect(await dave.agent.alerts()).toEqual([]);
});

test("the same of a hundred, in whose way nothing stands", async () => {
  await using world = await World.create({ noLimits: true });
  const { alice, dave, open, putBack, said } = await saidBeforeDave(world, 100);
  const second = await open();
  await second.sync();
  await second.close();
  putBack();
  const third = await open();
  const after = await third.send("@team", "to all");
  const bob = await world.open("bob");
  const heard = follow(bob);
  await after.handled();
  await eventually("bob has all", () => heard.length === said.length + 1);
  await eventually("it is known of all", async () => {
    const all = await Promise.all(said.map(async (id) => (await third.sent(id))?.status()));
    return all.every((status) => status?.state === "handled");
  });
  expect(dave.got.map(({ body }) => body)).toEqual(["to all"]);
  for (const name of ["alice", "dave"]) await lacksNothing(world, name);
  await third.groups.leave("team");
  await eventually("all know", async () => !(await alice.agent.groups.find("team")).members.includes("carol"));
  for (const { agent } of [alice, dave]) expect(await alertKinds(agent)).not.toContain("lost");
});
