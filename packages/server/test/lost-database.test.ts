// @module-tag long
// A relay whose database is deleted, moved or replaced while it runs promises nothing that would be gone with it.
import { cpSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { eventually } from "../../../test/waiting.ts";
import { createRelay, type Relay } from "../src/index.ts";
import { newAgent, randomGroup } from "./agent.ts";
import { folder } from "./folder.ts";
import { loginToken, RawClient, registerToken, tokenClient } from "./raw-client.ts";
import { runningRelay } from "./relay-process.ts";

const start = (db: string) => createRelay({ port: 0, db, noLimits: true });

async function readiness({ port }: Relay): Promise<[number, unknown]> {
  const response = await fetch(`http://localhost:${port}/ready`);
  return [response.status, await response.json()];
}

/** Waits until the relay has noticed. */
function isReady(relay: Relay, ready: boolean): Promise<true> {
  const what = ready ? "the relay is ready" : "the relay is not ready any more";
  return eventually(what, async () => ((await readiness(relay))[0] === 200) === ready);
}

const losses: [what: string, lose: (db: string) => void][] = [
  ["its folder is deleted", (db) => rmSync(db, { recursive: true })],
  ["its folder is moved away", (db) => renameSync(db, `${db}-moved`)],
  [
    "its folder is replaced by a copy",
    (db) => {
      renameSync(db, `${db}-moved`);
      cpSync(`${db}-moved`, db, { recursive: true });
    },
  ],
  [
    "its folder is made anew",
    (db) => {
      rmSync(db, { recursive: true });
      mkdirSync(db);
    },
  ],
  ["the database file is deleted", (db) => rmSync(join(db, "relay.db"))],
  ["the log is deleted", (db) => rmSync(join(db, "relay.db-wal"))],
];

test.each(losses)("when %s, the next message is refused, and what was stored can still be fetched", async (_, lose) => {
  const db = join(folder(), "data");
  await using relay = await start(db);
  using alice = await tokenClient(relay.url, "alice");
  const bob = await tokenClient(relay.url, "bob");
  await bob.close();
  expect((await alice.ask("send", { to: "bob", message: "before", message_id: "m1" })).data.status).toBe(
    "stored_offline",
  );
  lose(db);
  for (const message_id of ["m2", "m3"])
    expect((await alice.ask("send", { to: "bob", message: "after", message_id })).data).toMatchObject({
      code: 507,
      reason: "storage_lost",
      message_id,
    });
  expect(await readiness(relay)).toEqual([503, { status: "not_ready", reason: "storage_lost" }]);
  expect((await alice.ask("unregister")).data.reason).toBe("storage_lost");
  using again = await RawClient.open(relay.url);
  const messages = (await loginToken(again, bob.user)).slice(0, -1);
  expect(messages.map(({ data }) => data.message)).toEqual(["before"]);
});

test("what else a relay has promised to keep is refused, too, but agents log in and read", async () => {
  const db = join(folder(), "data");
  await using relay = await start(db);
  const alice = await newAgent(relay.url, "alice");
  const bob = await newAgent(relay.url, "bob");
  using a = await alice.connect();
  const group = randomGroup();
  await a.ask("commit", alice.opening(bob, group, [{ message_id: "m1" }]));
  rmSync(db, { recursive: true });
  await isReady(relay, false);
  for (const [type, data] of [
    ["send", { to: "bob", message: "x", group_id: group, epoch: 1, message_id: "m2" }],
    ["commit", { commit_id: "c1", group_id: group, epoch: 1, commit: "Yw==" }],
    ["publish_keys", { key_packages: ["eHh4"] }],
    ["claim_keys", { username: "bob" }],
  ] as const)
    expect((await a.ask(type, data)).data.reason, type).toBe("storage_lost");
  using stranger = await RawClient.open(relay.url);
  expect((await stranger.ask("register", { username: "carol" })).data.reason).toBe("storage_lost");
  using b = await bob.connect();
  const { log_id } = (await b.ask("listen")).data;
  await b.read();
  const { data } = await b.read();
  expect(data.message_id).toBe("m1");
  expect((await b.ask("received", { log_id, seq: data.seq })).data.status).toBe("received");
});

test("a lock that is gone, by which another relay could use the database, is noticed within seconds", async () => {
  const db = folder();
  await using relay = await start(db);
  rmSync(join(db, "lock.db"));
  await isReady(relay, false);
});

test("a database that is put back is used again, and has what was stored", async () => {
  const db = join(folder(), "data");
  {
    await using relay = await start(db);
    using alice = await tokenClient(relay.url, "alice");
    await alice.ask("send", { to: "bob", message: "one" });
    renameSync(db, `${db}-moved`);
    await isReady(relay, false);
    renameSync(`${db}-moved`, db);
    await isReady(relay, true);
    expect((await alice.ask("send", { to: "bob", message: "two" })).data.status).toBe("stored_offline");
  }
  await using relay = await start(db);
  using client = await RawClient.open(relay.url);
  const frames = await loginToken(client, await registerToken(client, "bob"));
  expect(frames.slice(0, -1).map(({ data }) => data.message)).toEqual(["one", "two"]);
});

test("a relay that ends deletes nothing of another database that lies in the place of its own", async () => {
  const [root, other] = [folder(), folder()];
  const db = join(root, "data");
  const second = await runningRelay(other);
  await (await tokenClient(second.url, "carol")).close();
  await second.end("SIGKILL");
  const relay = await start(db);
  await (await tokenClient(relay.url, "alice")).close();
  renameSync(db, `${db}-moved`);
  cpSync(other, db, { recursive: true });
  await relay[Symbol.asyncDispose]();
  expect(existsSync(join(db, "relay.db-wal"))).toBe(true);
  await using third = await start(db);
  using client = await RawClient.open(third.url);
  expect((await client.ask("register", { username: "carol" })).data.reason).toBe("username_taken");
});

test("a relay that ends in its place folds its log, and leaves none", async () => {
  const db = folder();
  const relay = await start(db);
  await (await tokenClient(relay.url, "alice")).close();
  await relay[Symbol.asyncDispose]();
  expect(readdirSync(db).sort()).toEqual(["blobs", "lock.db", "relay.db", "requests"]);
});

test("the log says once what to do, and at the end what is lost", async () => {
  const db = join(folder(), "data");
  using relay = await runningRelay(db);
  using alice = await tokenClient(relay.url, "alice");
  await alice.ask("send", { to: "bob", message: "one" });
  renameSync(db, `${db}-moved`);
  for (let count = 0; count < 3; count++)
    expect((await alice.ask("send", { to: "bob", message: "two" })).data.reason).toBe("storage_lost");
  await relay.end("SIGTERM");
  const errors = relay.output.stderr.split("\n").filter((line) => line.includes("error"));
  expect(errors).toHaveLength(2);
  expect(errors[0]).toMatch(/was deleted, moved or replaced: nothing new is stored.*put it back/);
  expect(errors[1]).toMatch(/count=1/);
});
