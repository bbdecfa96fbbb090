// [P-2.7], [P-11.2] of docs/protocol.md.
import { randomBytes } from "node:crypto";
import { afterEach, expect, test, vi } from "vitest";
import { eventually } from "../../../test/waiting.ts";
import { createRelay, type Limits } from "../src/index.ts";
import { newAgent, randomGroup } from "./agent.ts";
import { Bucket } from "../src/socket/rate-limit.ts";
import { RawClient, tokenClient } from "./raw-client.ts";

const relayWith = (limits: Partial<Limits>) => createRelay({ port: 0, store: "memory", noLimits: true, limits });

afterEach(() => void vi.restoreAllMocks());

/** The longest text that was parsed since. The clients of these tests parse answers, which are short. */
function parsed(): () => number {
  const spy = vi.spyOn(JSON, "parse");
  return () => Math.max(0, ...spy.mock.calls.map(([text]) => text.length));
}

const nested = (depth: number): string => `${"[".repeat(depth)}${"]".repeat(depth)}`;
const keys = (count: number): string => `{${Array.from({ length: count }, (_, i) => `"k${i}":0`).join(",")}}`;
const hostile: [string, string][] = [
  ["a heartbeat of many fields", `{"type":"heartbeat","id":"h","data":${keys(70_000)}}`],
  ["a heartbeat whose id comes last", `{"type":"heartbeat","data":${keys(70_000)},"id":"h"}`],
  ["a long info", `{"type":"info","id":"h","data":{"x":"${"x".repeat(900_000)}"}}`],
  ["a deep listen", `{"type":"listen","id":"h","data":{"x":${nested(400_000)}}}`],
  ["a deep send", `{"type":"send","id":"h","data":{"x":${nested(400_000)}}}`],
  ["a commit of many fields", `{"type":"commit","id":"h","data":${keys(70_000)}}`],
  ["a received of many elements", `{"type":"received","id":"h","data":[${"0,".repeat(400_000)}0]}`],
  ["an unknown frame", `{"type":"later","id":"h","data":{"x":${nested(400_000)}}}`],
];

test.each(hostile)("[A-9] %s is refused by its id, and not parsed", async (_, text) => {
  await using relay = await relayWith({});
  using client = await tokenClient(relay.url, "alice");
  const longest = parsed();
  client.socket.send(text);
  const answer = await client.read(({ reply_to }) => reply_to === "h");
  expect(["message_too_large", "invalid_data", "unknown_type"]).toContain(answer.data.reason);
  expect((await client.ask("heartbeat")).data.status).toBe("ok");
  expect(longest()).toBeLessThan(1000);
});

test("[A-9] before login a deep nest is not parsed either", async () => {
  await using relay = await relayWith({});
  using client = await RawClient.open(relay.url);
  const longest = parsed();
  for (const type of ["register", "authenticate", "heartbeat", "info", "send"])
    client.socket.send(`{"type":"${type}","id":"${type}","data":{"x":${nested(30_000)}}}`);
  for (const type of ["register", "authenticate", "heartbeat", "info", "send"])
    expect((await client.read(({ reply_to }) => reply_to === type)).type).toBe("error");
  expect(longest()).toBeLessThan(1000);
});

test("what is over the rate is answered by its id, blocks its group, and is not parsed", async () => {
  await using relay = await relayWith({ framesPerSecond: 1, framesBurst: 2 });
  const [alice, bob] = [await newAgent(relay.url, "alice"), await newAgent(relay.url, "bob")];
  using client = await alice.connect();
  const group = randomGroup();
  await client.ask("commit", alice.opening(bob, group));
  const longest = parsed();
  const data = { to: "bob", message: "x".repeat(200_000), group_id: group, epoch: 1, message_id: "m1" };
  const answer = await client.ask("send", data);
  expect(answer.data).toMatchObject({ reason: "rate_limited", message_id: "m1" });
  expect(longest()).toBeLessThan(1000);
  await eventually("its group is blocked, once the rate allows to see it", async () => {
    const { data: later } = await client.ask("send", { ...data, message: "x", message_id: "m2" });
    return later.reason === "send_blocked";
  });
});

