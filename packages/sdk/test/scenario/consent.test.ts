/** Consent: mail that waits for it reaches nobody, and its sender hears what became of it. [P-9.13] */
import { expect, test } from "vitest";
import type { Agent } from "../../src/agent/agent.ts";
import { fromUtf8 } from "../../src/protocol/index.ts";
import { list, pad, toBytes } from "../../src/records/records.ts";
import { sweep } from "../../src/link/retention.ts";
import type { IncomingMessage } from "../../src/agent/message.ts";
import { heldOf, hold, letHeldIn } from "../../src/trust/held.ts";
import { turns } from "./turns.ts";
import { eventually, follow, jump, numbered, peersAreTold, rejection, SAME_CLOCK, World } from "./world.ts";

/** Bob, whose policy is `contacts`, and strangers. */
async function waiting(...names: string[]) {
  const world = await World.create({ ...SAME_CLOCK, noLimits: true });
  const bob = await world.open("bob");
  await bob.requests.setPolicy("contacts");
  const strangers: Agent[] = [];
  for (const name of names) strangers.push(await world.open(name));
  for (const stranger of strangers) follow(stranger);
  await bob.users();
  return { world, bob, strangers: strangers as [Agent, ...Agent[]] };
}

test("[A-13] a stranger's message reaches no listener, no inbox and no share, until it is accepted; its sender sees received", async () => {
  const { world: opened, bob, strangers } = await waiting("carol");
  await using world = opened;
  const got = follow(bob);
  const shared = follow(bob, (message) => message.handled(), { share: true });
  const sent = [];
  for (const text of numbered(3)) sent.push(await strangers[0].send("bob", text));
  for (const one of sent) expect((await one.received()).state).toBe("received");
  expect([got, shared, await bob.inbox(), await bob.unhandled()]).toEqual([[], [], [], 0]);
  expect(await bob.requests.list()).toMatchObject([
    { username: "carol", messages: 3, fingerprint: strangers[0].fingerprint },
  ]);
  expect((await bob.requests.show("Carol")).map(({ body, trust }) => [body, trust])).toEqual(
    numbered(3).map((text) => [text, "unknown"]),
  );
  expect(await bob.alerts()).toMatchObject([{ kind: "request", contact: "carol", count: 1 }]);

  expect(await bob.requests.accept("carol")).toBe(3);
  for (const one of sent) expect((await one.handled()).state).toBe("handled");
  expect([...got, ...shared].map(({ trust }) => trust)).toContain("known");
  await (await strangers[0].send("bob", "and on")).handled();
  expect([await bob.requests.list(), (await bob.contact("carol"))?.tier]).toEqual([[], "known"]);
  expect(await world.memory("bob").read((tx) => tx.list({ prefix: "held" }))).toEqual([]);
});

test("what a request's sender hears: refused, and it may ask again; blocked, and the relay takes nothing more of it", async () => {
  const { world: opened, bob, strangers } = await waiting("carol");
  await using world = opened;
  const [carol] = strangers;
  const first = await carol.send("bob", "hello");
  await first.received();
  await bob.requests.refuse("carol");
  expect(await rejection(first.handled())).toMatchObject({ code: "refused", reason: "refused" });
  expect(await first.status()).toMatchObject({ state: "refused", reason: "refused" });
  const second = await carol.send("bob", "please");
  await second.received();
  expect(await bob.requests.list()).toMatchObject([{ messages: 1 }]);
  await bob.block("carol");
  expect(await rejection(second.handled())).toMatchObject({ code: "refused", reason: "blocked" });
  await peersAreTold(world, "bob");
  expect(await rejection((await carol.send("bob", "hey")).stored())).toMatchObject({
    code: "refused",
    reason: "blocked",
  });
  expect(await bob.requests.list()).toEqual([]);
});

test("a person who writes to somebody that waits accepts it", async () => {
  const { world: opened, bob, strangers } = await waiting("carol");
  await using _ = opened;
  const sent = await strangers[0].send("bob", "hello");
  await sent.received();
  follow(bob);
  await (await bob.send("carol", "who are you?", { byPerson: true })).received();
  await sent.handled();
});

