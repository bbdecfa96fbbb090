/** What the owner is told, and what nobody can keep from being told. */
import { expect, test } from "vitest";
import type { Alert } from "../../src/agent/agent.ts";
import { followAlerts, raiseAlert, sweepAlerts } from "../../src/trust/alerts.ts";
import { meet } from "../../src/trust/contacts.ts";
import { setStanding } from "../../src/trust/standing.ts";
import { list } from "../../src/records/records.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import type { Frame } from "./proxy.ts";
import { turns } from "./turns.ts";
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

/** Has an agent meet others, each with keys of its own, who have written to it. */
async function meetAll(run: Awaited<ReturnType<typeof turns>>["run"], names: string[]): Promise<void> {
  await run(async (turn) => {
    for (const username of names) {
      const key = new Uint8Array(32).fill(1);
      const certificate = { username, identityKey: key, deviceId: "d", deviceKey: key, counter: 1, issuedAt: 1 };
      await meet(turn, certificate, "welcome");
    }
  });
}

test("[A-3] a look-alike of whom the owner knows is named, however many others read like strangers, or like the agent itself", async () => {
  await using world = await World.create({ noLimits: true });
  const [alice, bob] = [await world.open("alice"), await world.open("bob")];
  await bob.send("alice", "hello");
  await (await alice.send("bob", "hello")).received();
  await bob.close();
  const { run } = await turns(world.memory("bob"));
  await meetAll(run, Array.from({ length: 120 }, (_, count) => [`a${count}x1`, `a${count}xl`]).flat());
  await meetAll(
    run,
    Array.from({ length: 60 }, (_, count) => `b${"-".repeat(count + 1)}ob`),
  );
  await meetAll(run, ["a1ice", "al-ice"]);
  await meetAll(
    run,
    Array.from({ length: 30 }, (_, count) => `b${"-".repeat(count + 1)}o_b`),
  );
  const alerts = await world.memory("bob").read((tx) => list(tx, "alert/"));
  expect(alerts.length).toBeLessThan(110);
  const ofAlice = alerts.filter(({ text }) => text.includes("a1ice"));
  expect(ofAlice).toMatchObject([{ kind: "lookalike", contact: "al-ice", count: 2, known: true }]);
  expect(ofAlice[0]?.text).toContain("al-ice looks like your contact alice");
  const ofBob = alerts.filter(({ text }) => text.includes("your own name"));
  expect(ofBob).toMatchObject([{ count: 90, known: true }]);
  expect(ofBob[0]?.names?.length).toBeLessThan(12);
});

test("[A-3] whom the owner knows has alerts of its own, however many names came before, and of those some are named", async () => {
  const store = new MemoryStore();
  const raise = (contact: string) =>
    store.write((tx) => raiseAlert(tx, 1, { kind: "device_added", contact, text: `${contact} has a new device` }));
  for (let count = 0; count < 130; count++) await raise(`name-${count}`);
  await store.write((tx) => setStanding(tx, "alice", "allow"));
  await raise("alice");
  const alerts = await store.read((tx) => list(tx, "alert/"));
  expect(alerts.at(-1)).toMatchObject({ contact: "alice", count: 1, known: true });
  const shared = alerts.find(({ contact }) => contact === undefined);
  expect(shared?.count).toBe(30);
  for (const name of ["name-100", "name-104", "name-126", "name-129"]) expect(shared?.text).toContain(name);
});

test("those who follow alerts hear of the first that read like somebody, each, and then once a day", async () => {
  const store = new MemoryStore();
  const heard: Alert[] = [];
  const stop = followAlerts(store, (alert) => heard.push(alert));
  for (let count = 0; count < 20; count++)
    await store.write((tx) =>
      raiseAlert(tx, count, {
        kind: "lookalike",
        contact: `al${"-".repeat(count)}1ce`,
        text: `text ${count}`,
        about: { name: "allce", known: true },
      }),
    );
  await eventually("they heard", () => heard.length >= 5);
  expect(heard.length).toBe(5);
  stop();
});