test("a send that is not parsed for its shape blocks its group [P-6.5]", async () => {
  await using relay = await relayWith({});
  const [alice, bob] = [await newAgent(relay.url, "alice"), await newAgent(relay.url, "bob")];
  using client = await alice.connect();
  const group = randomGroup();
  await client.ask("commit", alice.opening(bob, group));
  const data = { to: "bob", message: "x", group_id: group, epoch: 1 };
  const deep = JSON.parse(nested(20)) as unknown;
  expect((await client.ask("send", { deep, ...data })).data.reason).toBe("invalid_data");
  expect((await client.ask("send", data)).data.reason).toBe("send_blocked");
  expect((await client.ask("send", { ...data, resume: true })).data.status).toBe("stored_offline");
});

test("[A-9] signs of life count by their size, and frames by their fields", async () => {
  await using relay = await relayWith({
    lightFramesPerSecond: 1,
    lightFramesBurst: 10,
    framesPerSecond: 1,
    framesBurst: 30,
  });
  using client = await tokenClient(relay.url, "alice");
  const heartbeat = async () => (await client.ask("heartbeat", { x: "x".repeat(3500) })).data.reason;
  expect([await heartbeat(), await heartbeat(), await heartbeat()]).toEqual([undefined, undefined, "rate_limited"]);
  const list = async () => (await client.ask("commit", { x: Array.from({ length: 9000 }, () => 0) })).data.reason;
  expect([await list(), await list()]).toEqual(["invalid_data", "rate_limited"]);
});

test("[A-8] what is over a rate pauses all that sends it, the longer the more it is", () => {
  const bucket = new Bucket(10, 1);
  expect(bucket.charge(1)).toBeUndefined();
  const pauses = Array.from({ length: 30 }, () => bucket.charge(1)?.pauseMs ?? 0);
  expect(pauses[0]).toBeGreaterThan(50);
  expect(pauses[3]).toBeGreaterThan(3 * 50);
  // A rate is reckoned in fractions.
  expect(Math.round(pauses.at(-1) ?? Infinity)).toBeLessThanOrEqual(1000);
  expect(pauses.at(-1)).toBeGreaterThan(900);
});

test("[A-8] of a flood that is over its rate little is answered, and of pings little is read", async () => {
  await using relay = await relayWith({
    framesPerSecond: 100,
    framesBurst: 10,
    lightFramesPerSecond: 100,
    lightFramesBurst: 10,
  });
  for (const flood of ["frames", "pings"]) {
    using client = await tokenClient(relay.url, flood);
    let heard = 0;
    client.socket.on("message", () => (heard += 1));
    client.socket.on("pong", () => (heard += 1));
    const until = performance.now() + 500;
    while (performance.now() < until) {
      for (let count = 0; count < 1000; count++)
        if (flood === "pings") client.socket.ping("x".repeat(100));
        else client.write("list_users", { filler: "x".repeat(1000) });
      await new Promise((resolve) => setImmediate(resolve));
    }
    // What the system reads at once is 64 KiB.
    expect(heard).toBeLessThan(1000);
  }
});

test.each(["another listens in its turn", "its connection ends"])(
  "[A-9] mail that is pushed again and again without being acknowledged counts for its account: %s",
  async (how) => {
    const BYTES = 700_000;
    await using relay = await createRelay({
      port: 0,
      store: "memory",
      noLimits: true,
      limits: { framesPerSecond: 1, framesBurst: 100 },
    });
    const [alice, bob] = [await newAgent(relay.url, "alice"), await newAgent(relay.url, "bob")];
    using sender = await alice.connect();
    const group = randomGroup();
    await sender.ask("commit", alice.opening(bob, group));
    const message = randomBytes(BYTES).toString("base64");
    for (const message_id of ["m1", "m2", "m3"])
      await sender.ask("send", { to: "bob", message, group_id: group, epoch: 1, message_id });
    let refused: string | undefined;
    let rounds = 0;
    let before: RawClient | undefined;
    for (; refused === undefined && rounds < 10; rounds++) {
      const client = await bob.connect();
      const { type, data } = await client.ask("listen");
      if (type === "error") refused = data.reason;
      else await client.read(({ data }) => data.message_id === "m3");
      if (how === "its connection ends") client[Symbol.dispose]();
      before?.[Symbol.dispose]();
      before = client;
    }
    before?.[Symbol.dispose]();
    expect({ refused, isSoon: rounds < 7 }).toEqual({ refused: "rate_limited", isSoon: true });
  },
);