test("where the policy is closed a stranger is refused, and whoever was written to is not", async () => {
  await using world = await World.create({ noLimits: true });
  const [bob, carol, dave] = [await world.open("bob"), await world.open("carol"), await world.open("dave")];
  for (const agent of [bob, carol, dave]) follow(agent);
  await (await bob.send("dave", "hello")).handled();
  await bob.requests.setPolicy("closed");
  await (await dave.send("bob", "hello yourself")).handled();
  const sent = await carol.send("bob", "hello");
  expect(await rejection(sent.handled())).toMatchObject({ code: "refused", reason: "closed" });
  expect([await bob.requests.list(), (await bob.inbox()).map(({ from }) => from)]).toEqual([[], ["dave"]]);
  expect(await bob.requests.policy()).toBe("closed");
});

test("[A-13] one stranger has room for twenty messages; a full room refuses the newest, and those that wait stay", async () => {
  const { world: opened, bob, strangers } = await waiting("carol", "dave");
  await using _ = opened;
  const [carol, dave] = strangers as [Agent, Agent];
  await (await dave.send("bob", "a friend's friend")).received();
  const sent = [];
  for (const text of numbered(22)) sent.push(await carol.send("bob", text));
  for (const one of sent.slice(20))
    expect(await rejection(one.handled())).toMatchObject({ code: "refused", reason: "requests_full" });
  expect((await bob.requests.show("carol")).map(({ body }) => body)).toEqual(numbered(20));
  expect((await bob.requests.show("dave")).map(({ body }) => body)).toEqual(["a friend's friend"]);
});

test("what strangers sent before waits as well once only contacts may write, and comes when anybody may", async () => {
  await using world = await World.create({ noLimits: true });
  const [bob, carol] = [await world.open("bob"), await world.open("carol")];
  await bob.users();
  const sent = await carol.send("bob", "before");
  await sent.received();
  await bob.requests.setPolicy("contacts");
  expect([await bob.unhandled(), (await bob.requests.list()).length]).toEqual([0, 1]);
  await bob.requests.setPolicy("open");
  expect([await bob.unhandled(), (await bob.requests.list()).length]).toEqual([1, 0]);
  follow(bob);
  await sent.handled();
});

test("a request is decided once, whatever is killed in between: what is let in twice is there once", async () => {
  const { world: opened, bob, strangers } = await waiting("carol");
  await using world = opened;
  await (await strangers[0].send("bob", "hello")).received();
  await bob.requests.accept("carol");
  await world.memory("bob").write((tx) => letHeldIn(tx, "consent", "carol"));
  expect(await bob.unhandled()).toBe(1);
  expect(await rejection(bob.requests.accept("carol"))).toMatchObject({ code: "unknown_contact" });
});

test("a request that nobody decides on ends after two weeks, and its sender hears so", async () => {
  const { world: opened, bob, strangers } = await waiting("carol");
  await using world = opened;
  const sent = await strangers[0].send("bob", "hello");
  await sent.received();
  await bob.close();
  // Nothing is sent any more, so that what is to be said can be seen.
  for (const stranger of strangers) await stranger.close();
  jump(14.5 * 86_400_000);
  const later = await world.open("bob");
  await later.users();
  await eventually("the request has ended", async () => (await later.requests.list()).length === 0);
  const said = () =>
    world.memory("bob").read(async (tx) => {
      const rows = await list(tx, "out/");
      return Promise.all(rows.map(async ({ seq }) => fromUtf8(toBytes((await tx.get(`out-body/${pad(seq)}`)) ?? ""))));
    });
  await eventually("its sender will hear so", async () => (await said()).join().includes('"reason":"refused"'));
});

