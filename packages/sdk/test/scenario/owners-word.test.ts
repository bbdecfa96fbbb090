/** The owner's word on senders, given while a listener has read ahead, or has a message in hand. */
import { expect, onTestFinished, test, vi } from "vitest";
import type { IncomingMessage } from "../../src/agent/message.ts";
import { setStanding } from "../../src/trust/standing.ts";
import { endAllUnwanted } from "../../src/agent/unwanted.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import { eventually, follow, numbered, rejection, SAME_CLOCK, World } from "./world.ts";

/** Carol has sent Bob, who is open to everybody, some messages that nobody has handled. */
async function unhandled(count: number) {
  const world = await World.create({ ...SAME_CLOCK, noLimits: true });
  const [bob, carol] = [await world.open("bob"), await world.open("carol")];
  await bob.users();
  const sent = [];
  for (const text of numbered(count)) sent.push(await carol.send("bob", text));
  for (const one of sent) await one.received();
  return { world, bob, carol, sent };
}

async function next(messages: AsyncGenerator<IncomingMessage>): Promise<IncomingMessage> {
  const { value, done } = await messages.next();
  if (done === true) throw new Error("no message");
  return value;
}

test("how far a sender is trusted is told as it is when its message is handed out, however far ahead that was read", async () => {
  const { world: opened, bob, carol } = await unhandled(3);
  await using _ = opened;
  await bob.verify("carol", carol.fingerprint);
  await bob.setTier("carol", "trusted");
  const messages = bob.messages();
  expect((await next(messages)).trust).toBe("trusted");
  await bob.setTier("carol", "known");
  expect((await next(messages)).trust).toBe("known");
  await messages.return();
});

test("a message in hand that came to wait for consent is handled once, with its reply, when its handler is done", async () => {
  const { world: opened, bob, carol, sent } = await unhandled(1);
  await using world = opened;
  const got = follow(carol);
  const messages = bob.messages();
  const message = await next(messages);
  await bob.requests.setPolicy("contacts");
  expect(await bob.requests.list()).toMatchObject([{ messages: 1 }]);
  await message.handled({ body: "done" });
  await eventually("the reply", () => got.length > 0);
  expect((await sent[0]?.handled())?.state).toBe("handled");
  expect(await bob.requests.list()).toEqual([]);
  expect(await world.memory("bob").read((tx) => tx.list({ prefix: "held" }))).toEqual([]);
  await messages.return();
});

test("a reply to one of whom more waits for consent is refused, and its message is neither lost nor handled", async () => {
  const { world: opened, bob } = await unhandled(2);
  await using _ = opened;
  const messages = bob.messages();
  const message = await next(messages);
  await bob.requests.setPolicy("contacts");
  expect(await rejection(message.handled({ body: "done" }))).toMatchObject({ code: "refused" });
  expect(await bob.requests.list()).toMatchObject([{ messages: 2 }]);
  await message.failed("no consent");
  expect(await bob.requests.list()).toMatchObject([{ messages: 1 }]);
  expect(await bob.deadLetters.list()).toMatchObject([{ id: message.id, reason: "no consent" }]);
  await messages.return();
});

test("a message in hand that was let in again meanwhile is handled where it is now", async () => {
  const { world: opened, bob, sent } = await unhandled(1);
  await using _ = opened;
  const messages = bob.messages();
  const message = await next(messages);
  await bob.requests.setPolicy("contacts");
  await bob.requests.accept("carol");
  await message.handled();
  expect((await sent[0]?.handled())?.state).toBe("handled");
  expect(await bob.unhandled()).toBe(0);
  await messages.return();
});

test("what is wanted again before it was taken from a listener is handed out", async () => {
  const { world: opened, bob, carol } = await unhandled(1);
  await using world = opened;
  const store = world.memory("bob");
  await store.write((tx) => tx.put("meta/policy", "contacts"));
  const got = follow(bob);
  // Between the listener's look and its write.
  await store.write((tx) => setStanding(tx, "carol", "allow"));
  await (await carol.send("bob", "second")).received();
  await eventually("both", () => got.length === 2);
  expect(got.map(({ body }) => body)).toEqual([numbered(1)[0], "second"]);
});

test("what another listener had in hand while nobody was to have it comes to one that follows when anybody may write", async () => {
  const { world: opened, bob } = await unhandled(1);
  await using _ = opened;
  const sharing = bob.messages({ share: true });
  await next(sharing);
  await bob.requests.setPolicy("contacts");
  const got = follow(bob);
  await bob.users();
  expect(got).toEqual([]);
  await bob.requests.setPolicy("open");
  await eventually("the message", () => got.length === 1);
  await sharing.return();
});

test("whoever is let in while what it has sent is being taken out of the inbox keeps its order", async () => {
  const { world: opened, bob } = await unhandled(8);
  await using world = opened;
  const store = world.memory("bob");
  await store.write((tx) => tx.put("meta/policy", "contacts"));
  await Promise.all([endAllUnwanted(store), store.write((tx) => setStanding(tx, "carol", "allow"))]);
  const got = follow(bob, (message) => message.handled(), { share: true });
  await eventually("all of them", () => got.length === 8);
  expect(got.map(({ body }) => body)).toEqual(numbered(8));
});

test("a block is heeded with the next message, before anything has told the listener of a change", async () => {
  const { world: opened, bob, sent } = await unhandled(3);
  await using world = opened;
  const messages = bob.messages();
  const silence = vi.spyOn(MemoryStore.prototype, "onChange").mockImplementation(() => () => undefined);
  onTestFinished(() => silence.mockRestore());
  const first = await next(messages);
  await world.memory("bob").write((tx) => setStanding(tx, "carol", "block"));
  const given: string[] = [];
  void messages.next().then(({ done }) => given.push(done === true ? "the end" : "a message"));
  await eventually("the rest has ended", async () => (await bob.unhandled()) === 1);
  silence.mockRestore();
  await first.handled();
  for (const one of sent.slice(1))
    expect(await rejection(one.handled())).toMatchObject({ code: "refused", reason: "blocked" });
  expect(given).toEqual([]);
});
