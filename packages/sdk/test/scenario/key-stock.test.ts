/** Key packages at the relay: whose private parts open what comes, and by whose clock they are valid. */
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { get, list, put } from "../../src/records/records.ts";
import { type KeyRecord, type RenewalRecord } from "../../src/records/tables.ts";
import { readWith, steal } from "./attacker.ts";
import type { Frame } from "./proxy.ts";
import { alertKinds, bodies, caughtUp, eventually, follow, numbered, World } from "./world.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** Stocks that an agent has put in the place of those before. */
const renewals = (world: World, name: string): Frame[] =>
  world.proxy.sentBy(name, "publish_keys").filter(({ data }) => data["replace"] === true);

const keysOf = (world: World, name: string) => world.memory(name).read((tx) => list(tx, "key/"));

function setRenewal(world: World, name: string, record: RenewalRecord): Promise<void> {
  return world.memory(name).write((tx) => put(tx, "meta/renewal", "", record));
}

const renewal = (world: World) => world.memory("bob").read((tx) => get(tx, "meta/renewal"));

/** Bob, whose stock has been due for so long that it is replaced as soon as he is online. */
async function renewing(world: World) {
  await setRenewal(world, "bob", { due: Date.now() - 2 * HOUR_MS });
  const bob = await world.open("bob");
  follow(bob);
  await eventually("bob's stock is replaced", async () => (await renewal(world))?.due === undefined);
  return bob;
}

describe("a commit that heals", () => {
  test(
    "takes from a thief what the stolen private parts of key packages could open later",
    { tags: ["long"] },
    async () => {
      await using world = await World.create({ noLimits: true });
      const [alice, bob] = [await world.open("alice"), await world.open("bob")];
      follow(alice);
      follow(bob);
      await (await alice.send("bob", "hello")).handled();
      const loot = await steal(world.memory("bob"));
      expect(loot.packages.length).toBeGreaterThan(20);
      for (let sent = 0; sent < 100; sent += 50)
        await Promise.all(numbered(50).map(async (text) => (await alice.send("bob", text)).handled()));
      await eventually("bob's stock is replaced", () => renewals(world, "bob").length > 0);
      await eventually("he knows it", async () => (await renewal(world))?.due === undefined);
      const carol = await world.open("carol");
      await (await carol.send("bob", "for bob alone")).handled();
      const welcome = world.proxy.pushedTo("bob", "welcome").filter(({ data }) => data.from === "carol");
      expect(welcome.length).toBe(1);
      expect(await readWith(loot, welcome)).toEqual([]);
      expect((await bodies(bob, 102)).at(-1)).toBe("for bob alone");
      expect(await alertKinds(bob)).toEqual([]);
    },
  );

  test("spoils no opening that is under way by a key package from before", async () => {
    await using world = await World.create({ noLimits: true });
    await (await world.open("bob")).close();
    const carol = await world.open("carol");
    const held: Frame[] = [];
    world.proxy.rule = ({ agent, toRelay, frame }) =>
      agent === "carol" && toRelay && frame.type === "commit" && held.push(frame) ? [] : undefined;
    const sent = await carol.send("bob", "by a package from before");
    await eventually("carol has a package", () => held.length > 0);
    await (await renewing(world)).close();
    // It waits for Bob beyond the time for which the private part is kept.
    world.proxy.rule = undefined;
    world.proxy.toRelay("carol", held[0]!);
    await eventually("it is at the relay", () =>
      world.proxy.recorded.some(({ agent, frame }) => agent === "carol" && frame.data?.status === "committed"),
    );
    await world.memory("bob").write(async (tx) => {
      for (const key of (await list(tx, "key/")).filter(isOld))
        await put(tx, "key/", key.ref, { ...key, delete_at: Date.now() - 1 });
    });
    const bob = await world.open("bob");
    follow(bob);
    expect((await sent.handled()).state).toBe("handled");
    expect(await alertKinds(bob)).toEqual([]);
  });

  test("has the old private parts go a day later, and not before what has waited is processed", async () => {
    await using world = await World.create({ noLimits: true });
    await (await world.open("bob")).close();
    await (await renewing(world)).close();
    const keys = await keysOf(world, "bob");
    const [old, fresh] = [keys.filter(isOld), keys.filter((key) => !isOld(key))];
    expect([old.length > 9, fresh.length]).toEqual([true, 21]);
    for (const { delete_at, created_at } of old) expect(delete_at! - created_at).toBeGreaterThan(DAY_MS - 60_000);
    await world.memory("bob").write(async (tx) => {
      for (const key of old) await put(tx, "key/", key.ref, { ...key, delete_at: Date.now() - 1 });
    });
    await (await world.open("bob")).sync();
    await eventually("they are gone", async () => (await keysOf(world, "bob")).length === 21);
    expect((await keysOf(world, "bob")).map(({ ref }) => ref)).toEqual(fresh.map(({ ref }) => ref));
  });

  test("replaces the stock four times in two hours at most; what is due beyond that is not forgotten", async () => {
    await using world = await World.create();
    await (await world.open("bob")).close();
    const now = Date.now();
    const done = [1, 2, 3, 4].map((count) => now - 2 * HOUR_MS + count * 60_000);
    await setRenewal(world, "bob", { due: now - 3 * HOUR_MS, done });
    const bob = await world.open("bob");
    await caughtUp(bob);
    await bob.close();
    expect(renewals(world, "bob")).toEqual([]);
    expect((await renewal(world))?.due).toBe(now - 3 * HOUR_MS);
    await setRenewal(world, "bob", { due: now - 3 * HOUR_MS, done: done.map((at) => at - 60_000) });
    await (await world.open("bob")).users();
    await eventually("it is done", () => renewals(world, "bob").length === 1);
    await eventually("that is known", async () => (await renewal(world))?.due === undefined);
    expect((await renewal(world))?.done?.length).toBe(4);
  });
});

