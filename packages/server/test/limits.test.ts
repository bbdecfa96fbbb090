// [P-1.3], [P-1.5], [P-11] of docs/protocol.md.

import { once } from "node:events";
import { expect, test } from "vitest";
import { WebSocket } from "ws";
import { moveOn } from "../../../test/clocks.ts";
import { eventually } from "../../../test/waiting.ts";
import { createRelay, type Limits } from "../src/index.ts";
import { newAgent, randomGroup } from "./agent.ts";
import { RawClient, tokenClient } from "./raw-client.ts";

const relayWith = (limits: Partial<Limits>) => createRelay({ port: 0, store: "memory", noLimits: true, limits });

test("before login every frame of a connection counts; over the limit the connection stays", async () => {
  await using relay = await relayWith({ loginFramesPerSecond: 10, loginFramesBurst: 5 });
  using client = await RawClient.open(relay.url);
  for (let count = 0; count < 8; count++) client.socket.send(count % 2 === 0 ? "junk" : '{"type":"heartbeat"}');
  const answers = [];
  for (let count = 0; count < 8; count++) answers.push((await client.read()).data);
  const limited = answers.filter(({ code }) => code === 429);
  expect(limited.length).toBeGreaterThanOrEqual(1);
  expect(limited[0]).toMatchObject({ message: "Rate limit exceeded", reason: "rate_limited" });
  expect(limited[0].retry_after_ms).toBeGreaterThan(0);
  await eventually("the connection is served again", async () => (await client.ask("heartbeat")).data.status === "ok");
});

test("after login an account has one limit over all its connections; heartbeats have their own", async () => {
  await using relay = await relayWith({ framesPerSecond: 1, framesBurst: 10 });
  const alice = await newAgent(relay.url, "alice");
  using one = await alice.connect();
  using two = await alice.connect();
  const reasons = [];
  for (let count = 0; count < 7; count++)
    for (const client of [one, two]) reasons.push((await client.ask("list_users")).data.reason);
  expect(reasons.slice(0, 10)).toEqual(Array.from({ length: 10 }));
  expect(reasons.slice(11)).toContain("rate_limited");
  for (let count = 0; count < 50; count++) expect((await one.ask("heartbeat")).data.status).toBe("ok");
});

test("a rate-limited send blocks its group, so that order is kept", async () => {
  await using relay = await relayWith({ framesPerSecond: 20, framesBurst: 4 });
  const alice = await newAgent(relay.url, "alice");
  const bob = await newAgent(relay.url, "bob");
  using a = await alice.connect();
  const group = randomGroup();
  await a.ask("commit", alice.opening(bob, group));
  const answers = await Promise.all(
    Array.from({ length: 8 }, (_, index) =>
      a.ask("send", { to: "bob", message: "x", group_id: group, epoch: 1, message_id: `m${index}` }),
    ),
  );
  const outcomes = answers.map(({ data }) => data.status ?? data.reason);
  const firstRefusal = outcomes.indexOf("rate_limited");
  expect(firstRefusal).toBeGreaterThan(0);
  expect(outcomes.slice(firstRefusal)).not.toContain("stored_offline");
  const more = await eventually("the account is within its rate again", async () => {
    const { reason } = (await a.ask("send", { to: "bob", message: "x", group_id: group, epoch: 1 })).data;
    return reason === "rate_limited" ? undefined : (reason as string);
  });
  expect(more).toBe("send_blocked");
});

test("a frame that is too large closes the connection with 1009, a smaller one before login", async () => {
  await using relay = await relayWith({ frameBytes: 4000, frameBytesUnauthenticated: 1000 });
  using stranger = await RawClient.open(relay.url);
  stranger.socket.send("x".repeat(1001));
  expect((await stranger.read()).data).toMatchObject({ code: 413, reason: "message_too_large" });
  expect((await stranger.closed).code).toBe(1009);
  using client = await tokenClient(relay.url, "alice");
  expect((await client.ask("send", { to: "alice", message: "x".repeat(3000) })).data.status).toBe("delivered");
  client.socket.send("x".repeat(4001));
  expect((await client.closed).code).toBe(1009);
});

