/** What others make grow in the store of an agent: each list of it has a bound. */
import { expect, test } from "vitest";
import { nameReplaced, replacedGroups } from "../../src/trust/contact-records.ts";
import { type GroupRecord } from "../../src/records/group-records.ts";
import { STATE_TABLES } from "../../src/records/group-state.ts";
import { list, put } from "../../src/records/records.ts";
import { type Pair, trimGroups } from "../../src/turn/groups.ts";
import { Cache } from "../../src/turn/turn.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import { keptOf } from "./attacker.ts";
import { foreignWelcome } from "./forge.ts";
import type { Frame } from "./proxy.ts";
import { alertKinds, eventually, follow, numbered, World } from "./world.ts";

const BEFORE = Date.now() - 1_000_000;

/** A Welcome of `from` as the relay pushes it. */
function pushed(from: string, { welcome, groupId, device }: Awaited<ReturnType<typeof foreignWelcome>>): Frame {
  const data = { from, device, kind: "welcome", message: welcome, group_id: groupId, message_id: groupId.slice(32) };
  return { type: "message", data: { ...data, timestamp: 1 } };
}

/** Bob, who is online, and whose last resort the relay has. */
async function online() {
  const world = await World.create({ noLimits: true });
  const bob = await world.open("bob");
  follow(bob);
  await eventually("the last resort is published", () =>
    world.proxy.sentBy("bob", "publish_keys").some(({ data }) => data["last_resort"] !== undefined),
  );
  // The relay knows none of the forged conversations, and would refuse what Bob commits there.
  world.proxy.rule = ({ toRelay, frame }) => (toRelay && frame.type === "commit" ? [] : undefined);
  const keys = (prefix: string) =>
    world.memory("bob").read(async (tx) => (await tx.list({ prefix })).map(([key, value]) => [key, String(value)]));
  return { world, bob, keys };
}

test("[A-3] by one last-resort package a sender opens three conversations, and another sender still has its own", async () => {
  const { world: opened, bob, keys } = await online();
  await using world = opened;
  const forged = (from: string) => foreignWelcome(world, { from, to: "bob", leaves: 2, by: "last resort" });
  const welcomes = [];
  // All of them by the same package: that it was used is known when the first is joined.
  for (const from of ["carol", "carol", "carol", "carol", "carol", "dave"])
    welcomes.push([from, await forged(from)] as const);
  for (const [from, welcome] of welcomes) world.proxy.push("bob", pushed(from, welcome));
  const groups = () => world.memory("bob").read((tx) => list(tx, "group/"));
  await eventually("dave's is joined", async () => (await groups()).some(({ contact }) => contact === "dave"));
  expect((await groups()).filter(({ contact }) => contact === "carol").length).toBe(3);
  expect((await bob.alerts()).find(({ kind }) => kind === "too_many_welcomes")).toMatchObject({
    contact: "carol",
    count: 2,
  });
  expect((await keys("joined/")).length).toBe(4);
});

test("[R-7] a Welcome by the last resort joins no second time, also where its conversation was forgotten", async () => {
  const { world: opened, bob, keys } = await online();
  await using world = opened;
  const welcome = await foreignWelcome(world, { from: "carol", to: "bob", leaves: 2, by: "last resort" });
  world.proxy.push("bob", pushed("carol", welcome));
  await eventually("it is joined", async () => (await keys("mls/")).length > 0);
  await world.memory("bob").write(async (tx) => {
    for (const prefix of [...STATE_TABLES, "next/", "commit/", "group/", "contact-group/"])
      for (const [key] of await tx.list({ prefix })) await tx.delete(key);
  });
  world.proxy.cut("bob");
  await eventually("bob is back", () => world.proxy.sentBy("bob", "listen").length === 2);
  await bob.users();
  // The first of them stand where one was before.
  for (let count = 0; count < 3; count++) world.proxy.push("bob", pushed("carol", welcome));
  await eventually("bob is told", async () => (await alertKinds(bob)).includes("bad_welcome"));
  expect(await world.memory("bob").read(keptOf)).toEqual([[], [], []]);
});

test("[A-3] of the conversations that a sender opens one after another three are kept, and as many are named as replaced", async () => {
  const { world: opened, keys } = await online();
  await using world = opened;
  const welcomes = [];
  for (let by = 0; by < 8; by++)
    welcomes.push(await foreignWelcome(world, { from: "carol", to: "bob", leaves: 2, by }));
  for (const welcome of welcomes) world.proxy.push("bob", pushed("carol", welcome));
  await eventually("all came", async () => (await keys("group/")).length === 8);
  expect((await world.memory("bob").read(keptOf)).map((groups) => groups.length)).toEqual([3, 3, 3]);
  expect((await keys("contact-group/")).length).toBe(3);
  const [replaced] = await keys("replaces/");
  expect(replaced?.[1]?.split(" ").length).toBe(3);
});

test("[A-3] of a contact's closed conversations a hundred are known, the newest, and all of those that are younger than four months", async () => {
  await using world = await World.create();
  await (await world.open("bob")).close();
  const store = world.memory("bob");
  await store.write(async (tx) => {
    for (let index = 0; index < 150; index++)
      for (const contact of index < 20 ? ["carol", "dave"] : ["carol"])
        await put(tx, "group/", `${contact} ${index}`, closed(contact, index));
  });
  await (await world.open("bob")).sync();
  const groups = () => store.read((tx) => list(tx, "group/"));
  await eventually("the oldest are forgotten", async () => (await groups()).length === 120);
  const left = (await groups()).filter(({ contact }) => contact === "carol").map(({ created_at }) => created_at);
  expect(Math.max(...left) - Math.min(...left)).toBe(99);
});

test("the groups that the next one with a contact replaces are three, the newest", async () => {
  const store = new MemoryStore();
  const names = await store.write(async (tx) => {
    for (const group of numbered(10, "g").map((name) => name.replace(" ", ""))) await nameReplaced(tx, "carol", group);
    return replacedGroups(tx, "carol");
  });
  expect(names).toEqual(["g8", "g9", "g10"]);
});

test("of the conversations in memory those are let go that were used least lately, and in which nothing is awaited", () => {
  const cache = new Cache();
  for (let index = 0; index < 600; index++) cache.groups.set(String(index), conversation(index));
  cache.commits.set("3", {} as never);
  trimGroups({ teams: { width: () => 2 }, cache });
  expect([...cache.groups.keys()].slice(0, 4)).toEqual(["1", "2", "3", "103"]);
  expect(cache.groups.size).toBe(500);
});

const closed = (contact: string, index: number): GroupRecord => ({
  id: `${contact} ${index}`,
  contact,
  role: "joiner",
  state: "closed",
  epoch: 1,
  answered: false,
  created_at: BEFORE + index,
  send_counter: 0,
  messages_since_commit: 0,
  committed_at: 0,
  wait_for_epoch: 0,
  replaces: [],
});

const conversation = (index: number) =>
  ({
    kind: "pair",
    record: { id: String(index), epoch: 1, wait_for_epoch: index === 1 ? 2 : 0 },
    dirty: index === 2,
  }) as unknown as Pair;
