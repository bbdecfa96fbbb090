import { randomBytes } from "node:crypto";
import { describe, expect, test } from "vitest";
import { largestBody } from "../../src/crypto/content.ts";
import { defaultLimits } from "@aimessage/server";
import { bodies, eventually, follow, numbered, rejection, World } from "./world.ts";

const LARGEST = largestBody(defaultLimits().frameBytes);

describe("a message arrives once, and exactly", () => {
  const texts: Record<string, string> = {
    "one byte": "x",
    "100 KiB": "0123456789abcdef".repeat(6400),
    emoji: "👩🏽‍🚀 naïve — 漢字 \u{1F469}\u200D\u{1F680}",
    newlines: "first\n\nsecond\r\nthird\rfourth\n",
    NUL: "before\0after\0",
    "bidirectional controls and separators": "a\u202Eb\u2028c\u2029d\u0085e\u001b[31m",
    nothing: "",
    JSON: '{"type":"send","data":{"to":"alice"}}',
  };

  test.each(Object.entries(texts))("a text: %s", async (_, text) => {
    await using world = await World.create();
    const [alice, bob] = [await world.open("alice"), await world.open("bob")];
    follow(bob);
    const sent = await alice.send("bob", text);
    expect((await sent.handled()).state).toBe("handled");
    expect(await bodies(bob, 1)).toEqual([text]);
  });

  test("bytes that are no text, and the largest body that the relay's limits allow", async () => {
    await using world = await World.create();
    const [alice, bob] = [await world.open("alice"), await world.open("bob")];
    const got = follow(bob);
    const binary = new Uint8Array([0xff, 0xfe, 0, 0x80, 0xc0, ...randomBytes(1000)]);
    const largest = new Uint8Array(randomBytes(LARGEST));
    await (await alice.send("bob", binary)).handled();
    // The conversation is open now, or not yet: the largest fits either way.
    await (await alice.send("bob", largest)).handled();
    await (await bob.send("alice", largest)).stored();
    expect(got.map(({ bytes }) => Buffer.from(bytes).toString("base64"))).toEqual(
      [binary, largest].map((bytes) => Buffer.from(bytes).toString("base64")),
    );
    expect(got[0]?.contentType).toBe("application/octet-stream");
  });

  test("the largest body as the first message of a conversation", async () => {
    await using world = await World.create();
    const [alice, bob] = [await world.open("alice"), await world.open("bob")];
    const largest = "x".repeat(LARGEST);
    const sent = await alice.send("bob", largest);
    follow(bob);
    await sent.handled();
    expect((await bodies(bob, 1))[0] === largest).toBe(true);
  });

  test("one byte more than fits is refused before it is sent, and says the limit", async () => {
    await using world = await World.create();
    const alice = await world.open("alice");
    await world.open("bob");
    const error = await rejection(alice.send("bob", "x".repeat(LARGEST + 1)));
    expect(error.code).toBe("message_too_large");
    expect(error.message).toContain(String(LARGEST));
    expect(error.hint).toBeDefined();
    expect(world.proxy.sentBy("alice", "send")).toEqual([]);
  });
});

describe("the recipient is not there", () => {
  test(
    "300 messages to an agent that was never online since it registered arrive in order when it listens",
    { tags: ["long"] },
    async () => {
      await using world = await World.create();
      const alice = await world.open("alice");
      const bob = await world.open("bob");
      const texts = numbered(300);
      const sent = [];
      for (const text of texts) sent.push(await alice.send("bob", text));
      await Promise.all(sent.map((one) => one.stored()));
      follow(bob);
      expect(await bodies(bob, 300)).toEqual(texts);
      expect((await bob.inbox()).every((entry) => entry.offline)).toBe(true);
      await Promise.all(sent.map((one) => one.handled()));
    },
  );

  test(
    "300 messages to an agent that is offline arrive in order when it comes back, also in another process",
    { tags: ["long"] },
    async () => {
      await using world = await World.create();
      const alice = await world.open("alice");
      const before = await world.open("bob");
      follow(before);
      await (await alice.send("bob", "hello")).handled();
      await before.close();
      const texts = numbered(300);
      const sent = [];
      for (const text of texts) sent.push(await alice.send("bob", text));
      await Promise.all(sent.map((one) => one.stored()));
      const bob = await world.open("bob");
      follow(bob);
      expect(await bodies(bob, 301)).toEqual(["hello", ...texts]);
      await Promise.all(sent.map((one) => one.handled()));
    },
  );

  test("what its own agent could not send before it closed is sent when it is opened again", async () => {
    await using world = await World.create();
    const alice = await world.open("alice");
    const bob = await world.open("bob");
    world.proxy.rule = ({ agent }) => (agent === "alice" ? "cut" : undefined);
    await alice.send("bob", "later");
    await alice.close();
    world.proxy.rule = undefined;
    follow(await world.open("alice"));
    follow(bob);
    expect(await bodies(bob, 1)).toEqual(["later"]);
  });
});

test("the relay says whether a message was handed over or waits, also for the first of a conversation", async () => {
  await using world = await World.create();
  const [alice, bob] = [await world.open("alice"), await world.open("bob")];
  const waiting = await alice.send("bob", "waits");
  expect((await waiting.stored()).delivered).toBe(false);
  follow(bob);
  await waiting.handled();
  expect((await (await alice.send("bob", "live")).stored()).delivered).toBe(true);
  const carol = await world.open("carol");
  follow(carol);
  await eventually("carol is online", async () => (await alice.users()).includes("carol"));
  expect((await (await alice.send("carol", "first")).stored()).delivered).toBe(true);
});
