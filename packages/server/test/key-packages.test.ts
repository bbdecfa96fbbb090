// [P-8] of docs/protocol.md.

import { expect, test } from "vitest";
import { createRelay } from "../src/index.ts";
import { newAgent, randomGroup } from "./agent.ts";
import { RawClient, tokenClient } from "./raw-client.ts";

const relayForTest = (limits = {}) => createRelay({ port: 0, store: "memory", noLimits: true, limits });

test("each key package is handed out once, then the last resort", async () => {
  await using relay = await relayForTest();
  const bob = await newAgent(relay.url, "bob", { packages: 3 });
  const claimed: string[] = [];
  for (let index = 0; index < 5; index++) {
    const agent = await newAgent(relay.url, `agent${index}`);
    using client = await agent.connect();
    const { data } = await client.ask("claim_keys", { username: "Bob" });
    expect(data).toMatchObject({ username: "bob", last_resort: index >= 3, device: { id: bob.deviceId } });
    claimed.push(data.key_package);
  }
  expect(claimed).toEqual([...bob.keyPackages, bob.lastResort, bob.lastResort]);
});

test("who has not used its claim gets the same again, until it has opened a group", async () => {
  await using relay = await relayForTest();
  const alice = await newAgent(relay.url, "alice");
  const bob = await newAgent(relay.url, "bob");
  using a = await alice.connect();
  const claim = async () => (await a.ask("claim_keys", { username: "bob" })).data.key_package;
  expect([await claim(), await claim()]).toEqual([bob.keyPackages[0], bob.keyPackages[0]]);
  await a.ask("commit", alice.opening(bob, randomGroup()));
  expect(await claim()).toBe(bob.keyPackages[1]);
});

test("claims at once get different packages", async () => {
  await using relay = await relayForTest();
  await newAgent(relay.url, "bob", { packages: 10 });
  const agents = await Promise.all(Array.from({ length: 10 }, (_, index) => newAgent(relay.url, `agent${index}`)));
  const clients = await Promise.all(agents.map((agent) => agent.connect()));
  const answers = await Promise.all(clients.map((client) => client.ask("claim_keys", { username: "bob" })));
  expect(new Set(answers.map(({ data }) => data.key_package)).size).toBe(10);
  for (const client of clients) client[Symbol.dispose]();
});

test("a package that was handed out is not handed out again because it is published again", async () => {
  await using relay = await relayForTest();
  const alice = await newAgent(relay.url, "alice");
  const bob = await newAgent(relay.url, "bob", { packages: 1 });
  using a = await alice.connect();
  using b = await bob.connect();
  await a.ask("claim_keys", { username: "bob" });
  const published = await b.ask("publish_keys", {
    key_packages: [...bob.keyPackages, "bmV3"],
    last_resort: "bGFzdA==",
  });
  expect(published.data).toEqual({ status: "published", key_packages: 1 });
});

test("a stock that is replaced is not handed out any more, also not to who has claimed of it and not used that", async () => {
  await using relay = await relayForTest();
  const bob = await newAgent(relay.url, "bob", { packages: 3 });
  const claimants = await Promise.all(["alice", "carol"].map((name) => newAgent(relay.url, name)));
  const [a, c] = await Promise.all(claimants.map((agent) => agent.connect()));
  using alice = a!;
  using carol = c!;
  using b = await bob.connect();
  const claim = async (client: typeof alice) => {
    const { data } = await client.ask("claim_keys", { username: "bob" });
    return [data.key_package, data.last_resort];
  };
  expect(await claim(alice)).toEqual([bob.keyPackages[0], false]);
  const replaced = await b.ask("publish_keys", {
    key_packages: ["bmV3", "bmV4"],
    last_resort: "bGFzdA==",
    replace: true,
  });
  expect(replaced.data).toEqual({ status: "published", key_packages: 2 });
  expect(await claim(alice)).toEqual(["bmV3", false]);
  expect(await claim(carol)).toEqual(["bmV4", false]);
  // What was withdrawn is known: it comes back by no repeat.
  expect((await b.ask("publish_keys", { key_packages: bob.keyPackages })).data.key_packages).toBe(0);
  await b.ask("publish_keys", { replace: true });
  expect(await claim(carol)).toEqual(["bGFzdA==", true]);
});

test("the owner is told when its stock is low", async () => {
  await using relay = await relayForTest();
  const alice = await newAgent(relay.url, "alice");
  const bob = await newAgent(relay.url, "bob", { packages: 5 });
  using a = await alice.connect();
  using b = await bob.connect();
  await b.ask("listen");
  await a.ask("claim_keys", { username: "bob" });
  expect(await b.read()).toMatchObject({ type: "keys_low", data: { remaining: 4 } });
});

