/** What leads to nothing uses up its sender's allowance, whatever it is. Rows of SECURITY.md, "A peer that lies, a client that floods". */
import { expect, onTestFinished, test, vi } from "vitest";
import { receive } from "../../src/conversation/incoming.ts";
import { list } from "../../src/records/records.ts";
import { owed } from "../../src/records/owed.ts";
import { applyReceipt, continueReports } from "../../src/conversation/reports.ts";
import { pairsWith } from "../../src/turn/groups.ts";
import { Turn } from "../../src/turn/turn.ts";
import { Waste } from "../../src/turn/waste.ts";
import type { Delivery } from "../../src/protocol/index.ts";
import { utf8 } from "../../src/protocol/index.ts";
import type { WriteTransaction } from "../../src/store/store.ts";
import { HostileMember } from "./hostile-member.ts";
import { gathered } from "./members.ts";
import { turns, workClock } from "./turns.ts";
import { alertKinds, atRest, eventually, follow, World } from "./world.ts";

/** Bob's store, by a clock that stands still: he has talked with Mallory, and she has handled what he wrote. */
async function talked(clock = () => 0) {
  const world = await World.create({ noLimits: true });
  onTestFinished(() => world[Symbol.asyncDispose]());
  const [bob, mallory] = [await world.open("bob"), await world.open("mallory")];
  for (const agent of [bob, mallory]) follow(agent);
  for (const text of ["hello", "hello again"]) await (await mallory.send("bob", text)).handled();
  const sent = await bob.send("mallory", "to mallory");
  await sent.handled();
  await mallory.close();
  const member = await HostileMember.over(world, "mallory");
  await bob.close();
  return { world, member, sent, ...(await turns(world.memory("bob"), clock)) };
}

/** A transaction that counts the looks at what lies under a prefix. */
function counting(prefix: string) {
  const looks = { count: 0 };
  const look = (key: string) => {
    if (key.startsWith(prefix)) looks.count += 1;
  };
  const over = (tx: WriteTransaction): WriteTransaction => {
    return {
      get: (key) => (look(key), tx.get(key)),
      list: (range) => (look(range.prefix), tx.list(range)),
      put: (key, value) => tx.put(key, value),
      delete: (key) => tx.delete(key),
    };
  };
  return { looks, over };
}

const delivery = (data: Partial<Delivery>): Delivery => ({
  from: "mallory",
  message: "AAAA",
  message_id: "junk",
  timestamp: 1,
  seq: 1,
  ...data,
});

test("[A-2] receipts that say again what is known are applied no further than their sender's allowance", async () => {
  let now = 0;
  const { sent, run, cache } = await talked(() => now);
  const again = Array<string>(500).fill(sent.id);
  for (const said of [
    { handled: again },
    { failed: again.map((id) => ({ id, reason: "no" })) },
    { undecryptable: again },
    { undecryptable: again.map((id) => `${id}--7`) },
  ]) {
    const { looks, over } = counting("out-id/");
    await run(async (turn) => {
      await cache.load(turn.tx);
      // Most of what it has.
      turn.wasted("mallory", 250);
      const [conversation] = await pairsWith(turn, "mallory");
      const body = utf8(JSON.stringify(said));
      for (let count = 0; count < 20; count++) await applyReceipt(turn, conversation!, body);
      for (const [key] of await turn.tx.list({ prefix: "report/" })) await turn.tx.delete(key);
    }, over);
    expect(looks.count).toBeLessThan(6_000);
    // Long enough has passed.
    now += 1_000_000;
  }
});

test("[A-3] Welcomes by no key package of ours are read no further than their sender's allowance", async () => {
  const { run, crypto } = await talked();
  const read = vi.spyOn(crypto, "welcomeRefs");
  const batch = Array.from({ length: 3_000 }, (_, index) => ({
    delivery: delivery({ kind: "welcome", seq: 10_000_000 + index, group_id: String(index).padStart(64, "0") }),
    offline: false,
  }));
  await run((turn) => receive(turn, batch));
  expect(read.mock.calls.length).toBeGreaterThan(100);
  expect(read.mock.calls.length).toBeLessThan(2 * 1_600);
});

test("[A-3] what is refused unread costs no look at what was refused before", async () => {
  const { world, run } = await talked();
  const { looks, over } = counting(owed("mallory", "lost"));
  const batch = Array.from({ length: 500 }, (_, index) => ({
    delivery: delivery({ message_id: `junk-${index}`, seq: 10_000_000 + index, group_id: "f".repeat(64) }),
    offline: false,
  }));
  await run(async (turn) => {
    turn.wasted("mallory", 1_000);
    await receive(turn, batch);
  }, over);
  expect(looks.count).toBeLessThan(5);
  const lost = await world.memory("bob").read((tx) => tx.list({ prefix: owed("mallory", "lost") }));
  expect(lost.length).toBeGreaterThan(100);
});

