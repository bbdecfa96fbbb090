/** Handlers that fail, and what the sender and the owner see. */
import { expect, test, vi } from "vitest";
import { claimNext, WaitWatch } from "../../src/agent/claims.ts";
import type { IncomingMessage } from "../../src/agent/message.ts";
import { get, pad, put } from "../../src/records/records.ts";
import type { ReadTransaction } from "../../src/store/store.ts";
import {
  atRest,
  bodies,
  eventually,
  follow,
  jump,
  never,
  numbered,
  rejection,
  SAME_CLOCK,
  temporaryFolder,
  World,
} from "./world.ts";

const quick = { firstRetryMs: 20, lastRetryMs: 50 };

test("a handler that fails is tried again with back-off; the sender waits and sees handled", async () => {
  await using world = await World.create();
  const [alice, bob] = [await world.open("alice"), await world.open("bob")];
  const attempts: number[] = [];
  const end = new AbortController();
  const work = bob.handle(
    ({ attempt }) => {
      attempts.push(attempt);
      if (attempt < 3) throw new Error("not yet");
    },
    { ...quick, signal: end.signal },
  );
  expect((await (await alice.send("bob", "task")).handled()).state).toBe("handled");
  expect(attempts).toEqual([1, 2, 3]);
  end.abort();
  await work;
});

test("after its last attempt a message is a dead letter; the sender hears the handler's reason, and final it stays", async () => {
  await using world = await World.create();
  const [alice, bob] = [await world.open("alice"), await world.open("bob")];
  let broken = true;
  const handled: string[] = [];
  const handler = ({ body }: { body: string }) => {
    if (broken && body === "task") throw new Error("the printer is on fire");
    handled.push(body);
  };
  void bob.handle(handler, { ...quick, attempts: 2 });
  const sent = await alice.send("bob", "task");
  expect(await rejection(sent.handled())).toMatchObject({ code: "failed", reason: "the printer is on fire" });
  // It does not hold up what comes behind it.
  expect((await (await alice.send("bob", "other")).handled()).state).toBe("handled");
  const [letter, ...others] = await bob.deadLetters.list();
  expect(letter).toMatchObject({ peerId: sent.id, from: "alice", body: "task", reason: "the printer is on fire" });
  expect(others).toEqual([]);

  broken = false;
  await bob.deadLetters.redeliver(letter?.id ?? "");
  await eventually("it is handled", () => handled.includes("task"));
  expect(await bob.deadLetters.list()).toEqual([]);
  await atRest(world, alice, bob);
  expect((await sent.status()).state).toBe("failed");
});

test("a process that dies in its handler counts as an attempt", { tags: ["long"] }, async () => {
  await using world = await World.create();
  const [alice, bob] = [await world.open("alice"), await world.open("bob")];
  await (await alice.send("bob", "poison")).stored();
  await bob.sync();
  const store = world.memory("bob");
  for (let life = 1; life <= 2; life++) {
    const claimed = await claimNext(
      store,
      { by: `life ${life}` },
      { is: () => true, ordered: false },
      new WaitWatch({ graceMs: 0 }),
    );
    if (!("row" in claimed)) throw new Error("nothing to claim");
    expect(claimed.row.attempts).toBe(life);
    // Nothing is said any more, and the claim runs out.
    const { seq } = claimed.row;
    await store.write((tx) => put(tx, "in/", pad(seq), { ...claimed.row, claim: { by: `life ${life}`, until: 1 } }));
  }
  void bob.handle(() => expect.unreachable(), { ...quick, attempts: 2 });
  const letter = await eventually("it is given up", async () => (await bob.deadLetters.list())[0]);
  expect(letter.reason).toContain("2 times");
  await bob.deadLetters.discard(letter.id);
  expect(await bob.deadLetters.list()).toEqual([]);
  expect(await rejection(bob.deadLetters.show(letter.id))).toMatchObject({ code: "unknown_message" });
});

test("a listener that takes a message and says nothing does not get it again and again without a pause", async () => {
  await using world = await World.create();
  const [alice, bob] = [await world.open("alice"), await world.open("bob")];
  const got = follow(bob, () => Promise.resolve(), { share: true });
  const sent = await alice.send("bob", "hello");
  await eventually("it is given out", () => got.length > 0);
  await never("it is given out again at once", () => got.length > 1);
  expect(got.map(({ attempt }) => attempt)).toEqual([1]);
  await eventually("it is given out again", () => got.length > 1);
  await got[1]!.handled();
  await sent.handled();
});

test("what expires before it is handled is no dead letter, and its sender knows", async () => {
  await using world = await World.create(SAME_CLOCK);
  const [alice, bob] = [await world.open("alice"), await world.open("bob")];
  const sent = await alice.send("bob", "soon stale", { expiresIn: 30_000 });
  await bob.sync();
  await sent.received();
  jump(31_000);
  follow(bob);
  await eventually("it has ended", async () => (await sent.status()).reason === "expired");
  expect(await bob.deadLetters.list()).toEqual([]);
});

