/** A member's word on what it does not have, where that word is lost, or comes late. [P-15.10] */
import { expect, onTestFinished, test } from "vitest";
import { readReceipt } from "../../src/conversation/receipt.ts";
import { settleAt } from "../../src/conversation/team-outcomes.ts";
import { flushReceipt } from "../../src/delivery/receipts.ts";
import { directAddress } from "../../src/records/addresses.ts";
import { owed } from "../../src/records/owed.ts";
import { get, list, pad, put, toBytes } from "../../src/records/records.ts";
import type { OutboxRecord } from "../../src/records/tables.ts";
import type { TeamRecord } from "../../src/records/team-records.ts";
import { forgetMember, teamOf } from "../../src/turn/groups.ts";
import { gathered } from "./members.ts";
import { edit, type Frame } from "./proxy.ts";
import { turns } from "./turns.ts";
import { BOUND, last, says, unconfirmed } from "./unconfirmed.ts";
import { atRest, caughtUp, eventually, follow, jump, numbered, SAME_CLOCK, World } from "./world.ts";

async function team() {
  const world = await World.create({ noLimits: true, ...SAME_CLOCK });
  onTestFinished(() => world[Symbol.asyncDispose]());
  // Bob founds it: to Carol Alice is a stranger.
  const { bob, alice, carol } = await gathered(world, "bob", "alice", "carol");
  for (const { agent } of [alice, bob]) await (await agent.send("@team", "hello")).handled();
  await atRest(world, alice.agent, bob.agent, carol.agent);
  return { world, alice: alice.agent, bob: bob.agent, carol: carol.agent, got: carol.got };
}

test("a copy of a message that has left, and that its recipient has not come to yet, is lost to nobody", async () => {
  const { world, alice, carol, got } = await team();
  // What the relay pushes comes to Carol in its order, but late.
  const line: Frame[] = [];
  let isGarbled = false;
  world.proxy.rule = ({ agent, toRelay, frame }) => {
    if (agent !== "carol" || toRelay || frame.type !== "message") return undefined;
    if (isGarbled) line.push(frame);
    else if (frame.data.kind === "application") {
      isGarbled = true;
      return [edit(frame, { message: "AAAA" })];
    }
    return [];
  };
  const one = await alice.send("@team", "the one");
  const more = [];
  for (const text of numbered(8)) more.push(await alice.send("@team", text));
  await Promise.all([one, ...more].map((sent) => sent.stored()));
  await caughtUp(carol);
  const letPass = async () => {
    world.proxy.raw("carol", JSON.stringify(line.shift()));
    await atRest(world, alice, carol);
  };
  for (const _ of more) {
    await letPass();
    jump(11_000);
  }
  expect((await one.recipients()).failed).toEqual([]);
  while (line.length > 0) await letPass();
  await eventually("carol has it", () => got.some(({ body }) => body === "the one"));
  await atRest(world, alice, carol);
  const { failed, handled } = await one.recipients();
  expect({ failed, handled: handled.includes("carol") }).toEqual({ failed: [], handled: true });
});

test("what had no room is received by nobody, also where the word on that is lost", async () => {
  const { world, alice, bob, carol: first } = await team();
  await first.close();
  // As if Alice had all that one stranger may have in Carol's store.
  await world.memory("carol").write((tx) => tx.put("strange/alice", String(16 * 2 ** 20)));
  const carol = await world.open("carol");
  follow(carol);
  await carol.sync();
  await atRest(world, alice, bob, carol);
  let isDropping = true;
  world.proxy.rule = ({ agent, toRelay, frame }) => {
    const isWord = agent === "alice" && !toRelay && frame.data?.kind === "direct" && frame.data.from === "carol";
    if (!isDropping || !isWord) return undefined;
    isDropping = false;
    return [];
  };
  const one = await alice.send("@team", "the one");
  await eventually("carol has answered", () => !isDropping);
  for (const text of numbered(3)) {
    jump(11_000);
    await (await alice.send("@team", text)).handled({ atLeast: 1 });
    await atRest(world, alice, bob, carol);
  }
  expect((await one.recipients()).failed).toMatchObject([{ name: "carol", reason: "stranger_quota" }]);
});