test("the policy and trusted contacts come back with a backup", async () => {
  const { world: opened, bob } = await waiting("carol");
  await using world = opened;
  await bob.verify("carol", (await bob.verify("carol")).fingerprint);
  await bob.setTier("carol", "trusted");
  const { makeBackup, readBackup, restoreBackup } = await import("../../src/agent/backup.ts");
  const backup = await makeBackup(world.memory("bob"));
  const store = world.memory("another folder");
  const { nodeCryptoProvider } = await import("../../src/node/provider.ts");
  await restoreBackup(store, readBackup(JSON.stringify(backup)), nodeCryptoProvider);
  const again = await world.openFrom("bob", store);
  expect([await again.requests.policy(), (await again.contact("carol"))?.tier]).toEqual(["contacts", "trusted"]);
});

test("no program lets in a stranger that waits by writing to it: a person does", async () => {
  const { world: opened, bob, strangers } = await waiting("carol", "dave");
  await using _ = opened;
  const sent = await strangers[0].send("bob", "hello");
  await sent.received();
  for (const write of [() => bob.send("carol", "hi"), () => bob.question("carol", "who are you?")])
    expect(await rejection(write())).toMatchObject({ code: "refused", reason: "consent" });
  expect([(await bob.requests.list()).length, await bob.unhandled(), (await bob.contact("carol"))?.tier]).toEqual([
    1,
    0,
    "unknown",
  ]);
  // An agent that was written to before it waits may answer.
  const asked = bob.ask("dave", "and you?");
  const [question] = await eventually("dave is asked", async () => {
    const inbox = await strangers[1]!.inbox();
    return inbox.length > 0 && inbox;
  });
  await (await strangers[1]!.message(question!.id)).reply("dave");
  expect((await asked).body).toBe("dave");
});

test("what moves from the inbox to those that wait takes no more of the room of strangers", async () => {
  await using world = await World.create({ noLimits: true });
  const [bob, carol] = [await world.open("bob"), await world.open("carol")];
  await bob.users();
  await (await carol.send("bob", "x".repeat(10_000))).received();
  await bob.requests.setPolicy("contacts");
  await bob.requests.refuse("carol");
  await bob.close();
  const { run, cache } = await turns(world.memory("bob"));
  await run(async (turn) => {
    await cache.load(turn.tx);
    // All that one stranger may have, where nobody has left anything.
    expect(await cache.strangers.hasRoom(turn, "carol", 16 * 2 ** 20 - 1_000)).toBe(true);
  });
});

test("what waits for somebody who is blocked fails, pairings too, and its conversations end when all is said", async () => {
  await using world = await World.create({ noLimits: true });
  const [alice, bob] = [await world.open("alice"), await world.open("bob")];
  follow(bob);
  await (await alice.send("bob", "hello")).handled();
  await world.stopRelay();
  const sent = await alice.send("bob", "never to be read");
  await alice.block("bob");
  expect(await sent.status()).toMatchObject({ state: "failed", reason: "blocked" });
  await alice.close();
  const { run } = await turns(world.memory("alice"));
  const groups = () => world.memory("alice").read((tx) => tx.list({ prefix: "contact-group/bob/" }));
  expect(await groups()).toHaveLength(1);
  await eventually("the sweep has come to it", async () => {
    await run((turn) => sweep(turn, true));
    return (await groups()).length === 0;
  });
  // The next one names it.
  expect(await world.memory("alice").read((tx) => tx.get("replaces/bob"))).toMatch(/^[0-9a-f]{64}$/);
});