test("the outbox shows what has not ended; what is given up ends, and what has failed can be sent anew", async () => {
  await using world = await World.create();
  const [alice, bob] = [await world.open("alice"), await world.open("bob")];
  const waits = await alice.send("bob", "for bob");
  const wrong = await alice.send("nobody-here", "for nobody");
  expect(await rejection(wrong.stored())).toMatchObject({ code: "refused", reason: "unknown_user" });
  await waits.stored();
  expect((await alice.outbox.list()).map(({ id }) => id)).toEqual([waits.id]);
  expect((await alice.outbox.list({ all: true })).map(({ state }) => state)).toEqual(["stored", "refused"]);

  await world.open("nobody-here");
  const again = await alice.outbox.retry(wrong.id);
  expect(again.id).not.toBe(wrong.id);
  await again.stored();
  expect(await alice.outbox.discard(again.id)).toMatchObject({ state: "failed", reason: "discarded" });
  // It had left: what its recipient says outweighs that.
  follow(await world.open("nobody-here"));
  await eventually("it was handled", async () => (await again.status()).state === "handled");
  follow(bob);
  await waits.handled();
  expect(await alice.outbox.list()).toEqual([]);
  expect(await rejection(alice.outbox.retry(waits.id))).toMatchObject({ code: "unknown_message" });
});

test("what never left is gone when it is given up", async () => {
  await using world = await World.create({ store: "sqlite", db: temporaryFolder() });
  const [alice, bob] = [await world.open("alice"), await world.open("bob")];
  await (await alice.send("bob", "hello")).stored();
  await world.stopRelay();
  const given = await alice.send("bob", "given up");
  const kept = await alice.send("bob", "kept");
  await alice.outbox.discard(given.id);
  await world.startRelay();
  follow(bob);
  await kept.handled();
  expect(await bodies(bob, 2)).toEqual(["hello", "kept"]);
  expect(await given.status()).toMatchObject({ state: "failed", reason: "discarded" });
});

test("every change of state can be followed, whichever process made it", async () => {
  await using world = await World.create();
  const [alice, bob] = [await world.open("alice"), await world.open("bob")];
  const other = await world.open("alice");
  const end = new AbortController();
  const seen: string[] = [];
  const all = (async () => {
    for await (const { id, state } of other.outbox.changes({ signal: end.signal })) seen.push(`${id} ${state}`);
  })();
  const sent = await alice.send("bob", "follow me", { messageId: "m1" });
  const one = (async () => {
    const states: string[] = [];
    for await (const { state } of other.outbox.changes({ id: sent.id })) states.push(state);
    return states;
  })();
  await sent.stored();
  await eventually("the other sees that it is stored", () => seen.includes("m1 stored"));
  follow(bob, (message) => message.failed("no"));
  expect((await one).at(-1)).toBe("failed");
  await eventually("the other sees it, too", () => seen.includes("m1 failed"));
  end.abort();
  await all;
});

test("a hundred messages to a sleeping agent are stored, and turn handled when it wakes", async () => {
  await using world = await World.create({ noLimits: true });
  const [alice, bob] = [await world.open("alice"), await world.open("bob")];
  const sent = await Promise.all(Array.from({ length: 100 }, (_, index) => alice.send("bob", `${index}`)));
  for (const one of sent) expect((await one.stored()).state).toBe("stored");
  follow(bob);
  for (const one of sent) expect((await one.handled()).state).toBe("handled");
});

test("what a follower handles while it takes the next shares its transactions, and it reads a batch at once", async () => {
  await using world = await World.create({ noLimits: true });
  const store = await world.sqlite(world.folder());
  const [alice, bob] = [await world.open("alice"), await world.openFrom("bob", store)];
  await bob.users();
  for (const text of numbered(200)) await alice.send("bob", text);
  await eventually("all of it has come", async () => (await bob.unhandled()) === 200);
  await atRest(world, bob);
  let commits = 0;
  store.onChange(() => (commits += 1));
  const read = vi.spyOn(store, "read");
  const endings: Promise<void>[] = [];
  for await (const message of bob.messages()) {
    endings.push(message.handled());
    if (endings.length === 200) break;
  }
  await Promise.all(endings);
  // Two hundred of each if every message stood alone.
  expect({ reads: read.mock.calls.length < 50, commits: commits < 50 }).toEqual({ reads: true, commits: true });
});

const first = (tx: ReadTransaction) => get(tx, "in/", pad(1));

test("a listener whose message another one has taken gives nothing back", async () => {
  await using world = await World.create();
  const [alice, bob] = [await world.open("alice"), await world.open("bob")];
  await alice.send("bob", "task");
  const listener = bob.messages({ share: true });
  const { value: message } = await listener.next();
  const store = world.memory("bob");
  const claim = { by: "another", until: Date.now() + 60_000 };
  await store.write(async (tx) => put(tx, "in/", pad(1), { ...(await first(tx))!, claim }));
  await (message as IncomingMessage).retry("ended by SIGKILL", 0);
  await listener.return();
  expect(await store.read(first)).toMatchObject({ state: "unhandled", claim });
});