test("[A-3] what decrypts and is none, or comes under another name, and what it replaces is charged", async () => {
  const { member, run } = await talked();
  const wasted = vi.spyOn(Turn.prototype, "wasted");
  onTestFinished(() => wasted.mockRestore());
  const charged = async (data: object): Promise<boolean> => {
    wasted.mockClear();
    await run((turn) =>
      receive(turn, [{ delivery: { ...(data as Delivery), seq: turn.position + 1 }, offline: false }]),
    );
    return wasted.mock.calls.some(([contact, work]) => contact === "mallory" && work > 0);
  };
  const frame = async (header: Parameters<HostileMember["frame"]>[0]) =>
    (await member.frame(header, utf8("text"))).data;
  expect(await charged(await frame({ id: "honest", counter: 50 }))).toBe(false);
  expect(await charged(await frame({ id: "none", counter: 51, type: "nonsense" as never }))).toBe(true);
  expect(await charged({ ...(await frame({ id: "one", counter: 52 })), message_id: "another" })).toBe(true);
  expect(await charged(await frame({ id: "names", counter: 53, replaces: ["f".repeat(64)] }))).toBe(true);
});

test("[A-11] what a stranger's receipts say is applied at once, or not kept", async () => {
  const { clock, counted } = workClock();
  const { world, run, cache } = await talked(clock);
  await world.memory("bob").write((tx) => tx.delete("peer/mallory"));
  const ids = Array.from({ length: 500 }, (_, index) => `never-sent-${index}`);
  const body = utf8(JSON.stringify({ handled: ids, undecryptable: ids }));
  await run(async (turn) => {
    const [conversation] = await pairsWith(turn, "mallory");
    for (let count = 0; count < 10; count++) await applyReceipt(turn, conversation!, body);
  }, counted);
  expect(await world.memory("bob").read((tx) => tx.list({ prefix: "report/" }))).toEqual([]);
  expect(cache.reporting.size).toBe(0);
});

test("[A-2] while much of what a contact has reported waits, what else it sends stays at the relay, and is read then", async () => {
  const { world, member, run, cache } = await talked();
  const { data } = await member.frame({ id: "behind", counter: 50 }, utf8("text"));
  cache.reporting.set("mallory", 64);
  const batch = [{ delivery: { ...(data as unknown as Delivery), seq: 10_000_000 }, offline: false }];
  const left = await run(async (turn) => [await receive(turn, batch), turn.isCut]);
  expect(left).toEqual([0, true]);
  const read = await run(async (turn) => {
    await continueReports(turn);
    return receive(turn, batch);
  });
  expect(read).toBe(1);
  const inbox = await world.memory("bob").read((tx) => list(tx, "in/"));
  expect(inbox.map(({ id }) => id)).toContain("behind");
});

/** Alice, Bob and Carol, online in a team. */
async function team() {
  const world = await World.create({ noLimits: true });
  onTestFinished(() => world[Symbol.asyncDispose]());
  const members = await gathered(world, "alice", "bob", "carol");
  const [alice, bob] = [members.alice.agent, members.bob.agent];
  await (await alice.send("@team", "one")).handled();
  return { world, alice, bob, got: members.bob.got };
}

test("[A-3] what a member said while too much came in its name is asked for later, and was withheld by nobody", async () => {
  const { world, alice, bob, got } = await team();
  const spent = vi.spyOn(Waste.prototype, "isSpent").mockImplementation((contact) => contact === "bob");
  onTestFinished(() => spent.mockRestore());
  const unheard = await alice.send("@team", "two");
  await eventually("bob has it", () => got.some(({ body }) => body === "two"));
  await atRest(world, alice, bob);
  spent.mockRestore();
  await (await alice.send("@team", "three")).handled();
  await unheard.handled();
  expect(await alertKinds(alice)).toEqual([]);
});

test("[A-3] whoever is added to a team while too much has come in the name of its adder is in it soon", async () => {
  const { world, alice } = await team();
  const dave = await world.open("dave");
  follow(dave);
  await (await dave.send("alice", "hello")).handled();
  const spent = vi.spyOn(Waste.prototype, "isSpent").mockImplementation((contact) => contact === "alice");
  onTestFinished(() => spent.mockRestore());
  world.proxy.rule = ({ agent, toRelay, frame }) => {
    if (agent === "dave" && toRelay && frame.type === "rejoin") spent.mockRestore();
    return undefined;
  };
  await alice.groups.add("team", ["dave"]);
  await eventually("dave is in it", async () => (await dave.groups.list()).length === 1);
  await (await alice.send("@team", "welcome")).handled();
  expect((await dave.inbox()).map(({ body }) => body)).toEqual(["welcome"]);
});

test("[A-3] of frames in a team that are not read, since too much came in the name of their sender, nothing is kept where that is no member", async () => {
  const { world, alice } = await team();
  const [group] = await world.memory("alice").read((tx) => list(tx, "team/"));
  await alice.close();
  const { run } = await turns(world.memory("alice"));
  const members = () =>
    world.memory("alice").read(async (tx) => (await list(tx, "team-member/")).map(({ name }) => name));
  const before = await members();
  await run((turn) => {
    for (const from of ["nobody", "bob"]) turn.wasted(from, 1_000);
    return receive(
      turn,
      ["nobody", "bob"].map((from, index) => ({
        delivery: delivery({ from, kind: "direct", group_id: group!.group, epoch: 1, seq: 10_000_000 + index }),
        offline: false,
      })),
    );
  });
  expect(await members()).toEqual(before);
});
