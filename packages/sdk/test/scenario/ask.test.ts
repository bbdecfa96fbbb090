/** Questions and their replies. */
import { expect, test } from "vitest";
import { get, pad } from "../../src/records/records.ts";
import { eventually, follow, jump, rejection, World } from "./world.ts";

/** Alice, and Bob, who answers each question by saying it in capitals. */
async function pair() {
  const world = await World.create();
  const [alice, bob] = [await world.open("alice"), await world.open("bob")];
  const got = follow(bob, async (message) => message.handled({ body: message.body.toUpperCase() }));
  return { world, alice, bob, got, [Symbol.asyncDispose]: () => world[Symbol.asyncDispose]() };
}

test("a question is answered, and no listener sees the reply but its asker", async () => {
  await using talk = await pair();
  const { alice, got } = talk;
  const heard = follow(alice);
  const reply = await alice.ask("bob", "what is up?", { thread: "t1", headers: { trace: "7" } });
  expect(reply).toMatchObject({ body: "WHAT IS UP?", from: "bob", thread: "t1", late: false, expectsReply: false });
  expect(got[0]).toMatchObject({ body: "what is up?", expectsReply: true, headers: { trace: "7" } });
  const plain = await talk.bob.send("alice", "something else");
  await plain.handled();
  expect(heard.map(({ body }) => body)).toEqual(["something else"]);
  expect(await alice.questions()).toMatchObject([{ state: "taken", to: "bob" }]);
  // Its answerer hears that it was handled.
  const sent = (await talk.bob.outbox.list({ all: true })).find(({ id }) => id === reply.peerId);
  expect(sent?.state).toBe("handled");
});

test("questions at once get each its own reply", async () => {
  await using talk = await pair();
  const texts = Array.from({ length: 10 }, (_, index) => `question ${index}`);
  const replies = await Promise.all(texts.map((text) => talk.alice.ask("bob", text)));
  expect(replies.map(({ body }) => body)).toEqual(texts.map((text) => text.toUpperCase()));
});

test("a reply that comes while nobody waits is there for whoever asks again, in any process, and more than once", async () => {
  await using world = await World.create();
  const bob = await world.open("bob");
  const first = await world.open("alice");
  const { id } = await first.question("bob", "hello?", { timeout: 60_000 });
  await first.close();
  follow(bob, (message) => message.handled({ body: "here" }));
  const other = await world.open("alice");
  await other.sync();
  await eventually("the reply has come", async () => (await other.questions())[0]?.state === "answered");
  const asked = await other.asked(id.slice(0, 8));
  expect((await asked.reply()).body).toBe("here");
  expect((await (await world.open("alice")).asked(id).then((again) => again.reply())).body).toBe("here");
  expect((await other.inbox()).map(({ state }) => state)).toEqual(["handled"]);
});

test(
  "past its deadline a question is expired on both sides, and what comes then is a message like others, and late",
  { tags: ["long"] },
  async () => {
    await using world = await World.create();
    const [alice, bob] = [await world.open("alice"), await world.open("bob")];
    await (await alice.send("bob", "hello")).stored();
    const seen: string[] = [];
    const late = follow(alice);
    follow(bob, async (message) => {
      seen.push(message.body);
      if (message.expectsReply) await eventually("the time is over", async () => Date.now() > (message.expiresAt ?? 0));
      await message.handled({ body: "too late" });
    });
    const error = await rejection(alice.ask("bob", "quick!", { timeout: 5_000 }));
    expect(error).toMatchObject({ code: "expired" });
    expect(await alice.questions()).toMatchObject([{ state: "expired" }]);
    await eventually("the reply comes", () => late.some(({ late: is }) => is));
    expect(late.filter(({ late: is }) => is).map(({ body }) => body)).toEqual(["too late"]);
  },
);

