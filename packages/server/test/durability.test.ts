import { BlockedGroups } from "../src/store/blocked-groups.ts";
import { statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createRelay, openMemoryStore, openSqliteStore, type StoreOptions } from "../src/index.ts";
import { defaultLimits } from "../src/config/limits.ts";
import { Agent, newAgent, randomGroup } from "./agent.ts";
import { folder } from "./folder.ts";
import { loginToken, RawClient, registerToken, tokenClient } from "./raw-client.ts";

const emptySend = {
  sessionId: undefined,
  groupId: undefined,
  epoch: undefined,
  messageId: undefined,
  expiresAt: undefined,
};

/** A store on a small disk. */
const smallStore = (maxPages: number) => (options: StoreOptions) => openMemoryStore({ ...options, maxPages });

async function open(url: string, agent: Agent): Promise<RawClient> {
  const client = await RawClient.open(url);
  await agent.login(client);
  return client;
}

test("a restart keeps accounts, messages, groups, key packages, ids and counters", async () => {
  const db = folder();
  const names = ["ws://relay.test"];
  const start = () => createRelay({ port: 0, db, noLimits: true, publicUrls: names, tokenAccounts: "on" });
  const group = randomGroup();
  const first = await start();
  const alice = new Agent(first.url, "alice");
  const bob = new Agent(first.url, "bob");
  using setup = await RawClient.open(first.url);
  for (const agent of [alice, bob]) {
    agent.relay = "relay.test";
    await setup.ask("register", agent.registration());
  }
  const token = await registerToken(setup, "token-user");
  using a = await open(first.url, alice);
  const opening = alice.opening(bob, group, [{ message_id: "m1" }]);
  await a.ask("claim_keys", { username: "bob" });
  const committed = await a.ask("commit", opening);
  const { log_id } = (await a.ask("listen")).data;
  await first[Symbol.asyncDispose]();
  expect((await a.closed).code).toBe(1001);

  await using second = await start();
  using again = await open(second.url, alice);
  expect((await again.ask("listen")).data.log_id).toBe(log_id);
  expect((await again.ask("commit", opening)).data).toEqual(committed.data);
  expect((await again.ask("commit", { ...opening, commit_id: "other" })).data.reason).toBe("group_exists");
  expect((await again.ask("claim_keys", { username: "bob" })).data.key_package).toBe(bob.keyPackages[1]);
  using b = await open(second.url, bob);
  await b.ask("listen");
  expect([(await b.read()).data.kind, (await b.read()).data.message_id]).toEqual(["welcome", "m1"]);
  using t = await RawClient.open(second.url);
  expect((await loginToken(t, token)).at(-1)?.data.status).toBe("authenticated");
  alice.logins = 0;
  using old = await RawClient.open(second.url);
  expect((await alice.login(old)).data).toMatchObject({ reason: "login_counter", highest: 2 });
});

test("a relay that was restored from a backup has a new log id", async () => {
  const db = folder();
  const ids: string[] = [];
  for (const restored of [false, false, true]) {
    await using relay = await createRelay({ port: 0, db, restored });
    using client = await tokenClient(relay.url, `user${ids.length}`);
    ids.push((await client.ask("listen")).data.log_id);
  }
  expect(ids[0]).toBe(ids[1]);
  expect(ids[2]).not.toBe(ids[1]);
});

test("what is not on disk yet is not handed out", async () => {
  await using store = openSqliteStore(folder(), { limits: defaultLimits(true) });
  const room = { messages: 10, bytes: 1_000_000 };
  const key = new Uint8Array(32);
  const [alice, bob] = [await store.registerToken("alice", key, ""), await store.registerToken("bob", key, "")];
  if ("refused" in alice || "refused" in bob) throw new Error("refused");
  const stored: number[] = [];
  store.watch((entries) => stored.push(...entries.map(({ seq }) => seq)));
  const request = { to: "bob", message: "x", ...emptySend };
  const sent = store.send({ sender: alice.mailbox, ...request }, new BlockedGroups());
  expect((await store.entries(bob.mailbox, 0, room)).entries).toEqual([]);
  await sent;
  expect((await store.entries(bob.mailbox, 0, room)).entries.map(({ seq }) => seq)).toEqual(stored);
});