const isOld = ({ delete_at }: KeyRecord): boolean => delete_at !== undefined;

describe("a clock that is wrong by years", () => {
  test.each([800, -800])("at registration (%d days) makes no key package that others cannot use", async (days) => {
    await using world = await World.create();
    const clock = wrongClock(days * DAY_MS);
    await (await world.open("bob")).close();
    clock.mockRestore();
    const alice = await world.open("alice");
    await (await alice.send("bob", "are you there?")).stored();
    const bob = await world.open("bob");
    follow(bob);
    expect(await bodies(bob, 1)).toEqual(["are you there?"]);
    expect(await alertKinds(alice)).toEqual([]);
  });

  test("is told to the owner, and doctor says it", async () => {
    await using world = await World.create();
    const clock = wrongClock(800 * DAY_MS);
    const bob = await world.open("bob");
    await bob.users();
    expect(await alertKinds(bob)).toContain("clock");
    const { checks } = await bob.diagnose();
    expect(checks.find(({ name }) => name === "clock")).toMatchObject({
      ok: false,
      text: expect.stringContaining("800 d"),
    });
    expect(checks.find(({ name }) => name === "keys")).toMatchObject({ ok: true });
    clock.mockRestore();
  });
});

/** A relay that tells an agent another time, in everything that it says of it. */
function lieAboutTime(world: World, agent: string, by: number): void {
  world.proxy.rule = (passage) => {
    const { time } = passage.frame.data ?? {};
    if (passage.agent !== agent || passage.toRelay || typeof time !== "number") return undefined;
    return [{ ...passage.frame, data: { ...passage.frame.data, time: time + by } }];
  };
}

describe("key packages that are out of their lifetime by the relay's clock", () => {
  test(
    "are replaced at the next login, which the owner is told, and whoever wrote meanwhile is heard",
    { tags: ["long"] },
    async () => {
      await using world = await World.create();
      world.proxy.rule = ({ toRelay, frame }) =>
        !toRelay && frame.type === "info"
          ? [{ ...frame, data: { ...frame.data, time: (frame.data["time"] as number) - 800 * DAY_MS } }]
          : undefined;
      const first = await world.open("bob");
      world.proxy.rule = undefined;
      const alice = await world.open("alice");
      const sent = await alice.send("bob", "are you there?");
      await eventually("alice asks for one", () => world.proxy.sentBy("alice", "claim_keys").length > 0);
      follow(first);
      await eventually("they are replaced", () => renewals(world, "bob").length === 1);
      expect((await sent.handled()).state).toBe("handled");
      expect([await alertKinds(first), await alertKinds(alice)]).toEqual([["key_lifetime"], []]);
    },
  );

  test("are replaced four times in two hours at most, whatever a relay says of the time at each login", async () => {
    await using world = await World.create();
    await (await world.open("bob")).close();
    for (let count = 1; count <= 6; count++) {
      lieAboutTime(world, "bob", count * 400 * DAY_MS);
      const bob = await world.open("bob");
      await bob.users();
      const before = Math.min(count, 4);
      await eventually("they are replaced", () => renewals(world, "bob").length >= before);
      await bob.close();
    }
    expect(renewals(world, "bob").length).toBe(4);
    const bob = await world.open("bob");
    const { checks } = await bob.diagnose();
    expect(checks.find(({ name }) => name === "keys")).toMatchObject({
      ok: false,
      text: expect.stringContaining("nobody can use"),
    });
  });
});

function wrongClock(by: number) {
  const now = Date.now.bind(Date);
  const spy = vi.spyOn(Date, "now").mockImplementation(() => now() + by);
  onTestFinished(() => spy.mockRestore());
  return spy;
}

test("key packages that were used before a login are counted once: the relay's word at the login is without them", async () => {
  await using world = await World.create();
  await (await world.open("bob")).close();
  for (const name of ["alice", "carol"]) await (await (await world.open(name)).send("bob", "hello")).stored();
  const bob = await world.open("bob");
  const least = async () => Number(await world.memory("bob").read((tx) => tx.get("meta/least-stock")));
  await bob.sync();
  expect(await bob.inbox()).toHaveLength(2);
  const answers = world.proxy.recorded.filter(({ agent, frame }) => agent === "bob" && frame.type === "ack");
  const listening = answers.find(({ frame: { data } }) => "log_id" in data && Number(data["key_packages"]) > 0);
  const said = Number(listening?.frame.data["key_packages"]);
  expect(said).toBeGreaterThan(2);
  expect(await least()).toBe(said);
  follow(bob);
  await (await (await world.open("dave")).send("bob", "hello")).handled();
  expect(await least()).toBe(said - 1);
});

test("a stock that was made by a version that announces less is replaced once", async () => {
  await using world = await World.create({ noLimits: true });
  await (await world.open("bob")).close();
  await world.memory("bob").write(async (tx) => {
    for (const { caps: _caps, ...key } of await list(tx, "key/")) await put(tx, "key/", key.ref, key);
  });
  const [bob, alice] = [await world.open("bob"), await world.open("alice")];
  follow(bob);
  await eventually("it is replaced", () => renewals(world, "bob").length === 1, 10_000);
  await eventually("that is known", async () => (await renewal(world))?.due === undefined);
  expect((await keysOf(world, "bob")).filter((key) => !isOld(key) && key.published === true).length).toBe(21);
  await bob.close();
  const again = await world.open("bob");
  follow(again);
  await caughtUp(again);
  expect([(await renewal(world))?.due, renewals(world, "bob").length]).toEqual([undefined, 1]);
  expect((await (await alice.send("bob", "hello")).handled()).state).toBe("handled");
});