test("a stock has a limit: the newest are kept", async () => {
  await using relay = await relayForTest({ keyPackages: 3 });
  const alice = await newAgent(relay.url, "alice");
  const bob = await newAgent(relay.url, "bob", { packages: 5 });
  using a = await alice.connect();
  expect((await a.ask("claim_keys", { username: "bob" })).data.key_package).toBe(bob.keyPackages[2]);
});

test("packages older than 90 days are not handed out", async () => {
  let now = Date.now();
  const clock = () => now;
  await using relay = await createRelay({ port: 0, store: "memory", noLimits: true, clock, uptime: clock });
  const alice = await newAgent(relay.url, "alice");
  await newAgent(relay.url, "bob");
  using a = await alice.connect();
  await a.ask("claim_keys", { username: "bob" });
  now += 91 * 24 * 3600 * 1000;
  expect((await a.ask("claim_keys", { username: "bob" })).data).toMatchObject({ code: 404, reason: "no_key_packages" });
});

test("[A-5] claims of one pair are limited", async () => {
  await using relay = await relayForTest({ claimsPerHour: 2 });
  const alice = await newAgent(relay.url, "alice");
  const bob = await newAgent(relay.url, "bob");
  using a = await alice.connect();
  for (let round = 0; round < 2; round++) {
    await a.ask("claim_keys", { username: "bob" });
    expect((await a.ask("claim_keys", { username: "bob" })).type).toBe("keys");
    await a.ask("commit", alice.opening(bob, randomGroup()));
  }
  const { data } = await a.ask("claim_keys", { username: "bob" });
  expect(data).toMatchObject({ code: 429, reason: "rate_limited" });
  expect(data.retry_after_ms).toBeGreaterThan(60_000);
});

test("[A-5] claims of one address are limited, whoever makes them", async () => {
  await using relay = await createRelay({
    port: 0,
    store: "memory",
    noLimits: true,
    trustProxy: true,
    limits: { addressClaimsPerSecond: 0.01, addressClaimsBurst: 2 },
  });
  const agents = await Promise.all(["alice", "carol", "dave", "erin"].map((name) => newAgent(relay.url, name)));
  await newAgent(relay.url, "bob");
  const reasons: string[] = [];
  for (const [index, agent] of agents.entries()) {
    const address = index < 3 ? "10.0.0.1" : "10.0.0.2";
    using client = await RawClient.open(relay.url, { headers: { "x-forwarded-for": address } });
    await agent.login(client);
    const { type, data } = await client.ask("claim_keys", { username: "bob" });
    reasons.push(data.reason ?? type);
  }
  expect(reasons).toEqual(["keys", "keys", "rate_limited", "keys"]);
});

test("[A-5] of packages that are gone a thousand are known again, and no more are remembered", async () => {
  await using relay = await relayForTest({ keyPackages: 1 });
  const [alice, bob] = [await newAgent(relay.url, "alice"), await newAgent(relay.url, "bob")];
  using a = await alice.connect();
  using b = await bob.connect();
  for (let first = 0; first < 1_200; first += 100)
    await b.ask("publish_keys", { key_packages: Array.from({ length: 100 }, (_, index) => named(first + index)) });
  // Of more than fit the newest is kept: one that is known is not new.
  await b.ask("publish_keys", { key_packages: [named(600)] });
  expect((await a.ask("claim_keys", { username: "bob" })).data.key_package).toBe(named(1_199));
  await b.ask("publish_keys", { key_packages: [named(0)] });
  expect((await a.ask("claim_keys", { username: "bob", another: true })).data.key_package).toBe(named(0));
});

test("token accounts have no key packages", async () => {
  await using relay = await relayForTest();
  const alice = await newAgent(relay.url, "alice");
  using a = await alice.connect();
  using token = await tokenClient(relay.url, "token-user");
  expect((await a.ask("claim_keys", { username: "token-user" })).data.reason).toBe("encryption_required");
  expect((await a.ask("claim_keys", { username: "nobody" })).data.reason).toBe("unknown_user");
  for (const [type, data] of [
    ["claim_keys", { username: "alice" }],
    ["publish_keys", {}],
    ["received", { log_id: "x", seq: 0 }],
  ] as const)
    expect((await token.ask(type, data)).data.reason).toBe("token_account");
});

function named(number: number): string {
  return Buffer.from(`package ${number}`).toString("base64");
}
