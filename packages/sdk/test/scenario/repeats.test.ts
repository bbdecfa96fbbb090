/** Messages that are sent again by whoever has not heard that they were sent, and those that wait for whoever looks without taking. */
import { expect, test } from "vitest";
import { eventually, follow, jump, rejection, World } from "./world.ts";

const MINUTES_10 = 600_000;

async function pair() {
  const world = await World.create();
  const [alice, bob] = [await world.open("alice"), await world.open("bob")];
  await bob.sync();
  return { world, alice, bob, [Symbol.asyncDispose]: () => world[Symbol.asyncDispose]() };
}

test("the same message within its time is sent once, also by two processes at once; another one is another", async () => {
  await using talk = await pair();
  const { world, alice, bob } = talk;
  const got = follow(bob);
  const options = { sameWithin: MINUTES_10 };
  const other = await world.open("alice");
  const sent = await Promise.all([alice, other, alice].map((agent) => agent.send("bob", "hello", options)));
  expect(new Set(sent.map(({ id }) => id)).size).toBe(1);
  expect(sent.filter(({ repeated }) => repeated)).toHaveLength(2);
  const others = [
    await alice.send("BOB", "hello", { ...options, thread: "t" }),
    await alice.send("bob", "hello, too", options),
    await alice.send("bob", new TextEncoder().encode("hello"), options),
    await alice.send("bob", "hello"),
    await alice.question("bob", "hello", options),
  ];
  expect(others.filter(({ repeated }) => repeated)).toEqual([]);
  await eventually("all have come", () => got.length === 6);
  expect((await alice.send("Bob", "hello", options)).id).toBe(sent[0]?.id);
});

test("a question that is asked again is the first one, and its reply is there for both", async () => {
  await using talk = await pair();
  const { alice, bob } = talk;
  const options = { sameWithin: MINUTES_10, timeout: 60_000 };
  const [first, second] = [await alice.question("bob", "up?", options), await alice.question("bob", "up?", options)];
  expect([first.id === second.id, first.repeated, second.repeated]).toEqual([true, false, true]);
  follow(bob, (message) => message.handled({ body: "yes" }));
  expect([(await first.reply()).body, (await second.reply()).body]).toEqual(["yes", "yes"]);
});

test("what has ended in vain is sent again, and so is what was sent longer ago", async () => {
  await using talk = await pair();
  const { alice } = talk;
  const options = { sameWithin: MINUTES_10 };
  const first = await alice.send("nobody", "hello", options);
  expect(await rejection(first.stored())).toMatchObject({ reason: "unknown_user" });
  expect((await alice.send("nobody", "hello", options)).repeated).toBe(false);
  const before = await alice.send("bob", "hello", options);
  await before.stored();
  jump(MINUTES_10 + 1_000);
  expect((await alice.send("bob", "hello", options)).repeated).toBe(false);
  expect(await rejection(alice.send("bob", "x", { sameWithin: 3_600_001 }))).toMatchObject({ code: "usage" });
});

test("what waits is looked at in pages, by sender, and with who works on it; nothing is taken by that", async () => {
  await using talk = await pair();
  const { world, alice, bob } = talk;
  const carol = await world.open("carol");
  for (const text of ["one", "two", "three"]) await (await alice.send("bob", text)).received();
  await (await carol.send("bob", "four")).received();
  const page = await bob.pending({ limit: 2 });
  expect(page.map(({ body, inWork }) => [body, inWork])).toEqual([
    ["one", false],
    ["two", false],
  ]);
  expect((await bob.pending({ after: page.at(-1)?.id })).map(({ body }) => body)).toEqual(["three", "four"]);
  expect((await bob.pending({ limit: 2, bodies: false })).map(({ id, bytes }) => [id, bytes.length])).toEqual(
    page.map(({ id }) => [id, 0]),
  );
  expect((await bob.pending({ from: "Carol" })).map(({ body }) => body)).toEqual(["four"]);
  for await (const message of bob.messages({ share: true })) {
    expect((await bob.pending()).map(({ inWork }) => inWork)).toEqual([true, false, false, false]);
    await message.handled();
    break;
  }
  expect((await bob.pending()).map(({ body }) => body)).toEqual(["two", "three", "four"]);
  expect(await rejection(bob.pending({ after: "unknown" }))).toMatchObject({ code: "unknown_message" });
});

test("what has come too late is not among what waits, and ends", async () => {
  await using talk = await pair();
  const { alice, bob } = talk;
  const sent = await alice.send("bob", "quick", { expiresIn: 60_000 });
  await sent.received();
  expect(await bob.pending()).toHaveLength(1);
  jump(61_000);
  expect(await bob.pending()).toEqual([]);
  expect((await bob.inbox()).map(({ state, reason }) => [state, reason])).toEqual([["expired", "expired"]]);
});

test("a reply that is not waited for is found by its question, and handled like any message", async () => {
  await using talk = await pair();
  const { alice, bob } = talk;
  follow(bob, (message) => message.handled({ body: "yes" }));
  const { id } = await alice.question("bob", "up?");
  const replyId = await eventually("the reply has come", async () => (await alice.questions())[0]?.replyId);
  expect(await alice.pending()).toEqual([]);
  const reply = await alice.message(replyId);
  expect([reply.body, reply.state, (await alice.questions())[0]?.state]).toEqual(["yes", "unhandled", "answered"]);
  await reply.handled();
  expect((await alice.questions())[0]).toMatchObject({ id, state: "taken" });
  expect((await (await alice.asked(id)).reply()).body).toBe("yes");
});

test("the reply with which a message was handled is known; none where it was handled without", async () => {
  await using talk = await pair();
  const { alice, bob } = talk;
  for (const text of ["one", "two"]) await (await alice.send("bob", text)).received();
  const [one, two] = await Promise.all((await bob.pending()).map(({ id }) => bob.message(id)));
  expect(await one?.answer()).toBeUndefined();
  await one?.handled({ body: "here" });
  const answer = await one?.answer();
  await one?.handled({ body: "again" });
  expect((await one?.answer())?.id).toBe(answer?.id);
  await two?.handled();
  await two?.handled({ body: "here" });
  expect(await two?.answer()).toBeUndefined();
});
