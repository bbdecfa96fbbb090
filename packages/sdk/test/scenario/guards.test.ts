/** Guards: agents that answer each other without a person are stopped, and floods wait. [P-9.14] */
import { expect, test } from "vitest";
import type { Agent } from "../../src/agent/agent.ts";
import type { IncomingMessage } from "../../src/agent/message.ts";
import { eventually, follow, jump, numbered, rejection, SAME_CLOCK, World } from "./world.ts";

async function two() {
  const world = await World.create({ noLimits: true });
  return { world, alice: await world.open("alice"), bob: await world.open("bob") };
}

const answer = (message: IncomingMessage) => message.handled({ body: `answer to ${message.body}` });
const guardAlerts = async (agent: Agent) => (await agent.alerts()).filter(({ kind }) => kind === "guard");

test("[A-14] two agents that answer every answer are stopped; both owners see why; a person's word goes on", async () => {
  const { world: opened, alice, bob } = await two();
  await using _ = opened;
  for (const agent of [alice, bob]) await agent.guard.set({ answers_per_exchange: 5 });
  const [atAlice, atBob] = [follow(alice, answer), follow(bob, answer)];
  await alice.send("bob", "hello");
  await eventually("a guard holds", async () => (await alice.guard.list()).length > 0);
  await eventually("both are told", async () =>
    (await Promise.all([alice, bob].map(guardAlerts))).every((alerts) => alerts.length === 1),
  );
  const [came, answered] = [atBob.length, atAlice.length];
  // Five answers of both, of which the last one waits.
  expect([came, answered]).toEqual([3, 2]);
  expect(await alice.guard.list()).toMatchObject([{ username: "bob", messages: 1 }]);
  expect((await guardAlerts(bob))[0]?.text).toContain("answered each other 5 times without a person");
  // A person's message begins another exchange.
  const word = await alice.send("bob", "enough of that", { byPerson: true });
  await word.handled();
  expect(atBob.length).toBeGreaterThan(came);
});

test("what a guard holds is received for its sender, and comes in order when the owner releases it", async () => {
  const { world: opened, alice, bob } = await two();
  await using _ = opened;
  await bob.guard.set({ messages_per_hour: 3 });
  const got = follow(bob);
  const sent = [];
  for (const text of numbered(6)) sent.push(await alice.send("bob", text));
  for (const one of sent) await one.received();
  await sent[2]!.handled();
  expect(got.map(({ body }) => body)).toEqual(numbered(3));
  expect([await bob.guard.list(), (await guardAlerts(bob)).length]).toMatchObject([
    [{ username: "alice", messages: 3 }],
    1,
  ]);
  expect(await bob.guard.release("alice")).toBe(3);
  for (const one of sent) await one.handled();
  expect(got.map(({ body }) => body)).toEqual(numbered(6));
  // It is counted anew.
  await (await alice.send("bob", "one more")).handled();
});

test("a thousand jobs that are answered one by one are no loop, and neither are answers to questions", async () => {
  const { world: opened, alice, bob } = await two();
  await using _ = opened;
  await bob.guard.set({ answers_per_exchange: 2, answers_per_day: 3 });
  follow(bob, answer);
  for (const text of numbered(10)) expect((await alice.ask("bob", text)).body).toBe(`answer to ${text}`);
  expect([await bob.guard.list(), await guardAlerts(bob)]).toEqual([[], []]);
});

test("[A-14] agents that answer without saying to what are stopped by the number of times in a day", async () => {
  const { world: opened, alice, bob } = await two();
  await using _ = opened;
  await bob.guard.set({ answers_per_day: 4 });
  for (const agent of [alice, bob])
    follow(agent, async (message) => {
      await agent.send(message.from, "and you?");
      await message.handled();
    });
  await alice.send("bob", "hello");
  await eventually("the guard holds", async () => (await bob.guard.list()).length > 0);
  expect((await guardAlerts(bob))[0]?.text).toContain("4 times in a day");
});

test("a trusted contact may have ten times as much", async () => {
  const { world: opened, alice, bob } = await two();
  await using _ = opened;
  await bob.guard.set({ messages_per_hour: 1 });
  expect(await rejection(bob.setTier("alice", "trusted"))).toMatchObject({ code: "unknown_contact" });
  const { fingerprint } = await bob.verify("alice");
  expect(await rejection(bob.setTier("alice", "trusted"))).toMatchObject({ code: "usage" });
  await bob.verify("alice", fingerprint);
  expect(await bob.setTier("alice", "trusted")).toMatchObject({ tier: "trusted", verified: true });
  const got = follow(bob);
  const sent = [];
  for (const text of numbered(11)) sent.push(await alice.send("bob", text));
  await sent[10]!.received();
  await sent[9]!.handled();
  expect(got.map(({ trust }) => trust)).toEqual(Array.from({ length: 10 }, () => "trusted"));
  expect(await bob.guard.list()).toMatchObject([{ messages: 1 }]);
  expect(await bob.setTier("alice", "known")).toMatchObject({ tier: "known", verified: false });
});

test("a reply that is waited for is held by no guard", async () => {
  const { world: opened, alice, bob } = await two();
  await using _ = opened;
  follow(bob, answer);
  await alice.guard.set({ messages_per_hour: 0 });
  expect((await alice.ask("bob", "how many?")).body).toBe("answer to how many?");
});

