import { describe, expect, test } from "vitest";
import { bodies, follow, jump, numbered, rejection, temporaryFolder, World } from "./world.ts";

describe("in the middle of 300 messages", () => {
  test("rate limits slow them down; all arrive once, in order", { tags: ["long"] }, async () => {
    await using world = await World.create({ limits: { framesPerSecond: 200, framesBurst: 60 } });
    const [alice, bob] = [await world.open("alice"), await world.open("bob")];
    follow(bob);
    const sent = [];
    for (const text of numbered(300)) sent.push(await alice.send("bob", text));
    await Promise.all(sent.map((one) => one.handled()));
    expect(await bodies(bob, 300)).toEqual(numbered(300));
    const refused = world.proxy.recorded.filter(({ frame }) => frame.data?.["reason"] === "rate_limited");
    expect(refused.length).toBeGreaterThan(0);
  });

  test("the relay restarts, twice; all arrive once, in order", async () => {
    await using world = await World.create({ store: "sqlite", db: temporaryFolder() });
    const [alice, bob] = [await world.open("alice"), await world.open("bob")];
    follow(bob);
    const sent = [];
    for (const text of numbered(100)) sent.push(await alice.send("bob", text));
    await sent[20]?.stored();
    await world.stopRelay();
    for (const text of numbered(100, "second")) sent.push(await alice.send("bob", text));
    await world.startRelay();
    for (const text of numbered(100, "third")) sent.push(await alice.send("bob", text));
    await sent[150]?.stored();
    await world.stopRelay();
    await world.startRelay();
    await Promise.all(sent.map((one) => one.handled()));
    expect(await bodies(bob, 300)).toEqual([...numbered(100), ...numbered(100, "second"), ...numbered(100, "third")]);
  });
});

describe("diagnose", () => {
  const minutes = 6 * 60_000;

  test("names a message that waits although the relay answers", { tags: ["long"] }, async () => {
    await using world = await World.create();
    const [alice] = [await world.open("alice"), await world.open("bob")];
    world.proxy.rule = ({ toRelay, frame }) => (toRelay && frame.type === "commit" ? [] : undefined);
    const sent = await alice.send("bob", "hello");
    jump(minutes);
    const { checks } = await alice.diagnose();
    const outbox = checks.find(({ name }) => name === "outbox");
    expect(outbox).toMatchObject({ ok: false, text: expect.stringContaining(`${sent.id} to bob`) });
    world.proxy.rule = undefined;
    world.proxy.cut("alice");
    await sent.stored();
  });

  test("finds nothing wrong with messages that have only waited for a relay", async () => {
    await using world = await World.create();
    const [alice] = [await world.open("alice"), await world.open("bob")];
    world.proxy.rule = ({ agent }) => (agent === "alice" ? "cut" : undefined);
    for (const text of numbered(3)) await alice.send("bob", text);
    jump(minutes);
    world.proxy.rule = undefined;
    const { checks } = await alice.diagnose();
    expect(checks.find(({ name }) => name === "outbox")).toMatchObject({ ok: true });
  });
});

describe("a relay that this version does not understand", () => {
  test("another protocol version is relay_protocol, with what to do", async () => {
    await using world = await World.create();
    world.proxy.rule = ({ frame }) =>
      frame.type === "info" && frame.data["protocol"] !== undefined
        ? [{ ...frame, data: { ...frame.data, protocol: 2 } }]
        : undefined;
    const error = await rejection(world.open("alice"));
    expect(error.code).toBe("relay_protocol");
    expect(error.hint).toContain("update");
    world.proxy.rule = undefined;
    const alice = await world.open("alice");
    expect(await alice.users()).toEqual([]);
  });

  test("[R-15] nonsense for an answer is relay_protocol", async () => {
    await using world = await World.create();
    world.proxy.rule = ({ toRelay, frame }) =>
      !toRelay && frame.type === "info" ? [{ ...frame, data: { status: "fine, thanks" } }] : undefined;
    expect((await rejection(world.open("alice"))).code).toBe("relay_protocol");
    world.proxy.rule = undefined;
    const alice = await world.open("alice");
    await alice.users();
    world.proxy.rule = ({ toRelay, frame }) =>
      !toRelay && frame.type === "user_list" ? [{ ...frame, type: "cheese" }] : undefined;
    expect((await rejection(alice.users())).code).toBe("relay_protocol");
  });

  test("a server that is no relay is relay_unreachable, or relay_protocol", async () => {
    await using world = await World.create();
    world.proxy.target = "ws://127.0.0.1:1/ws";
    expect((await rejection(world.open("alice"))).code).toBe("relay_unreachable");
  });
});

describe("a clock that is an hour off", () => {
  test.each([
    ["behind", 3_600_000],
    ["ahead of", -3_600_000],
  ])("%s the relay's: registering, opening and expiry work", async (_, offset) => {
    await using world = await World.create({ clock: () => Date.now() + offset, uptime: () => Date.now() });
    const [alice, bob] = [await world.open("alice"), await world.open("bob")];
    await (await alice.send("bob", "hello", { expiresIn: 60_000 })).stored();
    const stale = await alice.send("bob", "soon stale", { expiresIn: 30_000 });
    await stale.stored();
    jump(31_000);
    const got = follow(bob);
    expect(await rejection(stale.handled())).toMatchObject({ code: "expired" });
    await (await alice.send("bob", "still fresh", { expiresIn: 60_000 })).handled();
    expect(got.map(({ body }) => body)).toEqual(["hello", "still fresh"]);
    expect(Math.abs(got[0]!.expiresAt! - (Date.now() + 29_000))).toBeLessThan(10_000);
    const { checks } = await bob.diagnose();
    expect(checks.find(({ name }) => name === "clock")).toMatchObject({ ok: false });
  });
});
