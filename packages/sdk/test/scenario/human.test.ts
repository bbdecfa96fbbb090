/** What a person has written is marked so inside the encryption, and has guards count anew where its sender is verified. [P-9.19] */
import { expect, onTestFinished, test } from "vitest";
import type { Agent } from "../../src/agent/agent.ts";
import type { Tier } from "../../src/records/tier.ts";
import { find } from "../../src/records/records.ts";
import { gathered } from "./members.ts";
import { edit } from "./proxy.ts";
import { atRest, caughtUp, eventually, follow, jump, numbered, SAME_CLOCK, World } from "./world.ts";

const DAY_MS = 86_400_000;
const byPerson = { byPerson: true };
const held = async (agent: Agent) => (await agent.guard.list())[0]?.messages ?? 0;
const seen = (got: readonly { body: string; human: boolean }[]) =>
  got.map(({ body, human }) => (human ? `${body}, by a person` : body));

/** The owner of an agent has compared the fingerprint of another one. */
async function verify(agent: Agent, { username, fingerprint }: Agent, tier: "verified" | "trusted" = "verified") {
  await agent.verify(username, fingerprint);
  await agent.setTier(username, tier);
}

/** Alice, and Bob, to whose owner she is of this tier. */
async function two(tier: Tier, options: Parameters<typeof World.create>[0] = {}) {
  const world = await World.create({ noLimits: true, ...options });
  onTestFinished(() => world[Symbol.asyncDispose]());
  const [alice, bob] = [await world.open("alice"), await world.open("bob")];
  if (tier === "known") await (await bob.send("alice", "hello")).stored();
  if (tier === "verified" || tier === "trusted") await verify(bob, alice, tier);
  return { world, alice, bob };
}

/** Alice, and Bob, who has verified her and takes one message of hers in an hour; she has had her words of the day. */
async function allWordsSpoken() {
  const { alice, bob } = await two("verified", SAME_CLOCK);
  await bob.guard.set({ messages_per_hour: 1 });
  const got = follow(bob);
  for (const text of numbered(10, "word")) await (await alice.send("bob", text, byPerson)).handled();
  return { alice, bob, got };
}

test("[P-9.19] the mark is there where a person has written, on both sides, and nowhere else", async () => {
  const { alice, bob } = await two("unknown");
  const got = follow(bob, (message) => message.handled({ body: "by a program" }));
  const answers = follow(alice);
  await (await alice.send("bob", "typed", byPerson)).handled();
  await (await alice.send("bob", "made")).handled();
  await (await alice.send("bob", "not typed", { byPerson: false })).handled();
  await got[0]!.reply("I see to it", byPerson);
  await eventually("all is answered", () => answers.length === 4);
  expect(seen(got)).toEqual(["typed, by a person", "made", "not typed"]);
  expect(seen(await bob.inbox())).toEqual(seen(got));
  expect(seen(answers)).toContain("I see to it, by a person");
  expect(answers.filter(({ human }) => human)).toHaveLength(1);
});

test("[P-9.19] a question and its reply have the mark, too, and it is on what is sent again", async () => {
  const { world, alice, bob } = await two("verified");
  let isGarbled = false;
  world.proxy.rule = ({ agent, toRelay, frame }) => {
    if (isGarbled || agent !== "bob" || toRelay || frame.data?.kind !== "application") return undefined;
    isGarbled = true;
    return [edit(frame, { message: "AAAA" })];
  };
  const got = follow(bob, (message) => message.handled({ body: "three", options: byPerson }));
  const reply = await alice.ask("bob", "how many?", byPerson);
  expect([isGarbled, ...seen([...got, reply])]).toEqual([true, "how many?, by a person", "three, by a person"]);
});