test("what strangers have sent before is handed out no more once only contacts may write, whoever holds it", async () => {
  await using world = await World.create({ noLimits: true });
  const [bob, carol] = [await world.open("bob"), await world.open("carol")];
  await bob.users();
  const sent = [];
  for (const text of numbered(25)) sent.push(await carol.send("bob", text));
  await sent[24]!.received();
  // One follower has read ahead, and one has a message in hand.
  const [ahead, inHand] = [bob.messages(), bob.messages({ share: true })];
  const first = await ahead.next();
  const claimed = await inHand.next();
  await bob.requests.setPolicy("contacts");
  const rest = ahead.next();
  await (claimed.value as IncomingMessage).retry("later", 0);
  const got = follow(bob, undefined, { share: true });
  for (const one of sent.slice(22)) expect(await rejection(one.handled())).toMatchObject({ reason: "requests_full" });
  expect([got, await bob.unhandled()]).toEqual([[], 0]);
  expect(await bob.requests.list()).toMatchObject([{ messages: 20 }]);
  expect((first.value as IncomingMessage).body).toBe(numbered(25)[0]);
  await bob.requests.accept("carol");
  expect(((await rest).value as IncomingMessage).trust).toBe("known");
  await inHand.return();
  await ahead.return();
});

test("a block ends what has come as well: no handler gets it, and its sender hears so", async () => {
  await using world = await World.create({ noLimits: true });
  const [bob, carol] = [await world.open("bob"), await world.open("carol")];
  await bob.users();
  const sent = [];
  for (const text of numbered(3)) sent.push(await carol.send("bob", text));
  await sent[2]!.received();
  await bob.block("carol");
  const got = [follow(bob), follow(bob, undefined, { share: true })];
  for (const one of sent) expect(await rejection(one.handled())).toMatchObject({ code: "refused", reason: "blocked" });
  expect([got.flat(), await bob.unhandled(), await bob.deadLetters.list()]).toEqual([[], 0, []]);
});

test("who only answers a stranger does not let it in, and a name that nobody has is nothing to whoever takes it", async () => {
  await using world = await World.create({ noLimits: true });
  const [bob, carol] = [await world.open("bob"), await world.open("carol")];
  const got = follow(bob, (message) => message.handled({ body: "yes" }));
  await (await carol.send("bob", "are you there?")).handled();
  expect([(await bob.contact("carol"))?.tier, got[0]?.trust]).toEqual(["unknown", "unknown"]);
  expect(await rejection((await bob.send("dave", "hello")).stored())).toMatchObject({ reason: "unknown_user" });
  await bob.requests.setPolicy("contacts");
  const dave = await world.open("dave");
  for (const [agent, text] of [
    [carol, "again"],
    [dave, "hello yourself"],
  ] as const)
    await (await agent.send("bob", text)).received();
  expect((await bob.requests.list()).map(({ username }) => username).toSorted()).toEqual(["carol", "dave"]);
});

test("the first word of a sender finds room where large ones of others have taken what there is", async () => {
  const { world: opened, strangers } = await waiting("carol");
  await using world = opened;
  await (await strangers[0].send("bob", "hello")).received();
  const [held] = await world.memory("bob").read((tx) => heldOf(tx, "consent", "carol"));
  const row = held!.row;
  await world.memory("bob").write(async (tx) => {
    for (let [index, left] = [0, 16 * 2 ** 20 - 10_000]; left > 40_000; index++) {
      const size = Math.floor(left / 4) - 512;
      await hold(tx, {
        why: "consent",
        row: { ...row, from: `eve-${index}`, seq: 1_000 + index },
        body: new Uint8Array(size),
      });
      left -= size + 512;
    }
    const honest = (from: string, length: number) =>
      hold(tx, { why: "consent", row: { ...row, from, seq: 5_000 }, body: new Uint8Array(length) });
    expect([await honest("dave", 2_000), await honest("erin", 60_000)]).toEqual(["first", "full"]);
  });
});

test("to compare the fingerprint of one who waits is not to let it in: that is said by itself", async () => {
  const { world: opened, bob, strangers } = await waiting("carol");
  await using _ = opened;
  await (await strangers[0].send("bob", "hello")).received();
  await bob.verify("carol", strangers[0].fingerprint);
  await bob.trust(`carol#${strangers[0].fingerprint.replaceAll(" ", "")}`);
  expect([await bob.unhandled(), (await bob.requests.list()).length]).toEqual([0, 1]);
  await bob.requests.accept("carol");
  expect([await bob.unhandled(), (await bob.contact("carol"))?.tier]).toEqual([1, "verified"]);
});
