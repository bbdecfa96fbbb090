/** Clocks that are set back: nothing waits until they are where they were. */
import { expect, onTestFinished, test, vi } from "vitest";
import type { IncomingMessage } from "../../src/agent/message.ts";
import { claimNext, WaitWatch } from "../../src/agent/claims.ts";
import { get, pad, put } from "../../src/records/records.ts";
import { moveOn } from "../../../../test/clocks.ts";
import { caughtUp, eventually, follow, never, refuseNext, World } from "./world.ts";

const HOUR_MS = 3_600_000;

/** From now on the clock of all agents is wrong by what `offset` says. */
function wrongClock(): { offset: number } {
  const clock = { offset: 0 };
  const now = Date.now;
  const spy = vi.spyOn(Date, "now").mockImplementation(() => now() + clock.offset);
  onTestFinished(() => spy.mockRestore());
  return clock;
}

test(
  "a message whose listener died before the clock was set back is handled by another one",
  { tags: ["long"] },
  async () => {
    await using world = await World.create();
    const [alice, bob] = [await world.open("alice"), await world.open("bob")];
    await bob.sync();
    const sent = await alice.send("bob", "hello");
    await sent.received();
    await world.memory("bob").write(async (tx) => {
      const row = await get(tx, "in/", pad(1));
      if (row !== undefined)
        await put(tx, "in/", pad(1), { ...row, claim: { by: "dead", until: Date.now() + HOUR_MS } });
    });
    const got = follow(bob, (message) => message.handled(), { share: true });
    await never("it is given to this one", () => got.length > 0);
    moveOn(31_000);
    await sent.handled();
  },
);

test("a message that somebody works on is given to nobody else when the clock is set forth", async () => {
  const clock = wrongClock();
  await using world = await World.create();
  const [alice, bob] = [await world.open("alice"), await world.open("bob")];
  await bob.sync();
  const sent = await alice.send("bob", "takes its time");
  await sent.received();
  const done = Promise.withResolvers<void>();
  const work = (message: IncomingMessage) => done.promise.then(() => message.handled());
  const got = [follow(bob, work, { share: true }), follow(bob, work, { share: true })];
  await eventually("one has it", () => got.flat().length > 0);
  clock.offset = HOUR_MS;
  // Wakes the one that has none. Long enough for it to take the first, if that were free.
  await (await alice.send("bob", "something else")).received();
  await eventually("the other one has the second", () => got.flat().length > 1);
  expect(
    got
      .flat()
      .map(({ body }) => body)
      .toSorted(),
  ).toEqual(["something else", "takes its time"]);
  done.resolve();
});

test("a message that somebody works on whose clock is an hour behind is given to nobody else", async () => {
  await using world = await World.create();
  const [alice, bob] = [await world.open("alice"), await world.open("bob")];
  const watch = new WaitWatch();
  await bob.sync();
  await (await alice.send("bob", "takes its time")).received();
  const store = world.memory("bob");
  await store.write(async (tx) => {
    const row = await get(tx, "in/", pad(1));
    const claim = { by: "another process", until: Date.now() - HOUR_MS };
    if (row !== undefined) await put(tx, "in/", pad(1), { ...row, claim });
  });
  const next = await claimNext(store, { by: "this process" }, { is: () => true, ordered: false }, watch);
  expect("until" in next && next.until - Date.now()).toBeGreaterThan(5_000);
});

test("a message whose handler has failed is tried again although the clock was set back", async () => {
  const clock = wrongClock();
  await using world = await World.create();
  const [alice, bob] = [await world.open("alice"), await world.open("bob")];
  let attempts = 0;
  void bob.handle(
    () => {
      attempts += 1;
      if (attempts === 1) throw new Error("not yet");
    },
    { firstRetryMs: 500 },
  );
  const sent = await alice.send("bob", "hello");
  await eventually("it has failed once", () => attempts > 0);
  clock.offset = -HOUR_MS;
  await sent.handled();
});

test("an opening whose turn was to come is made at once when the clock was set back", async () => {
  await using world = await World.create();
  const [alice, bob] = [await world.open("alice"), await world.open("bob")];
  follow(bob);
  await alice.verify("bob");
  await world.memory("alice").write(async (tx) => {
    const contact = await get(tx, "contact/", "bob");
    if (contact !== undefined)
      await put(tx, "contact/", "bob", { ...contact, reopenings: 1, reopen_at: Date.now() + HOUR_MS });
  });
  await (await alice.send("bob", "hello")).handled();
});

test("a pause for want of room ends although the clock was set back", async () => {
  const clock = wrongClock();
  await using world = await World.create();
  const [alice, bob] = [await world.open("alice"), await world.open("bob")];
  follow(bob);
  await (await alice.send("bob", "hello")).handled();
  const refused = refuseNext(world, "alice", 500);
  await alice.send("bob", "refused");
  await eventually("it is refused", refused);
  await caughtUp(alice);
  clock.offset = -HOUR_MS;
  await (await alice.send("bob", "later")).handled();
});

test("a connection that has died is noticed although the clock was set back", { tags: ["long"] }, async () => {
  const clock = wrongClock();
  await using world = await World.create();
  const [alice, bob] = [await world.open("alice"), await world.open("bob")];
  follow(bob);
  await (await alice.send("bob", "hello")).handled();
  world.proxy.freeze("alice");
  const sent = await alice.send("bob", "into the void");
  const wire = () => world.memory("alice").read((tx) => tx.list({ prefix: "wire/" }));
  await eventually("it has left", async () => (await wire()).length > 0);
  clock.offset = -HOUR_MS;
  await sent.handled({ timeout: 50_000 });
});
