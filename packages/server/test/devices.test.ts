// [P-3.4], [P-3.5], [P-7.1], [P-7.3] of docs/protocol.md.

import { expect, test } from "vitest";
import { createRelay } from "../src/index.ts";
import { Agent, newAgent, randomGroup } from "./agent.ts";
import { loginToken, RawClient, registerToken, tokenClient } from "./raw-client.ts";

const relayForTest = () => createRelay({ port: 0, store: "memory", noLimits: true });

test("a new device replaces the old one, and everybody concerned is told", async () => {
  await using relay = await relayForTest();
  const alice = await newAgent(relay.url, "alice");
  const bob = await newAgent(relay.url, "bob");
  using a = await alice.connect();
  await a.ask("listen");
  using old = await bob.connect();
  const group = randomGroup();
  await a.ask("commit", alice.opening(bob, group, [{ message_id: "m1" }]));
  await a.ask("send", { to: "bob", message: "eA==", group_id: group, epoch: 1, message_id: "m2" });

  const next = await newAgent(relay.url, "bob", { identity: bob.identity, counter: 2, packages: 1 });
  expect((await old.read()).data).toMatchObject({ code: 409, reason: "device_replaced" });
  expect(await old.closed).toEqual({ code: 4001, reason: "device_replaced" });
  for (const message_id of ["m1", "m2"])
    expect((await a.read()).data).toMatchObject({
      kind: "notice",
      from: "bob",
      message_id,
      status: "dropped",
      reason: "device_replaced",
    });
  expect(
    (await a.ask("send", { to: "bob", message: "eA==", group_id: group, epoch: 1, message_id: "m3" })).data.reason,
  ).toBe("device_replaced");
  expect((await a.ask("commit", { commit_id: "c1", group_id: group, epoch: 1, commit: "Yw==" })).data.reason).toBe(
    "device_replaced",
  );
  expect((await a.ask("claim_keys", { username: "bob" })).data).toMatchObject({
    device: { id: next.deviceId },
    key_package: next.keyPackages[0],
  });
  using late = await RawClient.open(relay.url);
  await expect(bob.challenge(late)).rejects.toThrow("device_replaced");
  using b = await next.connect();
  expect((await b.ask("listen")).data).toMatchObject({ high_water: 0, key_packages: 0 });
  expect((await a.ask("commit", alice.opening(next, randomGroup()))).data.status).toBe("committed");
  expect((await b.read()).data.kind).toBe("welcome");
});

test("a device with a lower or equal counter cannot come back", async () => {
  await using relay = await relayForTest();
  const first = await newAgent(relay.url, "alice");
  await newAgent(relay.url, "alice", { identity: first.identity, counter: 3 });
  using client = await RawClient.open(relay.url);
  for (const agent of [
    first,
    ...[2, 3].map((counter) => new Agent(relay.url, "alice", { identity: first.identity, counter })),
  ])
    expect((await client.ask("register", agent.registration())).data).toMatchObject({
      code: 409,
      reason: "device_counter",
      highest: 3,
    });
});

test("an account that unregisters is gone; its senders are told and its name stays reserved", async () => {
  await using relay = await relayForTest();
  const alice = await newAgent(relay.url, "alice");
  const bob = await newAgent(relay.url, "bob");
  using a = await alice.connect();
  await a.ask("listen");
  await a.ask("commit", alice.opening(bob, randomGroup(), [{ message_id: "m1" }]));
  using b = await bob.connect();
  using other = await bob.connect();
  expect((await b.ask("unregister")).data.status).toBe("unregistered");
  expect((await b.closed).code).toBe(4002);
  expect((await other.closed).code).toBe(4002);
  expect((await a.read()).data).toMatchObject({ message_id: "m1", status: "dropped", reason: "unregistered" });
  expect((await a.ask("lookup", { username: "bob" })).data).toMatchObject({ code: 404, reason: "unknown_user" });
  expect((await a.ask("claim_keys", { username: "bob" })).data.reason).toBe("unknown_user");
  using late = await RawClient.open(relay.url);
  expect((await late.ask("register", { username: "Bob" })).data.reason).toBe("username_taken");
  await expect(bob.challenge(late)).rejects.toThrow("invalid_credentials");
});

test("a name that was unregistered and not released stays reserved, and its hint says so", async () => {
  await using relay = await relayForTest();
  using bob = await tokenClient(relay.url, "bob");
  await bob.ask("unregister");
  await bob.closed;
  using late = await RawClient.open(relay.url);
  expect((await late.ask("register", { username: "Bob" })).data).toMatchObject({
    reason: "username_taken",
    hint: expect.stringContaining("stays reserved"),
  });
});

test("a released name can be registered again, and inherits nothing", async () => {
  await using relay = await relayForTest();
  using sender = await tokenClient(relay.url, "sender");
  using bob = await tokenClient(relay.url, "bob");
  using second = await RawClient.open(relay.url);
  await bob.ask("unregister", { release: true });
  await bob.closed;
  await sender.ask("heartbeat");
  const again = await registerToken(second, "bob");
  expect(await loginToken(second, again)).toHaveLength(1);
  expect((await sender.ask("send", { to: "bob", message: "for the new one" })).data.status).toBe("delivered");
});

test("a full agent inherits nothing that token accounts left for its name", async () => {
  await using relay = await relayForTest();
  using token = await tokenClient(relay.url, "token-user");
  expect((await token.ask("send", { to: "carol", message: "plain" })).data.status).toBe("stored_offline");
  const carol = await newAgent(relay.url, "carol");
  using c = await carol.connect();
  expect((await c.ask("listen")).data.high_water).toBe(0);
});

test("a lookup tells the kind of an account, and who speaks for it", async () => {
  await using relay = await relayForTest();
  const alice = await newAgent(relay.url, "Alice");
  using token = await tokenClient(relay.url, "token-user");
  expect((await token.ask("lookup", { username: "ALICE" })).data).toEqual({
    username: "Alice",
    kind: "key",
    identity_key: Buffer.from(alice.identity.bytes).toString("base64"),
    device: { id: alice.deviceId, key: expect.any(String), certificate: expect.any(String) },
  });
  expect((await token.ask("lookup", { username: "token-user" })).data).toEqual({
    username: "token-user",
    kind: "token",
  });
});

test("online are full agents that listen and token accounts that are logged in", async () => {
  await using relay = await relayForTest();
  const alice = await newAgent(relay.url, "alice");
  using a = await alice.connect();
  using token = await tokenClient(relay.url, "token-user");
  expect((await token.ask("list_users")).data.users).toEqual([]);
  await a.ask("listen");
  expect((await token.ask("list_users")).data.users).toEqual(["alice"]);
  expect((await a.ask("list_users")).data.users).toEqual(["token-user"]);
});