test.each(["unknown", "known"] as const)(
  "[A-20] [P-9.19] of a sender that is %s the mark is shown, and its receiver's guard holds as before",
  async (tier) => {
    const { alice, bob } = await two(tier);
    await bob.guard.set({ messages_per_hour: 2 });
    const got = follow(bob);
    await (await alice.send("bob", "a word", byPerson)).handled();
    for (const text of numbered(2)) await alice.send("bob", text);
    await (await alice.send("bob", "another word", byPerson)).received();
    expect([seen(got), await held(bob)]).toEqual([["a word, by a person", "message 1"], 2]);
  },
);

test.each(["verified", "trusted"] as const)(
  "[P-9.19] a word of one that is %s lets in what was held, in order, passes, and has everything counted anew",
  async (tier) => {
    const { alice, bob } = await two(tier);
    const most = tier === "trusted" ? 20 : 2;
    await bob.guard.set({ messages_per_hour: 2 });
    const got = follow(bob);
    for (const text of numbered(most + 2)) await alice.send("bob", text);
    await eventually("two are held", async () => (await held(bob)) === 2);
    await (await alice.send("bob", "go on", byPerson)).handled();
    expect(seen(got)).toEqual([...numbered(most + 2), "go on, by a person"]);
    // The word counts.
    const more = [];
    for (const text of numbered(most, "more")) more.push(await alice.send("bob", text));
    await more.at(-1)!.received();
    await more.at(-2)!.handled();
    expect(await held(bob)).toBe(1);
  },
);

test("[P-9.19] a word passes where no message does, and where it comes at once with what is too much", async () => {
  const { alice, bob } = await two("verified");
  await bob.guard.set({ messages_per_hour: 1, bytes_per_day: 0 });
  // One turn has all of it.
  const texts = ["", "", "", "a word"];
  for (const text of texts) await (await alice.send("bob", text, text === "" ? {} : byPerson)).stored();
  const got = follow(bob);
  await eventually("all have come", () => got.length === texts.length);
  expect(got.map(({ body }) => body)).toEqual(texts);
  await (await alice.send("bob", "of a program")).received();
  expect(await held(bob)).toBe(1);
});

test("[A-14] [P-9.19] agents that are held for answering each other go on by a word, which begins another exchange", async () => {
  const { alice, bob } = await two("verified");
  await bob.guard.set({ answers_per_exchange: 4 });
  const atBob = follow(bob, (message) => message.handled({ body: "and again" }));
  const atAlice = follow(alice, (message) => message.handled({ body: "once more" }));
  await alice.send("bob", "hello");
  await eventually("bob's guard holds", async () => (await held(bob)) === 1);
  const before = atBob.length;
  // It answers the last of the exchange, and yet is none of it.
  await atAlice.at(-1)!.reply("that is enough", byPerson);
  await eventually("they go on, and are held again", async () => atBob.length > before + 2 && (await held(bob)) > 0);
  expect(atBob.find(({ human }) => human)).toMatchObject({ body: "that is enough", exchange: 0 });
});

test("[A-20] [P-9.19] the eleventh word of a day changes nothing; a day later one counts anew again", async () => {
  const { alice, bob, got } = await allWordsSpoken();
  expect([got.length, await held(bob)]).toEqual([10, 0]);
  await (await alice.send("bob", "word 11", byPerson)).received();
  await (await alice.send("bob", "word 12", byPerson)).received();
  expect([got.length, await held(bob)]).toEqual([10, 2]);
  expect(seen((await bob.inbox()).slice(-1))).toEqual(["word 10, by a person"]);
  jump(DAY_MS);
  await (await alice.send("bob", "the next day", byPerson)).handled();
  expect(seen(got).slice(10)).toEqual(["word 11", "word 12", "the next day"].map((text) => `${text}, by a person`));
  expect(await held(bob)).toBe(0);
});

test("[A-20] the owner's own word counts a contact anew, and gives it no more words", async () => {
  const { alice, bob, got } = await allWordsSpoken();
  await bob.guard.release("alice");
  await (await alice.send("bob", "passes, as the first of an hour", byPerson)).handled();
  await (await alice.send("bob", "waits", byPerson)).received();
  expect([got.length, await held(bob)]).toEqual([11, 1]);
});

