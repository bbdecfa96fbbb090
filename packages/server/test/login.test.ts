// [P-3.3], [P-4] of docs/protocol.md.

import { expect, onTestFinished, test, vi } from "vitest";
import { createRelay } from "../src/index.ts";
import { Agent, newAgent } from "./agent.ts";
import { RawClient, tokenClient } from "./raw-client.ts";

const relayForTest = () => createRelay({ port: 0, store: "memory", noLimits: true });

test("a registration is answered the same when it is repeated", async () => {
  await using relay = await relayForTest();
  using client = await RawClient.open(relay.url);
  const alice = new Agent(relay.url, "Alice");
  for (let round = 0; round < 2; round++)
    expect(await client.ask("register", alice.registration())).toMatchObject({
      type: "registered",
      data: { username: "Alice", device: alice.deviceId },
    });
  expect((await alice.login(client)).data.status).toBe("authenticated");
  expect((await client.ask("listen")).data.key_packages).toBe(8);
});

test("another identity cannot take a name", async () => {
  await using relay = await relayForTest();
  using client = await RawClient.open(relay.url);
  await newAgent(relay.url, "alice");
  expect((await client.ask("register", new Agent(relay.url, "ALICE").registration())).data).toMatchObject({
    code: 409,
    message: "Registration failed: user ALICE already exists",
  });
  expect((await client.ask("register", { username: "alice" })).data.reason).toBe("username_taken");
});

test("a registration with anything changed is refused", async () => {
  await using relay = await relayForTest();
  using client = await RawClient.open(relay.url);
  const good = new Agent(relay.url, "alice").registration();
  const other = new Agent(relay.url, "alice").registration();
  const device = good["device"] as object;
  const otherDevice = other["device"] as Record<string, string>;
  for (const change of [
    { username: "alicf" },
    { identity_key: other["identity_key"] },
    { identity_key: "" },
    { key_packages: ["AAAA"] },
    { last_resort: "AAAA" },
    { last_resort: undefined },
    { signature: other["signature"] },
    { signature: "" },
    { device: { ...device, id: "other" } },
    { device: { ...device, key: otherDevice["key"] } },
    { device: { ...device, certificate: otherDevice["certificate"] } },
    { device: { ...device, certificate: "AAAA" } },
  ])
    expect((await client.ask("register", { ...good, ...change })).data.reason, JSON.stringify(change)).toBe(
      "invalid_certificate",
    );
  expect((await client.ask("register", { ...good, relay: "evil.example" })).data.reason).toBe("wrong_relay_name");
  expect((await client.ask("register", { ...good, relay: undefined })).data.message).toBe("Invalid registration data");
  expect((await client.ask("register", good)).type).toBe("registered");
});

test("[A-6] a login is accepted once: neither its replay nor its counter works again", async () => {
  await using relay = await relayForTest();
  const alice = await newAgent(relay.url, "alice");
  using client = await RawClient.open(relay.url);
  const answer = alice.answer(await alice.challenge(client), 5);
  expect((await client.ask("authenticate", answer)).data.status).toBe("authenticated");

  using replay = await RawClient.open(relay.url);
  expect((await replay.ask("authenticate", answer)).data.reason).toBe("challenge_invalid");
  await alice.challenge(replay);
  expect((await replay.ask("authenticate", answer)).data.reason).toBe("challenge_response");

  for (const counter of [4, 5])
    expect((await replay.ask("authenticate", alice.answer(await alice.challenge(replay), counter))).data).toMatchObject(
      {
        code: 409,
        reason: "login_counter",
        highest: 5,
      },
    );
  expect((await replay.ask("authenticate", alice.answer(await alice.challenge(replay), 6))).data.status).toBe(
    "authenticated",
  );
});

test("a stranger neither learns nor moves a login counter", async () => {
  await using relay = await relayForTest();
  const alice = await newAgent(relay.url, "alice");
  const stranger = new Agent(relay.url, "alice");
  using client = await RawClient.open(relay.url);
  for (const counter of [1, 1000]) {
    const { data } = await client.ask("authenticate", stranger.answer(await alice.challenge(client), counter));
    expect(data).toMatchObject({ code: 401, reason: "challenge_response" });
    expect(data.highest).toBeUndefined();
  }
  expect((await alice.login(client)).data.status).toBe("authenticated");
});

test("[A-6] a login names this relay, so that another one cannot pass it on", async () => {
  await using relay = await createRelay({
    port: 0,
    store: "memory",
    publicUrls: ["wss://Relay.Example/ws", "ws://localhost:1234"],
  });
  expect(relay.names).toEqual(["relay.example", "localhost:1234"]);
  const alice = new Agent(relay.url, "alice");
  using client = await RawClient.open(relay.url);
  expect((await client.ask("register", alice.registration())).data).toMatchObject({
    code: 401,
    reason: "wrong_relay_name",
    hint: expect.stringContaining("(relay.example, localhost:1234)"),
  });
  alice.relay = "relay.example";
  expect((await client.ask("register", alice.registration())).type).toBe("registered");
  const challenge = await alice.challenge(client);
  const answer = alice.answer(challenge);
  expect((await client.ask("authenticate", { ...answer, relay: "localhost:1234" })).data.reason).toBe(
    "challenge_response",
  );
  expect((await alice.login(client)).data.status).toBe("authenticated");
  alice.relay = "127.0.0.1";
  await expect(alice.challenge(client)).rejects.toThrow("wrong_relay_name");
});

test("loopback names are the default, with the port", async () => {
  await using relay = await relayForTest();
  expect(relay.names).toEqual([`localhost:${relay.port}`, `127.0.0.1:${relay.port}`, `[::1]:${relay.port}`]);
});

test("unknown names, unknown devices and the other kind of account get the same answer", async () => {
  await using relay = await relayForTest();
  using token = await tokenClient(relay.url, "token-user");
  await newAgent(relay.url, "alice");
  using client = await RawClient.open(relay.url);
  const relayName = new URL(relay.url).host;
  for (const data of [
    { username: "nobody", device: "d", relay: relayName },
    { username: "alice", device: "unknown", relay: relayName },
    { username: "alice" },
    { username: token.user.username, device: "d", relay: relayName },
  ])
    expect((await client.ask("authenticate", data)).data.reason).toBe("invalid_credentials");
});

test("a challenge can be answered for a minute [P-4.1]", async () => {
  await using relay = await relayForTest();
  const alice = await newAgent(relay.url, "alice");
  using client = await RawClient.open(relay.url);
  const answer = alice.answer(await alice.challenge(client));
  const now = performance.now();
  const later = vi.spyOn(performance, "now").mockReturnValue(now + 60_001);
  onTestFinished(() => later.mockRestore());
  expect((await client.ask("authenticate", answer)).data).toMatchObject({ code: 401, reason: "challenge_expired" });
  later.mockRestore();
  expect((await alice.login(client)).data.status).toBe("authenticated");
});
