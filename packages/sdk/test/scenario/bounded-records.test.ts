/** Whatever a contact sends, what this agent keeps of it has a bound. Rows of SECURITY.md, "A peer that lies". */
import { expect, onTestFinished, test, vi } from "vitest";
import { Gathering } from "../../src/delivery/gathering.ts";
import { list, pad } from "../../src/records/records.ts";
import { owed } from "../../src/records/owed.ts";
import { pairsWith } from "../../src/turn/groups.ts";
import type { Turn } from "../../src/turn/turn.ts";
import { utf8 } from "../../src/protocol/index.ts";
import { Layer } from "../../src/store/layer.ts";
import { nothingUnderWay, turns } from "./turns.ts";
import { HostileMember } from "./hostile-member.ts";
import { alertKinds, eventually, follow, World } from "./world.ts";

/** Bob, with whom Mallory has talked; her agent is closed, and her keys are in other hands. */
async function talked() {
  const world = await World.create({ noLimits: true });
  const [bob, mallory] = [await world.open("bob"), await world.open("mallory")];
  follow(bob);
  for (const text of ["hello", "hello again"]) await (await mallory.send("bob", text)).handled();
  await mallory.close();
  return { world, bob, member: await HostileMember.over(world, "mallory") };
}

/** Alice and Bob have written to each other, and Bob is closed: his turns are run by hand. */
async function bobHasClosed(): Promise<World> {
  const world = await World.create();
  const [alice, bob] = [await world.open("alice"), await world.open("bob")];
  await (await alice.send("bob", "hello")).stored();
  await (await bob.send("alice", "hello")).stored();
  await bob.close();
  return world;
}

/** Characters and bytes of all that an agent keeps, and of its largest record. */
async function sizes(world: World, name: string): Promise<{ all: number; largest: number }> {
  const rows = await world.memory(name).read((tx) => tx.list({ prefix: "" }));
  const each = rows.map(([key, value]) => key.length + value.length);
  return { all: each.reduce((sum, size) => sum + size, 0), largest: Math.max(...each) };
}

/** What waits for Alice is on its way. */
async function leave({ tx }: Turn): Promise<void> {
  for (const [key] of await tx.list({ prefix: "queue/alice/" })) await tx.delete(key);
}

test("[A-2] receipts with gaps end the conversation as messages with gaps do, and fill no record", async () => {
  const { world: opened, bob, member } = await talked();
  await using world = opened;
  const before = await sizes(world, "bob");
  for (let index = 1; index <= 60; index++) {
    const frame = await member.frame({ id: `gap-${index}`, type: "receipt", counter: index * 1_000 }, utf8("{}"));
    world.proxy.push("bob", frame);
  }
  await eventually("bob gives the conversation up", async () => (await alertKinds(bob)).includes("too_many_lost"));
  const again = await world.open("mallory");
  await (await again.send("bob", "in another conversation")).handled();
  const after = await sizes(world, "bob");
  expect(after.largest).toBeLessThan(Math.max(50_000, 2 * before.largest));
  expect(after.all - before.all).toBeLessThan(200_000);
});

test("[A-2] receipts that name what was never sent are applied no further than their sender's allowance", async () => {
  const { world: opened, bob, member } = await talked();
  await using world = opened;
  const ids = Array.from({ length: 500 }, (_, index) => `never-sent-${index}`);
  const body = utf8(JSON.stringify({ handled: ids, undecryptable: ids }));
  let lookedFor = 0;
  const get = Reflect.get(Layer.prototype, "get");
  const spy = vi.spyOn(Layer.prototype, "get").mockImplementation(function (this: Layer, key) {
    if (key.startsWith("out-id/never-sent")) lookedFor += 1;
    return get.call(this, key);
  });
  onTestFinished(() => spy.mockRestore());
  for (let index = 1; index <= 40; index++)
    world.proxy.push("bob", await member.frame({ id: `r-${index}`, type: "receipt", counter: 100 + index }, body));
  const carol = await world.open("carol");
  await (await carol.send("bob", "behind them")).handled();
  expect(lookedFor).toBeLessThan(20_000);
  // What it is not read for is asked for again, and not lost; no more of it is kept than that.
  const rows = await world.memory("bob").read((tx) => tx.list({ prefix: "report/mallory/" }));
  expect(rows.length).toBeLessThan(20);
  expect(await bob.alerts()).toEqual([]);
});

test("[A-2] what became of messages is kept in a row each until it can be said, however many wait", async () => {
  await using world = await bobHasClosed();
  const { run } = await turns(world.memory("bob"));
  await run(async ({ tx }) => {
    for (let seq = 1; seq <= 1_200; seq++)
      await tx.put(owed("alice", "done", pad(seq)), JSON.stringify({ id: `m${seq}` }));
  });
  const flight = nothingUnderWay();
  const gathering = new Gathering();
  const waiting: number[] = [];
  for (let round = 0; round < 3; round++) {
    await run((turn) => gathering.flush(turn, flight, true));
    await run(leave);
    waiting.push((await world.memory("bob").read((tx) => tx.list({ prefix: owed("alice", "done") }))).length);
  }
  expect(waiting).toEqual([700, 200, 0]);
  expect((await sizes(world, "bob")).largest).toBeLessThan(50_000);
});

test("[A-2] receipts that are not confirmed go further and further apart, and nothing of what they say is lost", async () => {
  await using world = await bobHasClosed();
  let now = 0;
  const { run } = await turns(world.memory("bob"), () => now);
  const flight = nothingUnderWay();
  const gathering = new Gathering();
  const receipts = async () =>
    (await world.memory("bob").read((tx) => list(tx, "out/"))).filter(({ kind }) => kind === "receipt").length;
  const say = (seq: number) =>
    run(async (turn) => {
      await turn.tx.put(owed("alice", "done", pad(seq)), JSON.stringify({ id: `m${seq}` }));
      await gathering.flush(turn, flight, false);
    }).then(() => run(leave));
  const unconfirmed = (count: number) =>
    run(async (turn) => {
      for (const { peer } of await pairsWith(turn, "alice")) peer.receipts_out = count;
    });
  const before = await receipts();
  await unconfirmed(1_000);
  for (let seq = 1; seq <= 100; seq++, now += 100) await say(seq);
  expect((await receipts()) - before).toBeLessThan(3);
  await unconfirmed(0);
  for (let seq = 101; seq <= 103; seq++, now += 100) await say(seq);
  expect((await receipts()) - before).toBeGreaterThan(2);
  expect(await world.memory("bob").read((tx) => tx.list({ prefix: owed("alice", "done") }))).toEqual([]);
});

test("[A-2] however often a connection ends before a receipt was taken, one waits, and what is said later gathers behind it", async () => {
  await using world = await bobHasClosed();
  const { run } = await turns(world.memory("bob"));
  const rows = (prefix: string) => world.memory("bob").read((tx) => tx.list({ prefix }));
  const before = (await rows("queue/alice/")).length;
  for (let seq = 1; seq <= 20; seq++)
    await run(async (turn) => {
      await turn.tx.put(owed("alice", "done", pad(seq)), JSON.stringify({ id: `m${seq}` }));
      const flight = nothingUnderWay();
      await new Gathering().flush(turn, flight, true);
    });
  expect((await rows("queue/alice/")).length - before).toBeLessThan(2);
  expect((await rows(owed("alice", "done"))).length).toBeGreaterThan(18);
});
