import { describe, expect, test } from "vitest";
import type { Agent } from "../../src/agent/agent.ts";
import { type GroupRecord } from "../../src/records/group-records.ts";
import { list, put } from "../../src/records/records.ts";
import { statesIn } from "./attacker.ts";
import { alertKinds, atRest, bodies, eventually, follow, jump, numbered, World } from "./world.ts";

function groups(world: World, username: string): Promise<GroupRecord[]> {
  return world.memory(username).read((tx) => list(tx, "group/"));
}

describe("both open a conversation at once", () => {
  test("all messages arrive, and after a while both send in the group with the smaller id", async () => {
    await using world = await World.create();
    const agents = [await world.open("alice"), await world.open("bob")] as [Agent, Agent];
    const [alice, bob] = agents;
    // Neither hears of the other's opening before its own is admitted.
    let opened = 0;
    const held: (() => void)[] = [];
    world.proxy.rule = ({ agent, toRelay, frame }) => {
      if (!toRelay || frame.type !== "commit" || frame.data.epoch !== 0 || opened === 2) return undefined;
      held.push(() => world.proxy.toRelay(agent, frame));
      if (++opened === 2) for (const release of held) release();
      return [];
    };
    follow(alice);
    follow(bob);
    const sent = await Promise.all(
      agents.map(async (agent, index) => {
        const mine = [];
        for (const text of numbered(5, agent.username)) mine.push(await agent.send(agents[1 - index]!.username, text));
        return mine;
      }),
    );
    await Promise.all(sent.flat().map((one) => one.handled()));
    expect(await bodies(bob, 5)).toEqual(numbered(5, "alice"));
    expect(await bodies(alice, 5)).toEqual(numbered(5, "bob"));
    const ids = (await groups(world, "alice")).map(({ id }) => id);
    expect(ids.length).toBe(2);
    expect((await groups(world, "bob")).map(({ id }) => id)).toEqual(ids);
    for (const text of numbered(3, "later")) {
      await (await alice.send("bob", text)).handled();
      await (await bob.send("alice", text)).handled();
    }
    const last = ["alice", "bob"].map((name) => world.proxy.sentBy(name, "send").at(-1)?.data.group_id);
    expect(last).toEqual([ids.toSorted()[0], ids.toSorted()[0]]);
    expect([...(await alertKinds(alice)), ...(await alertKinds(bob))]).toEqual([]);
  });
});

