/** The order of a group's messages, which its members compare: what honest relays do is never an alert. [P-15.8] */
import { expect, test } from "vitest";
import type { Agent } from "../../src/agent/agent.ts";
import { Random, seed } from "../random.ts";
import { LIES, orderOf } from "./orders.ts";
import { alertKinds, atRest, eventually, follow, jump, numbered, SAME_CLOCK, World } from "./world.ts";

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
  const [alice, bob, carol, dave] = (await online(world, "alice", "bob", "carol", "dave")) as [
    Agent,
    Agent,
    Agent,
    Agent,
  ];
  await alice.groups.create("team", ["bob", "carol"]);
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
  sent.push(
    ...(await Promise.all(numbered(12, "later").map((text, at) => [alice, bob, carol][at % 3]!.send("@team", text)))),
  );
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
