/** What the owner is told, and what nobody can keep from being told. */
import { expect, test } from "vitest";
import type { Alert } from "../../src/client/agent.ts";
import { raiseAlert, sweepAlerts } from "../../src/client/alerts.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import type { Frame } from "./proxy.ts";
import { eventually, follow, numbered, World } from "./world.ts";

const DAY_MS = 86_400_000;

const junk = (from: string, count: number): Frame => ({
  type: "message",
  data: {
    from,
    kind: "welcome",
    message: "AAAA",
    group_id: String(count).padStart(64, "0"),
    message_id: `w${count}`,
    timestamp: 1,
  },
});

/** Bob, to whom somebody has written whose name looks like that of his contact Alice. */
async function warned() {
  const world = await World.create({ noLimits: true });
  const [alice, bob] = [await world.open("alice"), await world.open("bob")];
  follow(bob);
  await (await alice.send("bob", "hello")).handled();
  await (await (await world.open("a1ice")).send("bob", "hello, I am alice")).handled();
  const heard: Alert[] = [];
  bob.onAlert((alert) => heard.push(alert));
  const find = async (kind: string, contact?: string) =>
    (await bob.alerts()).find((alert) => alert.kind === kind && alert.contact === contact);
  return { world, alice, bob, heard, find };
}

test("[A-3] a flood of junk Welcomes of one sender is one alert, told once, that counts them, and takes the place of no other", async () => {
  const { world: opened, bob, heard, find } = await warned();
  await using world = opened;
  const before = await bob.alerts();
  expect(before.map(({ kind, contact }) => [kind, contact])).toContainEqual(["lookalike", "a1ice"]);
  for (let count = 0; count < 1_050; count++) world.proxy.push("bob", junk("eve", count));
  await eventually("all are counted", async () => (await find("welcome_without_key", "eve"))?.count === 1_050);
  expect((await bob.alerts()).slice(0, before.length)).toEqual(before);
  expect(heard.map(({ kind, contact }) => [kind, contact])).toEqual([["welcome_without_key", "eve"]]);
});

test("[A-3] a flood under many names has room for a hundred of them, is counted beyond, and takes the place of no other", async () => {
  const { world: opened, alice, bob, heard, find } = await warned();
  await using world = opened;
  const before = await bob.alerts();
  for (let count = 0; count < 300; count++) world.proxy.push("bob", junk(`eve-${count}`, count));
  await eventually("all are counted", async () => (await find("welcome_without_key"))?.count === 200);
  expect((await bob.alerts()).slice(0, before.length)).toEqual(before);
  expect(heard.length).toBe(101);
  // One more of another kind has its room.
  world.proxy.push("bob", junk("alice", 1));
  await eventually("alice's is counted, too", async () => (await find("welcome_without_key"))?.count === 201);
  expect(await find("lookalike", "a1ice")).toBeDefined();
  await (await alice.send("bob", "still there?")).handled();
});

test("an alert that comes again is told again after a day, and says since when and how often; after three months it is forgotten", async () => {
  const store = new MemoryStore();
  const raise = (now: number, contact?: string) =>
    store.write((tx) => raiseAlert(tx, now, { kind: "bad_welcome", contact, text: `at ${now}` }));
  const all = () =>
    store.read(async (tx) =>
      (await tx.list({ prefix: "alert/" })).map(([, text]) => JSON.parse(text as string) as Alert),
    );
  const keys = () => store.read(async (tx) => (await tx.list({ prefix: "alert/" })).map(([key]) => key));
  await raise(0, "eve");
  const [first] = await keys();
  await raise(DAY_MS - 1, "eve");
  expect(await keys()).toEqual([first]);
  await raise(DAY_MS, "eve");
  expect(await keys()).not.toEqual([first]);
  expect(await all()).toEqual([
    {
      kind: "bad_welcome",
      contact: "eve",
      count: 3,
      first_at: 0,
      at: DAY_MS,
      announced_at: DAY_MS,
      text: `at ${DAY_MS}`,
    },
  ]);
  await raise(2 * DAY_MS);
  await store.write((tx) => sweepAlerts(tx, 91 * DAY_MS));
  expect((await all()).map(({ contact }) => contact)).toEqual([undefined]);
  await raise(92 * DAY_MS, "eve");
  expect((await all()).map(({ count }) => count)).toEqual([1, 1]);
});

test("alerts of all kinds under all names take no more than a hundred and one each", async () => {
  const store = new MemoryStore();
  const kinds = ["identity_changed", "lookalike", "bad_welcome"];
  await store.write(async (tx) => {
    for (const contact of numbered(250, "name"))
      for (const kind of kinds) await raiseAlert(tx, Date.now(), { kind, contact, text: "text" });
  });
  const stored = await store.read(async (tx) => (await tx.list({ prefix: "alert/" })).length);
  expect(stored).toBe(kinds.length * 101);
});