test("info says the limits before login", async () => {
  await using relay = await createRelay({ port: 0, store: "memory" });
  using client = await RawClient.open(relay.url);
  expect((await client.ask("info")).data).toMatchObject({
    protocol: 1,
    suite: "MLS_256_XWING_AES256GCM_SHA512_Ed25519",
    names: relay.names,
    features: expect.arrayContaining(["commit", "claim_keys"]),
    limits: {
      frame_bytes: 1024 * 1024,
      frame_bytes_unauthenticated: 64 * 1024,
      mailbox_messages: 50_000,
      frames_per_second: 200,
      frames_burst: 400,
      key_packages: 100,
    },
  });
});

async function connect(url: string): Promise<string> {
  const socket = new WebSocket(url);
  const [result] = (await Promise.race([
    once(socket, "open").then(() => ["open"]),
    once(socket, "unexpected-response").then(([, response]) => [
      `${response.statusCode} retry-after ${response.headers["retry-after"]}`,
    ]),
  ])) as [string];
  socket.on("error", () => {});
  socket.terminate();
  return result;
}

test("[A-8] new connections are limited, by address and together", async () => {
  for (const limits of [
    { connectionsPerSecond: 1, connectionsBurst: 2 },
    { addressConnectionsPerSecond: 1, addressConnectionsBurst: 2 },
  ]) {
    await using relay = await relayWith(limits);
    expect([await connect(relay.url), await connect(relay.url), await connect(relay.url)]).toEqual([
      "open",
      "open",
      "429 retry-after 1",
    ]);
  }
});

test("[A-8] open connections are bounded", async () => {
  await using relay = await relayWith({ maxConnections: 1 });
  using first = await RawClient.open(relay.url);
  expect(await connect(relay.url)).toMatch(/^503/);
  expect((await first.ask("heartbeat")).type).toBe("ack");
});

test("[A-7] registrations of one address are limited, but not the repeats of another", async () => {
  await using relay = await createRelay({
    port: 0,
    store: "memory",
    noLimits: true,
    trustProxy: true,
    tokenAccounts: "on",
    limits: { registrationsPerSecond: 1, registrationsBurst: 2 },
  });
  using client = await RawClient.open(relay.url, { headers: { "x-forwarded-for": "spoofed, 10.0.0.1" } });
  const reasons = [];
  for (const username of ["aaa", "bbb", "ccc"]) reasons.push((await client.ask("register", { username })).data.reason);
  expect(reasons).toEqual([undefined, undefined, "rate_limited"]);
  // What the client says of itself does not count.
  using same = await RawClient.open(relay.url, { headers: { "x-forwarded-for": "10.0.0.3, 10.0.0.1" } });
  expect((await same.ask("register", { username: "ccc" })).data.reason).toBe("rate_limited");
  using other = await RawClient.open(relay.url, { headers: { "x-forwarded-for": "10.0.0.2" } });
  expect((await other.ask("register", { username: "ddd" })).type).toBe("registered");
});

test("a connection that never logs in is closed, one that is logged in stays", async () => {
  await using relay = await relayWith({ loginTimeout: 60_000, readDeadline: 600_000, pingInterval: 20 });
  using user = await tokenClient(relay.url, "alice");
  using idle = await RawClient.open(relay.url);
  moveOn(61_000);
  await idle.closed;
  expect((await user.ask("heartbeat")).data.status).toBe("ok");
});

test("a silent connection is pinged, and ended if it does not answer", async () => {
  await using relay = await relayWith({ pingInterval: 20, readDeadline: 60_000 });
  using alive = await RawClient.open(relay.url);
  using deaf = await RawClient.open(relay.url, { autoPong: false });
  for (let step = 0; step < 4; step++) {
    moveOn(20_000);
    // The second tells that the pong to the first was heard.
    for (let ping = 0; ping < 2; ping++) await once(alive.socket, "ping");
  }
  await deaf.closed;
  expect((await alive.ask("heartbeat")).data.status).toBe("ok");
});

test("[A-8] a client that asks and does not read is dropped before it fills the memory", async () => {
  await using relay = await relayWith({ bufferedBytes: 100_000 });
  using client = await tokenClient(relay.url, "alice");
  client.socket.pause();
  const ended = new Promise((resolve) => client.socket.on("close", resolve));
  using bob = await tokenClient(relay.url, "bob");
  await eventually("the relay has dropped it", async () => {
    for (let count = 0; count < 2000; count++) client.write("info");
    return (await bob.ask("list_users")).data.users.length === 0;
  });
  client.socket.resume();
  await ended;
  expect((await bob.ask("heartbeat")).data.status).toBe("ok");
});
