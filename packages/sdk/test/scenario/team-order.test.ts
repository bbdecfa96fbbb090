/** The order of a group's messages, which its members compare: what honest relays do is never an alert. [P-15.8] */
import { expect, test } from "vitest";
import type { Agent } from "../../src/agent/agent.ts";
import type { Group } from "../../src/crypto/mls/seam.ts";
import { MemoryFolder, MemoryStore } from "../../src/store/memory.ts";
import type { Value } from "../../src/store/store.ts";
import {
  addHash,
  beginOrder,
  dropOrders,
  flushOrders,
  hashOf,
  type Order,
  orderOf as orderOfEpoch,
} from "../../src/turn/team-order.ts";
import { Random, seed } from "../random.ts";
import { LIES, orderOf } from "./orders.ts";
import type { Frame } from "./proxy.ts";
import { alertKinds, atRest, caughtUp, eventually, follow, jump, numbered, SAME_CLOCK, World } from "./world.ts";

async function online(world: World, ...names: string[]): Promise<Agent[]> {
  const agents: Agent[] = [];
  for (const name of names) {
    const agent = await world.open(name);
    follow(agent);
    await agent.sync();
    agents.push(agent);
  }
  return agents;
}

async function allAlike(world: World, ...agents: Agent[]): Promise<void> {
  await atRest(world, ...agents);
  const [first, ...others] = await Promise.all(agents.map(({ username }) => orderOf(world, username)));
  expect(first).toEqual({ epoch: first!.epoch, hash: first!.hash, pos: first!.pos, open: 0 });
  for (const other of others) expect(other).toEqual(first);
  for (const agent of agents) expect((await alertKinds(agent)).filter((kind) => LIES.includes(kind))).toEqual([]);
}

test(`[P-15.8] members who send all at once, through connections that break and answers that are lost, have seen the same (seed ${seed})`, async () => {
  await using world = await World.create({ noLimits: true });
  const agents = await online(world, "alice", "bob", "carol", "dave", "erin");
  const [alice, bob, carol, dave] = agents as [Agent, Agent, Agent, Agent];
  await alice.groups.create("team", ["bob", "carol", "erin"]);
  for (const agent of [bob, carol])
    await eventually("they are in it", async () => (await agent.groups.list()).length === 1);
  const random = new Random();
  // Answers are lost with their connections, and so is what is pushed behind them.
  let cuts = 8;
  world.proxy.rule = ({ toRelay, frame }) => {
    const isHit =
      !toRelay &&
      (frame.data?.pos === undefined
        ? frame.data?.message_id !== undefined && random.int(5) === 0
        : random.int(20) === 0);
    return isHit && cuts-- > 0 ? "cut" : undefined;
  };
  const sent = await Promise.all(
    [alice, bob, carol].flatMap((agent) => numbered(12, agent.username).map((text) => agent.send("@team", text))),
  );
  await alice.groups.add("team", ["dave"]);
  // Nothing of the epoch before is admitted behind this: it is encrypted again.
  const removed = alice.groups.remove("team", ["erin"]);
  sent.push(
    ...(await Promise.all(numbered(12, "later").map((text, at) => [alice, bob, carol][at % 3]!.send("@team", text)))),
  );
  await removed;
  for (const one of sent) await one.handled({ timeout: 20_000 });
  world.proxy.rule = undefined;
  await (await dave.send("@team", "I am here")).handled();
  await allAlike(world, alice, bob, carol, dave);
  expect((await orderOf(world, "dave")).pos).toBeGreaterThan(0);
});

test("[P-15.8] whoever sleeps while a message expires, or comes later, or has run an earlier program, is not alarmed", async () => {
  await using world = await World.create({ noLimits: true, ...SAME_CLOCK });
  const [alice, bob, carol] = (await online(world, "alice", "bob", "carol", "dave")) as [Agent, Agent, Agent];
  await alice.groups.create("team", ["bob", "carol"]);
  await (await alice.send("@team", "one")).handled();
  await Promise.all([bob, carol].map((agent) => agent.close()));
  // As after an earlier program, which keeps no order.
  await world.memory("bob").write(async (tx) => {
    for (const prefix of ["order/", "order-page/", "order-start/"])
      for (const [key] of await tx.list({ prefix })) await tx.delete(key);
  });
  await (await alice.send("@team", "gone before it was read", { expiresIn: 60_000 })).stored();
  jump(61_000);
  await (await alice.send("@team", "two")).stored();
  const [again, late] = (await online(world, "bob", "carol")) as [Agent, Agent];
  await eventually("what has expired is a stub", () => world.proxy.pushedTo("carol", "stub").length === 1);
  await (await again.send("@team", "three")).handled();
  await (await late.send("@team", "four")).handled();
  await atRest(world, alice, again, late);
  expect(await orderOf(world, "alice")).toMatchObject({ pos: 5, open: 0 });
  expect((await orderOf(world, "carol")).hash).toBe((await orderOf(world, "alice")).hash);
  await alice.groups.add("team", ["dave"]);
  await (await again.send("@team", "five")).handled();
  await allAlike(world, alice, again, late, await world.open("dave"));
});

