import { describe, expect, test } from "vitest";
import { openAgent } from "../../src/agent/open.ts";
import type { CryptoProvider } from "../../src/crypto/primitives.ts";
import { nodeCryptoProvider } from "../../src/node/provider.ts";
import { MemoryFolder, MemoryStore } from "../../src/store/memory.ts";
import type { WriteTransaction } from "../../src/store/store.ts";
import { atRest, bodies, eventually, follow, never, numbered, rejection, replaceNoStock, World } from "./world.ts";

/** How often an agent's store has been written since. */
function writes(folder: MemoryFolder | undefined): () => number {
  let count = 0;
  folder?.listeners.add(() => (count += 1));
  return () => count;
}

/** Resolves once a count has stood still for a while: what is overwritten is removed in the first pause. */
function still(count: () => number): Promise<true> {
  let [last, since] = [-1, 0];
  return eventually("it has come to rest", () => {
    if (count() !== last) [last, since] = [count(), performance.now()];
    return performance.now() - since > 300;
  });
}

/** Counts the transactions that might write. */
class CountingStore extends MemoryStore {
  turns = 0;

  override write<T>(work: (tx: WriteTransaction) => Promise<T>): Promise<T> {
    this.turns += 1;
    return super.write(work);
  }
}

describe("an agent that has nothing to do", () => {
  test("does nothing", async () => {
    await using world = await World.create();
    const [alice, bob] = [await world.open("alice"), await world.open("bob")];
    await replaceNoStock(world, "bob");
    follow(alice);
    follow(bob);
    await (await alice.send("bob", "hello")).handled();
    await still(() => world.proxy.recorded.length);
    const since = world.proxy.recorded.length;
    const written = ["alice", "bob"].map((name) => writes(world.folders.get(name)));
    await never("a store is written", () => written.some((count) => count() > 0), 500);
    expect(world.proxy.recorded.length).toBe(since);
  });

  test("does nothing either while a receipt waits for a contact that is stopped", async () => {
    await using world = await World.create();
    const folder = new MemoryFolder();
    world.folders.set("alice", folder);
    const store = new CountingStore(folder);
    const [alice, bob] = [await world.open("alice", store), await world.open("bob")];
    await replaceNoStock(world, "alice");
    const messages = alice.messages();
    await (await bob.send("alice", "hello")).stored();
    const first = (await messages.next()).value;
    await atRest(world, alice, bob);
    await bob.unregister({ release: true });
    const other = await world.open("bob", new MemoryStore());
    await (await other.send("alice", "I am bob, honestly")).stored();
    await eventually("alice has stopped", async () => (await alice.contacts())[0]?.stopped !== undefined);
    await first?.handled();
    await still(() => store.turns);
    const [before, written] = [store.turns, writes(world.folders.get("alice"))];
    await never("a turn is made", () => store.turns > before || written() > 0, 500);
  });
});

describe("message ids of one's own", () => {
  test("may look like those that the protocol makes", async () => {
    await using world = await World.create();
    const [alice, bob] = [await world.open("alice"), await world.open("bob")];
    follow(alice);
    follow(bob, async (message) => {
      await message.reply("re", { messageId: `re-${message.id}` });
      await message.handled();
    });
    let once = true;
    world.proxy.rule = ({ agent, toRelay, frame }) => {
      if (agent !== "bob" || toRelay || frame.data?.message_id !== "job" || !once) return undefined;
      once = false;
      return [{ ...frame, data: { ...frame.data, message: "AAAA" } }];
    };
    const sent = [];
    for (const messageId of ["job-1", "job-2", "job", "r1", "r2", "r3", "x-1-1", "x-1", "x"])
      sent.push(await alice.send("bob", messageId, { messageId }));
    await Promise.all(sent.map((one) => one.handled()));
    expect((await bodies(bob, 9)).toSorted()).toEqual(sent.map(({ id }) => id).toSorted());
    await bodies(alice, 9);
  });

  test("are used once", async () => {
    await using world = await World.create();
    const [alice, bob] = [await world.open("alice"), await world.open("bob")];
    follow(bob);
    await (await alice.send("bob", "hello", { messageId: "mine" })).handled();
    expect((await rejection(alice.send("bob", "hello", { messageId: "mine" }))).code).toBe("usage");
    expect((await rejection(alice.send("bob", "hello", { messageId: "mine--1" }))).code).toBe("usage");
    expect((await rejection(alice.send("alice", "to myself"))).code).toBe("usage");
    expect((await rejection(alice.send("no such name", "x"))).code).toBe("bad_username");
  });
});

test("one agent writes to many, among them unknown ones; each gets its own", async () => {
  await using world = await World.create({ noLimits: true });
  const alice = await world.open("alice");
  const names = numbered(6, "agent").map((name) => name.replace(" ", "-"));
  const agents = await Promise.all(names.map((name) => world.open(name)));
  for (const agent of agents) follow(agent);
  const sent = [];
  for (const text of numbered(5)) {
    for (const name of names) sent.push(await alice.send(name.toUpperCase(), `${name} ${text}`));
    const lost = await alice.send("nobody", text);
    expect((await rejection(lost.stored())).reason).toBe("unknown_user");
  }
  await Promise.all(sent.map((one) => one.handled()));
  for (const agent of agents)
    expect(await bodies(agent, 5)).toEqual(numbered(5).map((text) => `${agent.username} ${text}`));
});

test("replies name the message and its thread", async () => {
  await using world = await World.create();
  const [alice, bob] = [await world.open("alice"), await world.open("bob")];
  const got = follow(alice);
  follow(bob, async (message) => {
    await message.reply("pong", { contentType: "application/x-pong" });
    await message.handled();
  });
  const sent = await alice.send("bob", "ping", { thread: "table tennis" });
  await eventually("the reply comes", () => got.length > 0);
  expect(got[0]).toMatchObject({
    body: "pong",
    replyTo: sent.id,
    thread: "table tennis",
    contentType: "application/x-pong",
    from: "bob",
    to: "alice",
  });
});

test("cryptography that cannot be loaded ends the link, and is not taken for bad mail", async () => {
  await using world = await World.create();
  const alice = await world.open("alice");
  const store = world.memory("bob");
  await (await world.open("bob")).close();
  const sent = await alice.send("bob", "hello");
  await sent.stored();
  const provider: CryptoProvider = {
    getCiphersuiteImpl: async (suite) => ({
      ...(await nodeCryptoProvider.getCiphersuiteImpl(suite)),
      prepare: () => Promise.reject(new Error("too many open files")),
    }),
  };
  const without = await openAgent({ store, server: world.server, provider });
  expect(await rejection(without.users())).toMatchObject({ message: expect.stringContaining("too many open files") });
  await without.close();
  expect((await sent.status()).state).toBe("stored");
  const bob = await world.open("bob");
  follow(bob);
  expect(await bodies(bob, 1)).toEqual(["hello"]);
});
