// Pairing by one pasted line. [P-9.15] of docs/protocol.md.

import { expect, test } from "vitest";
import { readPairingLine } from "../../src/agent/pairing-line.ts";
import { given, verified } from "./pairing-world.ts";
import { alertKinds, caughtUp, eventually, follow, jump, rejection } from "./world.ts";

test("two agents are verified for each other by one line, once its maker has seen who has used it", async () => {
  await using talk = await given();
  const { alice, bob, own, line } = talk;
  const got = follow(bob);
  expect(own.line).toMatch(/^[A-Za-z0-9:@.#/_-]+$/);
  const taken = await alice.pairing.take(line);
  const used = await bob.pairing.used(own.id);
  expect(used).toMatchObject({ state: "asked", by: { username: "alice", fingerprint: alice.fingerprint } });
  await taken.received();
  expect(await verified(bob)).toEqual([["alice", false, alice.fingerprint]]);
  expect((await bob.pairing.accept(own.id)).verified).toBe(true);
  expect(await taken.paired()).toMatchObject({ username: "bob", verified: true, fingerprint: bob.fingerprint });
  expect(await verified(bob)).toEqual([["alice", true, alice.fingerprint]]);
  // Nobody is shown what was sent for it, on either side.
  await (await alice.send("bob", "hello")).handled();
  expect(got.map(({ body }) => body)).toEqual(["hello"]);
  expect((await bob.inbox()).map(({ body }) => body)).toEqual(["hello"]);
  expect((await alice.outbox.list({ all: true })).length).toBe(1);
  // Neither the relay nor the wire has seen the code.
  expect(JSON.stringify(talk.world.proxy.recorded)).not.toContain(line.code);
});

test.each([{ yes: true }, { for: "Alice" }])("with %j nobody is asked", async (options) => {
  await using talk = await given(options);
  const { alice, bob, own, line } = talk;
  follow(bob);
  expect((await (await alice.pairing.take(line)).paired()).verified).toBe(true);
  expect(await bob.pairing.lines()).toMatchObject([{ id: own.id, state: "paired", by: { username: "alice" } }]);
  expect(await verified(bob)).toEqual([["alice", true, alice.fingerprint]]);
});

test("the same agent may show its line again, in any process, and is paired once", async () => {
  await using talk = await given();
  const { world, alice, bob, own, line } = talk;
  follow(bob);
  const first = await alice.pairing.take(line);
  await first.received();
  await alice.close();
  const again = await world.open("alice");
  const [waiting] = await again.pairing.taken();
  expect(waiting).toMatchObject({ username: "bob" });
  const second = await again.pairing.take(line);
  await bob.pairing.accept(own.id);
  expect((await bob.pairing.accept(own.id)).verified).toBe(true);
  expect((await second.paired()).verified).toBe(true);
  expect((await (await again.pairing.take(line)).paired()).verified).toBe(true);
  expect(await again.pairing.taken()).toEqual([]);
  expect((await again.contacts()).map(({ username }) => username)).toEqual(["bob"]);
});

test("a line that its maker refuses, or has withdrawn, pairs nobody", async () => {
  await using talk = await given();
  const { alice, bob, own, line } = talk;
  follow(bob);
  const taken = await alice.pairing.take(line);
  await bob.pairing.used(own.id);
  await bob.pairing.refuse(own.id);
  expect(await rejection(taken.paired())).toMatchObject({ code: "pairing_refused", reason: "pairing_refused" });
  expect(await rejection(bob.pairing.accept(own.id))).toMatchObject({ code: "unknown_line" });
  const other = await bob.pairing.open();
  expect(await bob.pairing.withdraw()).toBe(1);
  const late = await alice.pairing.take(readPairingLine(other.line));
  expect(await rejection(late.paired())).toMatchObject({ code: "pairing_refused" });
  expect((await alice.contacts())[0]?.verified).toBe(false);
  expect((await bob.contacts())[0]?.verified).toBe(false);
});

test("an hour later a line has expired, by the clock of its maker", async () => {
  await using talk = await given({ yes: true });
  const { world, bob, own, line } = talk;
  follow(bob);
  jump(3_600_000);
  expect(await bob.pairing.used(own.id)).toMatchObject({ state: "expired" });
  const carol = await world.open("carol");
  expect(await rejection((await carol.pairing.take(line)).paired())).toMatchObject({
    code: "pairing_refused",
    reason: "pairing_expired",
  });
  expect((await bob.contacts()).some(({ verified: is }) => is)).toBe(false);
});

test("who has used a line and of whom its maker says nothing for a day is refused", async () => {
  await using talk = await given();
  const { world, alice, bob, own, line } = talk;
  await (await alice.pairing.take(line)).received();
  await bob.pairing.used(own.id);
  await Promise.all([alice.close(), bob.close()]);
  jump(25 * 3_600_000);
  const later = await world.open("Bob");
  follow(later);
  const again = await world.open("alice");
  const [taken] = await again.pairing.taken();
  expect(await rejection(taken?.paired() ?? Promise.resolve())).toMatchObject({ reason: "pairing_expired" });
  expect(await later.pairing.lines()).toMatchObject([{ state: "refused" }]);
  expect(await alertKinds(later)).toEqual([]);
});

test.each(["contacts", "closed"] as const)(
  "a line comes before the inbox policy (%s), and lets in who has used it",
  async (policy) => {
    await using talk = await given({ for: "alice" });
    const { world, alice, bob, line } = talk;
    await bob.requests.setPolicy(policy);
    // Both are read in one turn.
    await bob.close();
    const taken = await alice.pairing.take(line);
    const hello = await alice.send("bob", "hello");
    await hello.stored();
    const later = await world.open("Bob");
    const got = follow(later);
    expect((await taken.paired()).tier).toBe("verified");
    await hello.handled();
    expect(got.map(({ body, trust }) => [body, trust])).toEqual([["hello", "verified"]]);
    expect(await later.requests.list()).toEqual([]);
    const carol = await world.open("carol");
    expect(await rejection((await carol.pairing.take(line)).paired())).toMatchObject({ reason: "pairing_used" });
  },
);

test("what waits for consent of somebody comes in when its pairing is accepted", async () => {
  await using talk = await given();
  const { alice, bob, own, line } = talk;
  await bob.requests.setPolicy("contacts");
  const got = follow(bob);
  const hello = await alice.send("bob", "hello");
  await hello.received();
  await (await alice.pairing.take(line)).received();
  expect(await bob.requests.list()).toMatchObject([{ username: "alice", messages: 1 }]);
  await bob.pairing.used(own.id);
  await bob.pairing.accept(own.id);
  await hello.handled();
  expect(got.map(({ body }) => body)).toEqual(["hello"]);
});

test("one's own line, a card and a seventeenth line are refused", async () => {
  await using talk = await given();
  const { bob, alice, line } = talk;
  expect(await rejection(bob.pairing.take(line))).toMatchObject({ code: "usage", message: "this line is your own" });
  const { code: _code, ...card } = line;
  expect(await rejection(alice.pairing.take(card))).toMatchObject({ code: "bad_line" });
  for (let count = 1; count < 16; count++) await bob.pairing.open();
  expect(await rejection(bob.pairing.open())).toMatchObject({ code: "usage" });
  expect(await bob.pairing.withdraw()).toBe(16);
});

test("a card pins who has its fingerprint, and nobody else", async () => {
  await using talk = await given();
  const { alice, bob, world } = talk;
  const card = (await bob.pairing.card()) ?? "";
  expect(card).toBe(`aimessage:Bob@${new URL(world.server).host}#${bob.fingerprint.replaceAll(" ", "")}`);
  const wrong = card.replace(/#.*/, `#${alice.fingerprint.replaceAll(" ", "")}`);
  expect(await rejection(alice.pairing.add(wrong))).toMatchObject({ code: "fingerprint_mismatch" });
  expect(await alice.contacts()).toEqual([]);
  for (let time = 0; time < 2; time++)
    expect(await alice.pairing.add(card)).toMatchObject({ username: "bob", verified: false });
  expect(await rejection(alice.pairing.add(wrong))).toMatchObject({ code: "fingerprint_mismatch" });
});

test("whatever is cut and whoever ends in between, what was begun is gone on with by whoever comes next", async () => {
  await using talk = await given({ for: "alice" });
  const { world, alice, bob, line } = talk;
  let cuts = 0;
  world.proxy.rule = ({ frame }) =>
    ["send", "commit", "ack", "offline_message", "message"].includes(frame.type) && (cuts += 1) < 16 && cuts % 3 === 0
      ? "cut"
      : undefined;
  await alice.pairing.take(line);
  await alice.close();
  const again = await world.open("alice");
  const [taken] = await again.pairing.taken();
  const pairing = taken?.paired({ timeout: 60_000 });
  follow(bob);
  await eventually("bob has paired", async () => (await bob.pairing.lines())[0]?.state === "paired");
  await bob.close();
  const later = await world.open("Bob");
  follow(later);
  expect((await pairing)?.verified).toBe(true);
  await caughtUp(later);
  expect((await later.contacts()).map(({ username, verified: is }) => [username, is])).toEqual([["alice", true]]);
});