test("[P-15.8] a member whose commit was admitted, but not said to be, follows what comes after it", async () => {
  await using world = await World.create({ noLimits: true });
  const [alice, bob, carol] = (await online(world, "alice", "bob", "carol")) as [Agent, Agent, Agent];
  await alice.groups.create("team", ["bob", "carol"]);
  await eventually("bob is in it", async () => (await bob.groups.list()).length === 1);
  let lost = false;
  world.proxy.rule = ({ agent, toRelay, frame }) => {
    if (agent !== "alice" || toRelay || frame.data?.commit_id === undefined) return undefined;
    lost = true;
    return [];
  };
  const renamed = alice.groups.rename("team", "ops");
  await eventually("its answer is lost", () => lost);
  await eventually("bob knows", async () => (await bob.groups.list())[0]?.name === "ops");
  await (await bob.send("@ops", "how are you?")).handled();
  await renamed;
  world.proxy.rule = undefined;
  await (await alice.send("@ops", "well")).handled();
  await allAlike(world, alice, bob, carol);
});

test("a message whose receipts come before the relay's answer is handled as they say", async () => {
  await using world = await World.create({ noLimits: true });
  const [alice, bob, carol] = (await online(world, "alice", "bob", "carol")) as [Agent, Agent, Agent];
  await alice.groups.create("team", ["bob", "carol"]);
  let answer: Frame | undefined;
  let receipts = 0;
  world.proxy.rule = ({ agent, toRelay, frame }) => {
    if (agent !== "alice" || toRelay) return undefined;
    receipts += Number(frame.data?.kind === "direct");
    if (frame.type !== "ack" || frame.data["pos"] === undefined) return undefined;
    answer = frame;
    return [];
  };
  const sent = await alice.send("@team", "anybody?");
  await eventually("all have said so", () => receipts >= 2 && answer !== undefined);
  await caughtUp(alice);
  world.proxy.rule = undefined;
  world.proxy.raw("alice", JSON.stringify(answer));
  await sent.handled();
  await allAlike(world, alice, bob, carol);
});

test("[P-15.8] of an epoch the last 512 places are known, in few rows, of which a message writes two short ones", async () => {
  const store = new MemoryStore(new MemoryFolder());
  const record = { id: "ab".repeat(32), epoch: 7 };
  const team = { record, orders: new Map<number, Order>(), group: {} as Group };
  const hashes = [new Uint8Array(64).fill(7)];
  let written = 0;
  await store.write(async (tx) => {
    const cache = { forks: { enter: () => undefined } };
    await beginOrder({ tx, cache, teams: { authenticator: () => hashes[0]! } }, team);
  });
  for (let pos = 1; pos <= 1_200; pos++)
    await store.write(async (tx) => {
      const counted = {
        ...tx,
        get: (key: string) => tx.get(key),
        list: (range: Parameters<typeof tx.list>[0]) => tx.list(range),
        delete: (key: string) => tx.delete(key),
        put: (key: string, value: Value) => {
          written = Math.max(written, key.length + value.length);
          return tx.put(key, value);
        },
      };
      const order = await orderOfEpoch({ tx: counted }, team, 7);
      hashes.push(new Uint8Array(32).fill(pos % 251));
      await addHash({ tx: counted }, order!, hashes[pos]!);
      await flushOrders({ tx: counted }, team);
      // As after a restart.
      if (pos % 7 === 0) team.orders.clear();
    });
  expect(written).toBeLessThan(400);
  await store.read(async (tx) => {
    expect((await tx.list({ prefix: "order" })).length).toBeLessThan(70);
  });
  await store.write(async (tx) => {
    const order = (await orderOfEpoch({ tx }, team, 7))!;
    for (const pos of [0, 689, 700, 1_199, 1_200]) expect(await hashOf({ tx }, order, pos)).toEqual(hashes[pos]);
    for (const pos of [1, 688, 1_201]) expect(await hashOf({ tx }, order, pos)).toBeUndefined();
    await dropOrders({ tx }, team);
    expect(await tx.list({ prefix: "order" })).toEqual([]);
  });
});