describe("the last-resort key package", () => {
  test("is used when the stock is gone, and replaced after its use, without an alert", { tags: ["long"] }, async () => {
    await using world = await World.create({ noLimits: true });
    const bob = await world.open("bob");
    const before = await lastResorts(world, "bob");
    expect(before.length).toBe(1);
    // Bob has never been online, so there are only the packages of his registration.
    const openers = await Promise.all(numbered(11, "opener").map((name) => world.open(name.replace(" ", "-"))));
    for (const opener of openers) await (await opener.send("bob", `from ${opener.username}`)).stored();
    follow(bob);
    expect((await bodies(bob, 11)).toSorted()).toEqual(openers.map(({ username }) => `from ${username}`).toSorted());
    const after = await eventually("the last resort is replaced", async () => {
      const keys = await lastResorts(world, "bob");
      return keys.some(({ delete_at }) => delete_at === undefined) && keys.length > 1 ? keys : undefined;
    });
    expect(after.find(({ ref }) => ref === before[0]?.ref)?.delete_at).toBeDefined();
    expect(await alertKinds(bob)).toEqual([]);
  });

  test("[R-8] its use is reported when stock remained, and it is replaced at once", async () => {
    await using world = await World.create();
    const alice = await world.open("alice");
    const first = await world.open("bob");
    await first.users();
    const published = () =>
      world.proxy
        .sentBy("bob", "publish_keys")
        .flatMap(({ data }) => (data["last_resort"] as string | undefined) ?? []);
    // That of the registration is replaced when Bob is online for the first time.
    const current = await eventually("the last resort is published", async () =>
      (await lastResorts(world, "bob")).find((key) => key.published === true),
    );
    await first.close();
    const [lastResort] = published();
    world.proxy.rule = ({ agent, frame }) =>
      agent === "alice" && frame.type === "keys"
        ? [{ ...frame, data: { ...frame.data, key_package: lastResort, last_resort: false } }]
        : undefined;
    const bob = await world.open("bob");
    follow(bob);
    await (await alice.send("bob", "hello")).handled();
    expect(await alertKinds(bob)).toContain("last_resort");
    await eventually("another one is published", () => published().length > 1);
    const used = (await lastResorts(world, "bob")).find(({ ref }) => ref === current.ref);
    expect(used?.delete_at).toBeDefined();
  });

  test("its use is no fault of a relay whose stock was used up by many who wrote at once", async () => {
    await using world = await World.create({ limits: { keyPackages: 4 }, noLimits: true });
    const bob = await world.open("bob");
    follow(bob);
    await bob.users();
    const names = ["anna", "dora", "frank", "gustav", "heinrich", "ingrid"];
    const agents = await Promise.all(names.map((name) => world.open(name)));
    await Promise.all(agents.map(async (agent) => (await agent.send("bob", "hello")).handled()));
    expect(await alertKinds(bob)).not.toContain("last_resort");
  });

  test("is replaced after a week, however many others are left, and however new they are", async () => {
    await using world = await World.create();
    const first = await world.open("bob");
    await first.users();
    const fresh = async () =>
      (await lastResorts(world, "bob")).find(
        ({ published, delete_at }) => published === true && delete_at === undefined,
      );
    const before = await eventually("the last resort is published", fresh);
    await first.close();
    jump(7 * 24 * 3_600_000);
    await world.memory("bob").write(async (tx) => {
      for (const key of await list(tx, "key/"))
        if (!key.last_resort) await put(tx, "key/", key.ref, { ...key, created_at: Date.now() });
    });
    const bob = await world.open("bob");
    await bob.users();
    await eventually("another one is published", async () => {
      const after = await fresh();
      return after !== undefined && after.ref !== before.ref;
    });
  });

  test("[R-7] a Welcome that used it joins no second time, where the relay does not say which conversation it is for", async () => {
    await using world = await World.create();
    const [alice, bob] = [await world.open("alice"), await world.open("bob")];
    const registration = world.proxy.sentBy("bob", "register")[0];
    world.proxy.rule = ({ agent, frame }) =>
      agent === "alice" && frame.type === "keys"
        ? [{ ...frame, data: { ...frame.data, key_package: registration?.data["last_resort"] } }]
        : undefined;
    follow(bob);
    await (await alice.send("bob", "hello")).handled();
    const states = () => world.memory("bob").read(statesIn);
    await eventually("bob has committed", () => world.proxy.pushedTo("alice", "commit").length > 0);
    await (await alice.send("bob", "on we go")).handled();
    await atRest(world, alice, bob);
    const before = await states();
    const { group_id: _group, ...data } = world.proxy.pushedTo("bob", "welcome")[0]!.data;
    world.proxy.push("bob", { type: "message", data });
    await eventually("bob is told", async () => (await alertKinds(bob)).includes("bad_welcome"));
    expect(await states()).toEqual(before);
    await (await alice.send("bob", "and on")).handled();
    expect(await bodies(bob, 3)).toEqual(["hello", "on we go", "and on"]);
  });

  test("is kept until the relay has said that it hands out another one", async () => {
    await using world = await World.create();
    let lost = 0;
    world.proxy.rule = ({ toRelay, frame }) => (toRelay && frame.type === "publish_keys" && ++lost ? "cut" : undefined);
    const bob = await world.open("bob");
    const [registered] = await lastResorts(world, "bob");
    void bob.users().catch(() => undefined);
    await eventually("two publications are lost", () => lost >= 2);
    expect((await lastResorts(world, "bob")).filter(({ delete_at }) => delete_at !== undefined)).toEqual([]);
    world.proxy.rule = undefined;
    await eventually("another is published", async () =>
      (await lastResorts(world, "bob")).some((key) => key.ref === registered?.ref && key.delete_at !== undefined),
    );
    expect((await lastResorts(world, "bob")).filter(({ published }) => published === true).length).toBe(1);
  });

  test("a relay that never has enough key packages does not get more and more of them", async () => {
    await using world = await World.create();
    const bob = await world.open("bob");
    await bob.users();
    const count = () => world.memory("bob").read(async (tx) => (await tx.list({ prefix: "key-secret/" })).length);
    await eventually("the stock is full", async () => (await count()) > 20);
    const before = await count();
    for (let round = 0; round < 20; round++) {
      world.proxy.push("bob", { type: "keys_low", data: { remaining: 0 } });
      await bob.users();
    }
    expect(await count()).toBe(before);
  });

  test("key packages that the relay has are kept, however many others were lost on the way", async () => {
    await using world = await World.create();
    const [alice, bob] = [await world.open("alice"), await world.open("bob")];
    const refs = () => world.memory("bob").read(async (tx) => (await list(tx, "key/")).map(({ ref }) => ref));
    const registered = await refs();
    await world.memory("bob").write(async (tx) => {
      for (const ref of numbered(300, "lost"))
        await put(tx, "key/", ref, { ref, last_resort: false, published: false, created_at: Date.now() });
    });
    await (await alice.send("bob", "hello")).stored();
    follow(bob);
    await eventually("too many are gone", async () => (await refs()).length < 300);
    expect(await bodies(bob, 1)).toEqual(["hello"]);
    const kept = await refs();
    expect(registered.filter((ref) => !kept.includes(ref)).length).toBe(1);
  });

  test("single-use key packages are gone after their use", async () => {
    await using world = await World.create();
    const [alice, bob] = [await world.open("alice"), await world.open("bob")];
    follow(bob);
    await eventually("bob is online", async () => (await alice.users()).includes("bob"));
    const refs = async () =>
      new Set((await world.memory("bob").read((tx) => tx.list({ prefix: "key-secret/" }))).map(([key]) => key));
    const before = await refs();
    await (await alice.send("bob", "hello")).handled();
    const after = await refs();
    expect([...before].filter((key) => !after.has(key)).length).toBe(1);
  });
});

function lastResorts(world: World, username: string) {
  return world.memory(username).read(async (tx) => (await list(tx, "key/")).filter((key) => key.last_resort));
}