test("limits are whole numbers, and null is the default", async () => {
  const { world: opened, bob } = await two();
  await using _ = opened;
  expect(await rejection(bob.guard.set({ bytes_per_day: -1 }))).toMatchObject({ code: "usage" });
  const before = await bob.guard.limits();
  await bob.guard.set({ bytes_per_day: 5 });
  expect((await bob.guard.set({ bytes_per_day: null })).bytes_per_day).toBe(before.bytes_per_day);
});

/** As a command of `--exec` does that calls `aimessage send`. */
const react = (agent: Agent) => async (message: IncomingMessage) => {
  await agent.send(message.from, `because of ${message.body}`, { cause: message.id });
  await message.handled();
};

test("what a program sends because of a message answers it, so that a loop of such is an exchange, too", async () => {
  const { world: opened, alice, bob } = await two();
  await using _ = opened;
  for (const agent of [alice, bob]) await agent.guard.set({ answers_per_exchange: 3 });
  const [atAlice] = [follow(alice, react(alice)), follow(bob, react(bob))];
  const first = await alice.send("bob", "hello");
  await eventually("a guard holds", async () => (await alice.guard.list()).length > 0);
  expect((await guardAlerts(bob))[0]?.text).toContain("answered each other 3 times");
  expect(atAlice[0]?.replyTo).toBe(first.id);
  // A question is answered by its reply alone.
  const asked = await alice.question("bob", "how many?");
  await eventually("it was handled", async () => (await alice.status(asked.id))?.state === "handled");
  expect(await alice.questions()).toMatchObject([{ state: "open" }]);
});

test.each([
  ["the id that it has here", ({ id }: IncomingMessage) => id],
  ["its sender's id", ({ peerId }: IncomingMessage) => peerId],
  ["an id of nothing", () => "nosuchmessage"],
  ["the first message's id", (_: IncomingMessage, first: string) => first],
] as const)(
  "[A-14] whatever a program says that it answers, here %s, what it is sent because of counts",
  async (_name, answers) => {
    const { world: opened, alice, bob } = await two();
    await using _ = opened;
    for (const agent of [alice, bob]) await agent.guard.set({ answers_per_exchange: 4 });
    const got = [alice, bob].map((agent) => {
      let first: string | undefined;
      return follow(agent, async (message) => {
        first ??= message.id;
        await agent.send(message.from, "x", { cause: message.id, replyTo: answers(message, first) });
        await message.handled();
      });
    });
    const { id } = await alice.send("bob", "hello");
    await eventually("a guard holds", async () => (await bob.guard.list()).length > 0);
    expect(got.flat()).toHaveLength(4);
    // Ids as they are known here go out as their sender knows them.
    const [answer] = await alice.inbox();
    expect(answer?.replyTo).toBe(answers({ id, peerId: id } as IncomingMessage, id));
  },
);

test("[A-14] a question asks for one reply: what a program answers to it besides is counted", async () => {
  const { world: opened, alice, bob } = await two();
  await using _ = opened;
  for (const agent of [alice, bob]) await agent.guard.set({ answers_per_day: 3 });
  const asked = await alice.question("bob", "how many?");
  follow(bob, async (message) => {
    await bob.send("alice", "three", { replyTo: asked.id });
    await message.handled();
  });
  await asked.reply();
  follow(alice, react(alice));
  await alice.send("bob", "and again");
  await eventually("a guard holds", async () =>
    [...(await alice.guard.list()), ...(await bob.guard.list())].some(({ messages }) => messages > 0),
  );
});

test("a ring of agents that each pass on what they hear is an exchange, whoever it goes to", async () => {
  const { world: opened, alice, bob } = await two();
  await using world = opened;
  const carol = await world.open("carol");
  const ring = [alice, bob, carol];
  for (const agent of ring) await agent.guard.set({ answers_per_exchange: 6 });
  const got = ring.map((agent, index) =>
    follow(agent, async (message) => {
      await agent.send(ring[(index + 1) % 3]!.username, message.body, { cause: message.id });
      await message.handled();
    }),
  );
  await alice.send("bob", "round and round");
  const holds = async () => (await Promise.all(ring.map((agent) => agent.guard.list()))).flat().length;
  await eventually("a guard holds", async () => (await holds()) > 0);
  expect(got.flat()).toHaveLength(6);
});

test("what is too much at all keeps its order with what comes behind it; a person's word lets it all in", async () => {
  const { world: opened, alice, bob } = await two();
  await using _ = opened;
  await bob.guard.set({ bytes_per_day: 100 });
  const got = follow(bob);
  const texts = ["a".repeat(60), "b".repeat(60), "c", "d"];
  const sent = [];
  for (const text of texts) sent.push(await alice.send("bob", text));
  await sent[3]!.received();
  await sent[0]!.handled();
  expect(await bob.guard.list()).toMatchObject([{ messages: 3 }]);
  await bob.send("alice", "go on", { byPerson: true });
  for (const one of sent) await one.handled();
  expect(got.map(({ body }) => body)).toEqual(texts);
});

test("a clock that is set back after the owner has let somebody go on leaves no guard open", async () => {
  const world = await World.create({ noLimits: true, ...SAME_CLOCK });
  await using _ = world;
  const [alice, bob] = [await world.open("alice"), await world.open("bob")];
  await bob.guard.set({ messages_per_hour: 2 });
  const got = follow(bob);
  await (await alice.send("bob", "hello")).handled();
  await bob.guard.release("alice");
  jump(-3_600_000);
  const sent = [];
  for (const text of numbered(3)) sent.push(await alice.send("bob", text));
  await sent[2]!.received();
  await sent[1]!.handled();
  expect([got.length, await bob.guard.list()]).toMatchObject([3, [{ messages: 1 }]]);
});