test("a question that nobody fetches expires, and says so", async () => {
  await using world = await World.create();
  const [alice, bob] = [await world.open("alice"), await world.open("bob")];
  await bob.close();
  expect(await rejection(alice.ask("bob", "hello?", { timeout: 700 }))).toMatchObject({ code: "expired" });
  const again = await world.open("bob");
  const got = follow(again);
  await again.sync();
  expect(got).toEqual([]);
  const [question] = await alice.questions();
  expect((await alice.status(question?.id ?? ""))?.state).toBe("expired");
});

test("a question that fails or is refused ends with that reason", async () => {
  await using world = await World.create();
  const [alice, bob] = [await world.open("alice"), await world.open("bob")];
  follow(bob, (message) => message.failed("no idea"));
  expect(await rejection(alice.ask("bob", "hello?"))).toMatchObject({ code: "failed", reason: "no idea" });
  expect(await rejection(alice.ask("nobody", "hello?"))).toMatchObject({ code: "refused", reason: "unknown_user" });
  expect((await alice.questions()).map(({ state }) => state)).toEqual(["failed", "refused"]);
});

test("nobody but whom was asked can answer, and the first answer counts", async () => {
  await using world = await World.create();
  const [alice, bob, carol] = [await world.open("alice"), await world.open("bob"), await world.open("carol")];
  const plain = follow(alice);
  const asked = await alice.question("bob", "who are you?");
  const replyTo = asked.id;
  await (await carol.send("alice", "bob", { replyTo })).handled();
  await (await bob.send("alice", "I am bob", { replyTo })).received();
  await (await bob.send("alice", "really", { replyTo })).handled();
  expect((await asked.reply()).body).toBe("I am bob");
  expect(plain.map(({ body }) => body).toSorted()).toEqual(["bob", "really"]);
});

test("an answer goes out with the word that its question is handled, once, however often that is said", async () => {
  await using world = await World.create();
  const [alice, bob] = [await world.open("alice"), await world.open("bob")];
  const asked = await alice.question("bob", "hello?");
  await (await alice.sent(asked.id))?.stored();
  await bob.sync();
  const [entry] = await bob.inbox();
  const message = await bob.message(entry?.id ?? "");
  await Promise.all([message.handled({ body: "one" }), message.handled({ body: "two" })]);
  await message.handled({ body: "three" });
  expect(await bob.outbox.list({ all: true })).toHaveLength(1);
  // What cannot be sent is not handled either.
  const second = await alice.question("bob", "and now?");
  await (await alice.sent(second.id))?.received();
  const other = await bob.message((await bob.inbox()).at(-1)?.id ?? "");
  await rejection(other.handled({ body: "x".repeat(2_000_000) }));
  expect((await bob.inbox()).at(-1)).toMatchObject({ peerId: second.id, state: "unhandled" });
});

test("two senders may choose the same id: each message has one of its own here", async () => {
  await using world = await World.create();
  const [alice, bob, carol] = [await world.open("alice"), await world.open("bob"), await world.open("carol")];
  for (const sender of [alice, carol])
    await (await sender.send("bob", sender.username, { messageId: "job-1" })).stored();
  await bob.sync();
  const [one, two] = await bob.inbox();
  expect([one?.peerId, two?.peerId]).toEqual(["job-1", "job-1"]);
  expect(one?.id).not.toBe(two?.id);
  expect((await bob.message(two?.id ?? "")).body).toBe(two?.body);
});

test("a reply that its asker never takes is a message like others once the question's time is over", async () => {
  await using world = await World.create();
  const [alice, bob] = [await world.open("alice"), await world.open("bob")];
  follow(bob, (message) => message.handled({ body: "an answer" }));
  const asked = await alice.question("bob", "hello?", { timeout: 60_000 });
  await eventually("it is answered", async () => (await alice.questions())[0]?.state === "answered");
  expect(await world.memory("alice").read((tx) => get(tx, "in/", pad(1)))).toMatchObject({ answers: asked.id });
  await alice.close();
  jump(120_000);
  const later = await world.open("alice");
  const got = follow(later, undefined, { share: true });
  await eventually("a listener has it", () => got.length === 1);
  expect(got[0]).toMatchObject({ body: "an answer", late: false });
});
