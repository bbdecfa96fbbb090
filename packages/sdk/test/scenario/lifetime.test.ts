/** How long a message is worth anything is its sender's word: no relay's clock makes it longer. */
import { expect, onTestFinished, test, vi } from "vitest";
import type { Agent } from "../../src/agent/agent.ts";
import { watchClock } from "../../src/records/clock.ts";
import { get, pad } from "../../src/records/records.ts";
import { alertKinds, eventually, follow, rejection, World } from "./world.ts";

const MINUTE_MS = 60_000;
const DAY_MS = 1_440 * MINUTE_MS;

/** Alice, and Bob to whom the relay says another time of day at login. */
async function misled(by: number): Promise<AsyncDisposable & { world: World; alice: Agent; bob: Agent }> {
  const world = await World.create();
  const alice = await world.open("alice");
  world.proxy.rule = ({ agent, toRelay, frame }) => {
    if (agent !== "bob" || toRelay || frame.type !== "challenge") return undefined;
    return [{ ...frame, data: { ...frame.data, time: (frame.data["time"] as number) + by } }];
  };
  const bob = await world.open("bob");
  await bob.sync();
  return { world, alice, bob, [Symbol.asyncDispose]: () => world[Symbol.asyncDispose]() };
}

/** Both clocks of this process, from now on; each can be moved. */
function clocks(): { day: number; both: number } {
  const moved = { day: 0, both: 0 };
  const [day, steady] = [Date.now.bind(Date), performance.now.bind(performance)];
  const spies = [
    vi.spyOn(Date, "now").mockImplementation(() => day() + moved.day + moved.both),
    vi.spyOn(performance, "now").mockImplementation(() => steady() + moved.both),
  ];
  onTestFinished(() => spies.forEach((spy) => spy.mockRestore()));
  return moved;
}

/** A message with ten seconds to live is in Bob's inbox, where nobody has handled it yet. */
async function inInbox(alice: Agent) {
  const sent = await alice.send("bob", "worthless in ten seconds", { expiresIn: 10_000 });
  await sent.received();
  return sent;
}

test("[R-17] what its sender's lifetime has ended is not handled although the relay's clock lies, and its text stays for the owner", async () => {
  await using story = await misled(-DAY_MS);
  const { alice, bob } = story;
  const sent = await inInbox(alice);
  clocks().both = 12_000;
  const got = follow(bob, (message) => message.handled(), { share: true });
  const followed = follow(bob);
  await eventually("it is over", async () => (await sent.status()).state !== "received");
  expect(await sent.status()).toMatchObject({ state: "expired", reason: "clock" });
  const error = await rejection(sent.handled());
  expect(error).toMatchObject({ code: "expired", reason: "clock" });
  expect(error.hint).toContain("clock");
  expect(await bob.inbox()).toMatchObject([{ state: "expired", reason: "clock", body: "worthless in ten seconds" }]);
  expect(await bob.deadLetters.list()).toEqual([]);
  await (await alice.send("bob", "next")).handled();
  expect([...got, ...followed].map(({ body }) => body)).not.toContain("worthless in ten seconds");
});

test("it is handled while it lives, whichever way the relay's clock lies", async () => {
  await using story = await misled(-DAY_MS);
  const { alice, bob } = story;
  const sent = await inInbox(alice);
  follow(bob);
  expect(await sent.handled()).toMatchObject({ state: "handled" });
});

test("it is not judged after our own clock was set", async () => {
  await using story = await misled(-DAY_MS);
  const { alice, bob } = story;
  const sent = await inInbox(alice);
  clocks().day = 90 * MINUTE_MS;
  follow(bob);
  expect(await sent.handled()).toMatchObject({ state: "handled" });
});

test("where the relay's clock is honest, its word is what ends a message, as ever", async () => {
  await using world = await World.create();
  const [alice, bob] = [await world.open("alice"), await world.open("bob")];
  await bob.sync();
  const sent = await inInbox(alice);
  const row = await world.memory("bob").read((tx) => get(tx, "in/", pad(1)));
  expect(row).not.toHaveProperty("late_at");
  clocks().both = 12_000;
  follow(bob);
  await eventually("it is over", async () => (await sent.status()).state !== "received");
  expect(await sent.status()).toMatchObject({ reason: "expired" });
});

test("[R-17] a relay whose clock is more than five minutes off is an alert, once, and a line of the diagnosis", async () => {
  await using story = await misled(6 * MINUTE_MS);
  const { world, bob } = story;
  world.proxy.cut("bob");
  await eventually("it is connected again", async () => world.proxy.sentBy("bob", "authenticate").length >= 4);
  await bob.sync();
  expect(await alertKinds(bob)).toEqual(["clock"]);
  expect((await bob.alerts())[0]?.text).toContain("6 min ahead of this machine's");
  const clock = (await bob.diagnose()).checks.find(({ name }) => name === "clock");
  expect(clock).toMatchObject({ ok: false, text: expect.stringContaining("6 min") as string });
});

test("a relay whose clock is four minutes off is neither", async () => {
  await using story = await misled(-4 * MINUTE_MS);
  const { bob } = story;
  expect(await alertKinds(bob)).toEqual([]);
  expect((await bob.diagnose()).checks.find(({ name }) => name === "clock")?.ok).toBe(true);
});

test("a clock that was set is not believed for an hour, forth or back", () => {
  const moved = clocks();
  for (const by of [-DAY_MS, 2 * MINUTE_MS]) {
    const hasJumped = watchClock();
    expect(hasJumped()).toBe(false);
    moved.day += by;
    expect(hasJumped()).toBe(true);
    moved.both += 59 * MINUTE_MS;
    expect(hasJumped()).toBe(true);
    moved.both += 2 * MINUTE_MS;
    expect(hasJumped()).toBe(false);
  }
});

test("[P-5.7] what expires while its recipient is away has expired for its sender soon, too", async () => {
  await using world = await World.create();
  const alice = await world.open("alice");
  const bob = await world.open("bob");
  await bob.users();
  await (await alice.send("bob", "hello")).received();
  await bob.close();
  const [soon, later] = [await alice.send("bob", "now", { expiresIn: 1_000 }), await alice.send("bob", "in a while")];
  await later.stored();
  // Long before the relay looks for what is old.
  expect(await rejection(soon.handled({ timeout: 15_000 }))).toMatchObject({ code: "expired" });
  expect(await alice.status(later.id)).toMatchObject({ state: "stored" });
});