test("only the owner can read the database", async () => {
  const db = join(folder(), "new", "data");
  await using relay = await createRelay({ port: 0, db });
  using client = await tokenClient(relay.url, "alice");
  await client.ask("send", { to: "bob", message: "x" });
  expect(statSync(db).mode & 0o777).toBe(0o700);
  for (const file of ["relay.db", "relay.db-wal", "relay.db-shm", "lock.db"])
    expect(statSync(join(db, file)).mode & 0o777, file).toBe(0o600);
});

test("a full disk refuses everything of its turn, pretends nothing, and loses nothing that was acknowledged", async () => {
  await using relay = await createRelay({
    port: 0,
    store: smallStore(120),
    noLimits: true,
    limits: { inFlightMessages: 1000 },
  });
  const alice = await newAgent(relay.url, "alice", { packages: 1 });
  const bob = await newAgent(relay.url, "bob", { packages: 1 });
  using a = await alice.connect();
  using b = await bob.connect();
  const group = randomGroup();
  await a.ask("commit", alice.opening(bob, group));
  const body = "eHh4".repeat(200);
  const send = (id: string, resume = false) =>
    a.ask("send", { to: "bob", message: body, group_id: group, epoch: 1, message_id: id, resume });
  const stored: string[] = [];
  let refusals = 0;
  // In rounds of ten, so that some turns hold messages that would fit beside some that do not.
  for (let round = 0; refusals === 0 && round < 100; round++) {
    const ids = Array.from({ length: 10 }, (_, index) => `m${round}-${index}`);
    const answers = await Promise.all(ids.map((id) => send(id)));
    for (const [index, { data }] of answers.entries()) {
      if (data.status === "stored_offline") stored.push(ids[index] as string);
      else refusals += 1;
    }
  }
  expect(refusals).toBeGreaterThan(0);
  expect((await send("blocked")).data.reason).toBe("send_blocked");
  for (let count = 0; ; count++) {
    const { data } = await send(`s${count}`, true);
    if (data.status !== "stored_offline") break;
    stored.push(`s${count}`);
  }
  expect((await send("full", true)).data).toMatchObject({ code: 507, reason: "storage_full", message_id: "full" });

  const { log_id } = (await b.ask("listen")).data;
  expect((await b.read()).data.kind).toBe("welcome");
  let seq = 0;
  for (const id of stored) {
    const { data } = await b.read();
    expect(data.message_id).toBe(id);
    ({ seq } = data);
  }
  await b.ask("received", { log_id, seq });
  expect(b.unread).toEqual([]);
  // There is room again, and what was refused was never recorded.
  expect((await send("full", true)).data.status).toBe("delivered");
  expect((await b.read()).data.message_id).toBe("full");
  expect((await a.ask("commit", { commit_id: "c1", group_id: group, epoch: 1, commit: "Yw==" })).data.status).toBe(
    "committed",
  );
});

test("an epoch that a failed commit did not end can still be ended", async () => {
  await using relay = await createRelay({ port: 0, store: smallStore(80), noLimits: true });
  const alice = await newAgent(relay.url, "alice", { packages: 1 });
  const bob = await newAgent(relay.url, "bob", { packages: 1 });
  using a = await alice.connect();
  const group = randomGroup();
  await a.ask("commit", alice.opening(bob, group));
  const commit = async (id: string, size: number) =>
    (await a.ask("commit", { commit_id: id, group_id: group, epoch: 1, commit: "A".repeat(size) })).data;
  expect((await commit("c1", 400_000)).reason).toBe("storage_full");
  expect((await commit("c1", 4)).status).toBe("committed");
  expect((await commit("c2", 4)).reason).toBe("epoch_taken");
});