test("what lies above four hundred counters under which nothing is to come is asked for, too", async () => {
  const { world, alice, carol: first } = await team();
  await first.close();
  // As books are in which the oldest runs were taken for one, with what is here between them.
  await world.memory("carol").write(async (tx) => {
    const [group] = await list(tx, "team-group/");
    const record = (await list(tx, "team-member/")).find(({ name }) => name === "alice")!;
    await put(tx, "team-member/", `${group!.id}/alice`, { ...record, receive_counter: 600, gaps: [[2, 599]] });
  });
  await alice.close();
  await world.memory("alice").write(async (tx) => {
    const [group] = await list(tx, "team-group/");
    await put(tx, "team-group/", group!.id, { ...group!, send_counter: 600 });
  });
  const again = await world.open("alice");
  follow(again);
  const carol = await world.open("carol");
  const got = follow(carol);
  await carol.sync();
  let isDropping = true;
  world.proxy.rule = ({ agent, toRelay, frame }) => {
    if (!isDropping || agent !== "carol" || toRelay || frame.data?.kind !== "application") return undefined;
    isDropping = false;
    return [];
  };
  const lost = await again.send("@team", "the one");
  await lost.stored();
  await (await again.send("@team", "the next")).handled({ atLeast: 2 });
  await lost.handled();
  expect(got.map(({ body }) => body)).toContain("the one");
});

test("what is to be said to a member that counts anew leaves out up to where all has come, and nothing else", async () => {
  const { world, alice } = await team();
  const [{ key, group }] = (await world.memory("alice").read((tx) => list(tx, "team/"))) as [TeamRecord];
  await alice.close();
  const { run } = await turns(world.memory("alice"));
  const to = directAddress(key, "bob");
  const said = await run(async (turn) => {
    const known = (await teamOf(turn, group))!;
    await forgetMember(turn, known, "bob");
    await turn.tx.put(owed(to, "read", group), "7");
    await turn.tx.put(owed(to, "lost", "a-message"), "");
    await flushReceipt(turn, to);
    const [row] = (await list(turn.tx, "out/", { reverse: true, limit: 1 })) as [OutboxRecord];
    return readReceipt(toBytes((await turn.tx.get(`out-body/${pad(row.seq)}`)) ?? ""));
  });
  expect(said).toMatchObject({ received: {}, undecryptable: ["a-message"] });
});

test("what a member had no room for, and could not be sent again, has failed there, until it says otherwise", async () => {
  const { store, turn } = await unconfirmed();
  const row = async () => (await store.read((tx) => get(tx, "out/", pad(last))))!;
  const outcomes = [
    [
      { state: "expired", reason: "lapsed" },
      { expired: 1, failed: 0, received: 0, handled: 0 },
    ],
    [
      { state: "failed", reason: "undecryptable" },
      { expired: 0, failed: 1, received: 1, handled: 0 },
    ],
    [{ state: "handled" }, { expired: 0, failed: 0, received: 1, handled: 1 }],
  ] as const;
  for (const [outcome, counts] of outcomes) {
    const before = await row();
    await turn((one) => settleAt(one, before, "bob", outcome), BOUND);
    expect((await row()).recipients).toMatchObject(counts);
  }
});

test("what has failed at a member as not readable, so that it asks for it no more, is not received there for that", async () => {
  const { store, turn, goOn, group } = await unconfirmed();
  const row = async () => (await store.read((tx) => get(tx, "out/", pad(last))))!;
  const before = await row();
  await turn((one) => settleAt(one, before, "bob", { state: "failed", reason: "undecryptable" }), BOUND);
  const received = { [group]: last };
  const missing = [{ group, counter: last }];
  const said = async (receipt: Parameters<typeof says>[3]) => {
    await turn((one, team) => says(one, team, "bob", receipt), Infinity);
    await goOn();
  };
  await said({ received, missing });
  // It hears that there is nothing to get, and says of all that it is there.
  expect((await store.read((tx) => tx.list({ prefix: "owed/" }))).some(([key]) => key.includes("/free/"))).toBe(true);
  await said({ received });
  expect((await row()).recipients).toMatchObject({ failed: 1, handled: 0 });
  await said({ handled: [`m${last}`] });
  expect((await row()).recipients).toMatchObject({ failed: 0, handled: 1 });
});
