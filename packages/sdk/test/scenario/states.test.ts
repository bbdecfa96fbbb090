import { describe, expect, test } from "vitest";
import { atRest, eventually, follow, jump, numbered, rejection, SAME_CLOCK, World } from "./world.ts";

describe("states of a message", () => {
  test("it is stored, then received, then handled, and says so to whoever asks", async () => {
    await using world = await World.create();
    const [alice, bob] = [await world.open("alice"), await world.open("bob")];
    const sent = await alice.send("bob", "hello");
    expect((await sent.status()).state).toBe("queued");
    expect((await sent.stored()).state).toBe("stored");
    const release = Promise.withResolvers<void>();
    follow(bob, async (message) => {
      await release.promise;
      await message.handled();
    });
    expect((await sent.received()).state).toBe("received");
    expect((await alice.status(sent.id))?.state).toBe("received");
    release.resolve();
    expect((await sent.handled()).state).toBe("handled");
  });

  test("an agent that closes right after it has handled a message has told its sender", async () => {
    await using world = await World.create();
    const [alice, bob] = [await world.open("alice"), await world.open("bob")];
    const sent = [await alice.send("bob", "one"), await alice.send("bob", "two")];
    for await (const message of bob.messages()) {
      await message.handled();
      if (message.body === "two") break;
    }
    await bob.close();
    for (const one of sent) expect((await one.handled()).state).toBe("handled");
  });

  test("what has arrived and is handled in the same moment is said by one receipt", async () => {
    await using world = await World.create({ noLimits: true });
    const [alice, bob] = [await world.open("alice"), await world.open("bob")];
    follow(bob);
    await (await alice.send("bob", "hello")).handled();
    const before = world.proxy.sentBy("bob", "send").length;
    const texts = numbered(20);
    for (const text of texts) await (await alice.send("bob", text)).handled();
    const receipts = world.proxy.sentBy("bob", "send").length - before;
    expect(receipts).toBeLessThan(2 * texts.length);
  });

  test("an agent that is removed tells the senders of what it never handled", async () => {
    await using world = await World.create();
    const [alice, bob] = [await world.open("alice"), await world.open("bob")];
    const [first, second] = [await alice.send("bob", "never read"), await alice.send("bob", "nor this")];
    await second.stored();
    await alice.close();
    await bob.unregister();
    const again = await world.open("alice");
    await again.sync();
    for (const { id } of [first, second])
      expect(await again.status(id)).toMatchObject({ state: "failed", reason: "unregistered" });
  });

  test("reasons are words of others: none of them is looked up as code", async () => {
    await using world = await World.create();
    const [alice, bob] = [await world.open("alice"), await world.open("bob")];
    follow(bob, (message) => message.failed("constructor"));
    const error = await rejection((await alice.send("bob", "x")).handled());
    expect(error).toMatchObject({ code: "failed", reason: "constructor", hint: undefined });
  });

  test("handled() rejects with the reason of the handler that gave up", async () => {
    await using world = await World.create();
    const [alice, bob] = [await world.open("alice"), await world.open("bob")];
    follow(bob, (message) => message.failed("the printer is on fire"));
    const sent = await alice.send("bob", "print this");
    const error = await rejection(sent.handled());
    expect(error).toMatchObject({ code: "failed", reason: "the printer is on fire" });
    expect(error.message).toContain("the printer is on fire");
    expect(await alice.status(sent.id)).toMatchObject({ state: "failed", reason: "the printer is on fire" });
  });

  test("a final state does not change: handled after failed, failed after handled", async () => {
    await using world = await World.create();
    const [alice, bob] = [await world.open("alice"), await world.open("bob")];
    follow(bob, async (message) => {
      if (message.body === "fails") await message.failed("no");
      await message.handled();
      await message.failed("too late");
    });
    const fails = await alice.send("bob", "fails");
    const works = await alice.send("bob", "works");
    expect((await works.handled()).state).toBe("handled");
    await atRest(world, alice, bob);
    expect((await fails.status()).state).toBe("failed");
    expect((await works.status()).state).toBe("handled");
  });

  test("an expiry that passes before it was sent ends it here", async () => {
    await using world = await World.create();
    const [alice, bob] = [await world.open("alice"), await world.open("bob")];
    world.proxy.rule = ({ agent }) => (agent === "alice" ? "cut" : undefined);
    const sent = await alice.send("bob", "soon stale", { expiresIn: 50 });
    const error = await rejection(sent.handled());
    world.proxy.rule = undefined;
    expect(error).toMatchObject({ code: "expired", reason: "expired" });
    expect(world.proxy.sentBy("alice", "commit")).toEqual([]);
    follow(bob);
    await (await alice.send("bob", "fresh")).handled();
    expect((await bob.inbox()).map((entry) => entry.body)).toEqual(["fresh"]);
  });

  test("one that expires in the frame that opens a conversation takes no other with it", async () => {
    let ahead = 0;
    await using world = await World.create({ clock: () => Date.now() + ahead, uptime: () => Date.now() + ahead });
    const [alice, bob] = [await world.open("alice"), await world.open("bob")];
    follow(bob);
    world.proxy.rule = ({ agent, toRelay, frame }) => {
      if (agent === "alice" && toRelay && frame.type === "commit") ahead = 60_000;
      return undefined;
    };
    const sending = [
      alice.send("bob", "first"),
      alice.send("bob", "soon stale", { expiresIn: 30_000 }),
      alice.send("bob", "last"),
    ];
    const [first, stale, last] = await Promise.all(sending);
    expect(await rejection(stale!.handled())).toMatchObject({ code: "expired" });
    for (const sent of [first, last]) await sent!.handled();
    expect((await bob.inbox()).map(({ body }) => body)).toEqual(["first", "last"]);
  });

  test("one that has expired at the relay is not received by what follows it", async () => {
    await using world = await World.create(SAME_CLOCK);
    const [alice, bob] = [await world.open("alice"), await world.open("bob")];
    follow(bob);
    await (await alice.send("bob", "hello")).handled();
    await bob.close();
    const stale = await alice.send("bob", "soon stale", { expiresIn: 30_000 });
    await stale.stored();
    const next = await alice.send("bob", "next");
    await next.stored();
    jump(31_000);
    const again = await world.open("bob");
    follow(again);
    await next.handled();
    await eventually("its sender knows", async () => (await stale.status()).state === "expired");
    await atRest(world, alice, again);
    expect(await stale.status()).toMatchObject({ state: "expired" });
  });

  test("an expiry that passes at the relay is told by its notice", async () => {
    await using world = await World.create(SAME_CLOCK);
    const [alice, bob] = [await world.open("alice"), await world.open("bob")];
    const sent = await alice.send("bob", "soon stale", { expiresIn: 30_000 });
    await sent.stored();
    jump(31_000);
    follow(bob);
    expect(await rejection(sent.handled())).toMatchObject({ code: "expired" });
    expect(await alice.status(sent.id)).toMatchObject({ state: "expired" });
    await (await alice.send("bob", "fresh")).handled();
    expect((await bob.inbox()).map((entry) => entry.body)).toEqual(["fresh"]);
  });

  test("an expiry that passes in the recipient's inbox is told by its receipt", async () => {
    await using world = await World.create();
    const [alice, bob] = [await world.open("alice"), await world.open("bob")];
    const first = await alice.send("bob", "takes its time");
    const second = await alice.send("bob", "soon stale", { expiresIn: 30_000 });
    const got = follow(bob, async (message) => {
      await second.received();
      jump(31_000);
      await message.handled();
    });
    await first.handled();
    expect(await rejection(second.handled())).toMatchObject({ code: "failed", reason: "expired" });
    expect(got.map(({ body }) => body)).toEqual(["takes its time"]);
  });

  test("a name that nobody has is refused as unknown_user", async () => {
    await using world = await World.create();
    const alice = await world.open("alice");
    const sent = await alice.send("nobody", "hello?");
    const error = await rejection(sent.stored());
    expect(error).toMatchObject({ code: "refused", reason: "unknown_user" });
    expect(error.hint).toBeDefined();
    expect(await alice.status(sent.id)).toMatchObject({ state: "refused", reason: "unknown_user" });
  });

  test("a full mailbox refuses what does not fit as mailbox_full, and what fitted arrives", async () => {
    await using world = await World.create({ limits: { mailboxMessages: 20 } });
    const [alice, bob] = [await world.open("alice"), await world.open("bob")];
    const sent = [];
    for (const text of numbered(12)) {
      const one = await alice.send("bob", text);
      sent.push(one);
      await eventually("it is settled", async () => (await one.status()).state !== "queued");
    }
    const states = await Promise.all(sent.map((one) => one.status()));
    const refused = states.findIndex(({ state }) => state === "refused");
    expect(refused).toBeGreaterThan(0);
    expect(states[refused]).toMatchObject({ reason: "mailbox_full" });
    expect(await rejection(sent[refused]!.stored())).toMatchObject({ code: "refused", reason: "mailbox_full" });
    follow(bob);
    const kept = sent.filter((_, index) => states[index]?.state === "stored");
    await Promise.all(kept.map((one) => one.handled()));
    expect((await bob.inbox()).length).toBe(kept.length);
    await (await alice.send("bob", "there is room again")).handled();
  });

  test("states are still known after the store was opened again", async () => {
    await using world = await World.create();
    const folder = world.folder();
    const alice = await world.open("alice", await world.sqlite(folder));
    const bob = await world.open("bob");
    follow(bob, (message) => (message.body === "no" ? message.failed("no means no") : message.handled()));
    const yes = await alice.send("bob", "yes");
    const no = await alice.send("bob", "no");
    const lost = await alice.send("nobody", "lost");
    await yes.handled();
    await rejection(no.handled());
    await rejection(lost.stored());
    await alice.close();
    const again = await world.open("alice", await world.sqlite(folder));
    expect(await again.status(yes.id)).toMatchObject({ state: "handled", to: "bob" });
    expect(await again.status(no.id)).toMatchObject({ state: "failed", reason: "no means no" });
    expect(await again.status(lost.id)).toMatchObject({ state: "refused", reason: "unknown_user" });
    expect(await again.status("unheard-of")).toBeUndefined();
    expect((await (await again.sent(yes.id))?.handled())?.state).toBe("handled");
  });

  test("waiting ends with timeout, and with the abort of its signal; the message goes on", async () => {
    await using world = await World.create();
    const [alice, bob] = [await world.open("alice"), await world.open("bob")];
    const sent = await alice.send("bob", "hello");
    expect((await rejection(sent.received({ timeout: 50 }))).code).toBe("timeout");
    const controller = new AbortController();
    const waiting = rejection(sent.received({ signal: controller.signal }));
    controller.abort();
    expect((await waiting).code).toBe("aborted");
    follow(bob);
    expect((await sent.handled()).state).toBe("handled");
  });
});

test("waiting for an empty outbox ends when everything has left, or says how much has not", async () => {
  await using world = await World.create();
  const [alice] = [await world.open("alice"), await world.open("bob")];
  expect(await alice.outbox.drained()).toBe(0);
  await (await alice.send("bob", "hello")).stored();
  world.proxy.rule = ({ agent, toRelay, frame }) =>
    agent === "alice" && toRelay && frame.type === "send" ? [] : undefined;
  await alice.send("bob", "held back");
  await alice.send("bob", "held back, too");
  expect(await alice.outbox.drained({ timeout: 50 })).toBe(2);
  world.proxy.rule = undefined;
  world.proxy.cut("alice");
  expect(await alice.outbox.drained()).toBe(0);
});