test("[A-20] what is known of words does not grow with them", async () => {
  const { world, alice, bob } = await two("verified");
  follow(bob);
  for (const text of numbered(30)) await (await alice.send("bob", text, byPerson)).handled();
  const answered = await world.memory("bob").read((tx) => find(tx, "answered/", "alice"));
  expect(answered?.words).toHaveLength(10);
});

test("[P-9.19] whoever waits for consent waits by a word as well, whatever fingerprint was compared", async () => {
  const { world, alice, bob } = await two("unknown");
  await bob.requests.setPolicy("contacts");
  const got = follow(bob);
  await (await alice.send("bob", "hello")).received();
  await world.memory("bob").write(async (tx) => {
    const contact = (await find(tx, "contact/", "alice"))!;
    await tx.put("contact/alice", JSON.stringify({ ...contact, verified: true }));
  });
  await (await alice.send("bob", "a person speaks", byPerson)).received();
  expect([got.length, await bob.requests.list()]).toMatchObject([0, [{ username: "alice", messages: 2 }]]);
  // Nor is it one of those of its day.
  expect(await world.memory("bob").read((tx) => find(tx, "answered/", "alice"))).toBeUndefined();
});

test("[P-9.19] in a group a word counts for its sender alone, at those who have verified that one", async () => {
  const world = await World.create({ noLimits: true });
  onTestFinished(() => world[Symbol.asyncDispose]());
  const { alice, bob, carol, dave } = await gathered(world, "alice", "bob", "carol", "dave");
  await verify(bob.agent, alice.agent);
  for (const { agent } of [bob, carol]) await agent.guard.set({ messages_per_hour: 1 });
  for (const { agent } of [alice, dave])
    for (const text of numbered(2, `${agent.username}'s`)) await (await agent.send("@team", text)).received();
  for (const { agent } of [bob, carol])
    expect((await agent.guard.list()).map(({ username }) => username).toSorted()).toEqual(["alice", "dave"]);
  await (await dave.agent.send("@team", "dave's word", byPerson)).received();
  await (await alice.agent.send("@team", "alice's word", byPerson)).received();
  await eventually("bob has heard her", () => bob.got.length === 4);
  for (const { agent } of [bob, carol]) await caughtUp(agent);
  expect(seen(bob.got).filter((text) => text.startsWith("alice"))).toEqual([
    ...numbered(2, "alice's"),
    "alice's word, by a person",
  ]);
  // Of her it holds nothing any more, of Dave two; Carol has compared no fingerprint.
  expect(await bob.agent.guard.list()).toMatchObject([{ username: "dave", messages: 2 }]);
  expect((await carol.agent.guard.list()).map(({ messages }) => messages)).toEqual([2, 2]);
  // What she sends to Bob alone is counted anew by it, too.
  expect(await world.memory("bob").read((tx) => find(tx, "answered/", "alice"))).toMatchObject({ answers: 0 });
});

test("[P-9.19] [P-15.10] what is sent again to one member has the mark of its message", async () => {
  const world = await World.create({ noLimits: true });
  onTestFinished(() => world[Symbol.asyncDispose]());
  const { alice, bob, carol } = await gathered(world, "alice", "bob", "carol");
  await (await alice.agent.send("@team", "hello")).handled();
  let isGarbled = false;
  world.proxy.rule = ({ agent, toRelay, frame }) => {
    if (isGarbled || agent !== "carol" || toRelay || frame.data?.kind !== "application") return undefined;
    isGarbled = true;
    return [edit(frame, { message: "AAAA" })];
  };
  await (await alice.agent.send("@team", "a word", byPerson)).handled();
  await atRest(world, alice.agent, bob.agent, carol.agent);
  expect([isGarbled, seen(bob.got), seen(carol.got)]).toEqual([
    true,
    ["hello", "a word, by a person"],
    ["hello", "a word, by a person"],
  ]);
});
