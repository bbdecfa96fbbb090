import { appendFileSync, mkdirSync, readFileSync, rmSync, symlinkSync, truncateSync, utimesSync } from "node:fs";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { check } from "../src/admin/check.ts";
import { defaultLimits } from "../src/config/limits.ts";
import { createRelay, openSqliteStore } from "../src/index.ts";
import { SCHEMA_VERSION } from "../src/store/sqlite/migrations.ts";
import { newAgent, randomGroup } from "./agent.ts";
import { commandHere as command } from "./console.ts";
import { withoutFiles, withoutTeams } from "./older.ts";
import { folder } from "./folder.ts";
import { tokenClient } from "./raw-client.ts";
import { runningRelay } from "./relay-process.ts";
import { askRoom, bring, uploaded } from "./uploader.ts";

/** A folder in which a relay has worked: groups, a replaced device, a removed account, mail for an unknown name. */
async function usedFolder(): Promise<string> {
  const db = folder();
  await using relay = await createRelay({ port: 0, db, noLimits: true });
  const alice = await newAgent(relay.url, "alice");
  const bob = await newAgent(relay.url, "bob");
  const carol = await newAgent(relay.url, "carol");
  using a = await alice.connect();
  using c = await carol.connect();
  await a.ask("listen");
  await a.ask("commit", alice.opening(bob, randomGroup(), [{ message_id: "m1" }]));
  await a.ask("commit", alice.opening(carol, randomGroup(), [{ message_id: "m2" }]));
  await a.ask("claim_keys", { username: "carol" });
  const next = await newAgent(relay.url, "bob", { identity: bob.identity, counter: 2 });
  await a.ask("commit", alice.opening(next, randomGroup(), [{ message_id: "m3" }]));
  await a.read(({ data }) => data.message_id === "m1");
  using b = await next.connect();
  await b.ask("unregister");
  await a.read(({ data }) => data.message_id === "m3");
  await c.ask("claim_keys", { username: "alice" });
  using token = await tokenClient(relay.url, "token-user");
  await token.ask("send", { to: "nobody", message: "x" });
  return db;
}

test("nothing is wrong where a relay has worked, stopped or running", async () => {
  const db = await usedFolder();
  expect(check(db, 0)).toMatchObject({ ok: true, problems: [] });
  using relay = await runningRelay(db);
  expect(await command("check", "--db", db)).toEqual({
    code: 0,
    stdout: `Nothing is wrong (schema version ${SCHEMA_VERSION})\n`,
    stderr: "",
  });
  await relay.end("SIGTERM");
});

test.each([
  ["entries_without_mailbox", "UPDATE entries SET mailbox = 999"],
  ["account_without_mailbox", "UPDATE accounts SET mailbox = 999 WHERE name = 'alice'"],
  ["account_without_mailbox", "UPDATE mailboxes SET closed = 'unregistered' WHERE name = 'alice'"],
  ["account_without_key", "UPDATE accounts SET identity_key = NULL WHERE name = 'alice'"],
  ["device_without_account", "DELETE FROM accounts WHERE name = 'alice'"],
  ["group_members", "DELETE FROM members WHERE mailbox = (SELECT mailbox FROM accounts WHERE name = 'alice')"],
  ["members_without_group", "DELETE FROM groups"],
  ["members_without_mailbox", "DELETE FROM mailboxes WHERE name = 'carol'"],
  ["keys_without_mailbox", "UPDATE key_packages SET mailbox = mailbox + 900"],
  ["last_resorts_without_mailbox", "UPDATE last_resorts SET mailbox = mailbox + 900"],
  ["claims_without_mailbox", "UPDATE claims SET claimant = 999"],
  ["peers_without_account", "INSERT INTO peers (owner, peer, blocked) VALUES ('nobody', 'alice', 0)"],
  ["address_totals", "UPDATE addresses SET bytes = bytes + 1"],
  ["last_requests_without_mailbox", "UPDATE last_requests SET sender = 999"],
  ["sequence_mailboxes", "UPDATE sqlite_sequence SET seq = 1 WHERE name = 'mailboxes'"],
  ["sequence_entries", "UPDATE sqlite_sequence SET seq = 1 WHERE name = 'entries'"],
  ["sequence_requests", "UPDATE requests SET seq = 99999"],
  ["log_id", "DELETE FROM meta"],
  ["schema_version", "PRAGMA user_version = 99"],
])("%s is found after: %s", async (problem, sql) => {
  const db = await usedFolder();
  const database = new DatabaseSync(join(db, "relay.db"));
  database.exec(sql);
  database.close();
  const { ok, problems } = check(db, 0);
  expect(ok).toBe(false);
  expect(problems.map((found) => found.problem)).toContain(problem);
});

const HOUR = 3_600_000;

/** Makes a file look as if nobody had written to it for some hours. */
function age(file: string, hours: number): void {
  const then = new Date(Date.now() - hours * HOUR);
  utimesSync(file, then, then);
}

const nameless = (db: string): string => join(db, "blobs", "00", "0".repeat(32));

test.each<[problem: string, fault: string, plant: (file: string, db: string) => void]>([
  ["blobs_without_file", "a file is removed", (file) => rmSync(file)],
  ["blobs_elsewhere", "the folder is removed", (_, db) => rmSync(join(db, "blobs"), { recursive: true })],
  [
    "blobs_without_file",
    "a link is in its place",
    (file, db) => (rmSync(file), symlinkSync(join(db, "relay.db"), file)),
  ],
  ["blob_sizes", "it is cut short", (file) => truncateSync(file, 10)],
  ["blob_sizes", "it is longer than it was", (file) => appendFileSync(file, "more")],
  [
    "files_without_blob",
    "something is left",
    (file, db) => {
      mkdirSync(join(db, "blobs", "00"), { recursive: true });
      writeFileSync(nameless(db), "left");
      age(nameless(db), 4);
      age(file, 4);
    },
  ],
])("%s is found after: %s", async (problem, _, plant) => {
  const { db, file } = await folderWithFile();
  expect(check(db, 0).problems).toEqual([]);
  plant(file, db);
  expect(check(db, 0)).toMatchObject({ ok: false, problems: [{ problem, count: 1 }] });
});

/** A folder in which a relay has one file that is whole, and one that is not. */
async function folderWithFile(): Promise<{ db: string; file: string }> {
  const db = folder();
  await using relay = await createRelay({ port: 0, db, noLimits: true });
  using client = await (await newAgent(relay.url, "alice")).connect();
  const { blob } = await uploaded(relay.url, client, Buffer.alloc(1000));
  await bring(relay.url, await askRoom(client, 1000), 0, Buffer.alloc(10));
  await askRoom(client, 1000);
  return { db, file: join(db, "blobs", blob.slice(0, 2), blob) };
}

test("what a relay may be at work on is no fault: a file that is new, and rows and files that go together", async () => {
  const { db, file } = await folderWithFile();
  mkdirSync(join(db, "blobs", "00"), { recursive: true });
  writeFileSync(nameless(db), "it comes");
  age(nameless(db), 2);
  age(file, 24);
  // What a row has not brought so far is not missed.
  expect(check(db, 0).problems).toEqual([]);
});

test("a damaged file is found, and the exit code says so", async () => {
  const db = await usedFolder();
  const file = join(db, "relay.db");
  const bytes = readFileSync(file);
  bytes.fill(0xff, 4096 * 4, 4096 * 20);
  writeFileSync(file, bytes);
  const { code, stdout, stderr } = await command("check", "--db", db, "--json");
  expect(code).toBe(1);
  expect(JSON.parse(stdout)).toMatchObject({ ok: false, problems: [{ problem: "integrity" }] });
  expect(JSON.parse(stderr)).toMatchObject({
    error: "failed",
    message: expect.stringMatching(/^The database in .* is not as it should be: integrity$/),
  });
});

function version(path: string): number {
  const database = new DatabaseSync(path);
  const { user_version } = database.prepare("PRAGMA user_version").get() as { user_version: number };
  database.close();
  return user_version;
}

test("a database of the version before there were files is checked", async () => {
  const db = await usedFolder();
  const database = new DatabaseSync(join(db, "relay.db"));
  database.exec(withoutFiles);
  database.close();
  expect(check(db, 0)).toEqual({ ok: true, schema_version: 8, problems: [] });
});

test("a database of the version before there were teams is checked, and lifted with all that waits in it", async () => {
  const db = await usedFolder();
  const database = new DatabaseSync(join(db, "relay.db"));
  const waiting = () => database.prepare("SELECT seq, mailbox, kind, message_id, bytes FROM entries").all();
  const [before, groups] = [waiting(), database.prepare("SELECT count(*) AS count FROM groups").get()];
  database.exec(withoutTeams);
  expect(check(db, 0)).toEqual({ ok: true, schema_version: 9, problems: [] });
  await openSqliteStore(db, { limits: { ...defaultLimits(), reserveBytes: 0 } })[Symbol.asyncDispose]();
  expect(check(db, 0)).toEqual({ ok: true, schema_version: SCHEMA_VERSION, problems: [] });
  expect(waiting()).toEqual(before);
  expect(database.prepare("SELECT count(*) AS count FROM groups WHERE team IS NULL AND floor = 0").get()).toEqual(
    groups,
  );
  database.close();
});

test("an older database is checked and backed up as it is; what needs the newer one says so", async () => {
  const db = await usedFolder();
  const file = join(db, "relay.db");
  const database = new DatabaseSync(file);
  database.exec(`${withoutFiles} DROP TABLE invites; DROP TABLE peers; DROP TABLE addresses; ALTER TABLE accounts DROP COLUMN address;
    DROP INDEX key_packages_by_end; DROP INDEX last_resorts_by_end; DROP INDEX claims_by_end;
    CREATE INDEX key_packages_by_age ON key_packages (published_at);
    CREATE INDEX last_resorts_by_age ON last_resorts (published_at);
    CREATE INDEX claims_by_age ON claims (published_at);
    ALTER TABLE key_packages DROP COLUMN valid_until; ALTER TABLE last_resorts DROP COLUMN valid_until;
    ALTER TABLE claims DROP COLUMN valid_until;
    DROP INDEX claims_by_time; ALTER TABLE claims DROP COLUMN claimed_at; ALTER TABLE claims DROP COLUMN address;
    ALTER TABLE key_packages DROP COLUMN address; ALTER TABLE last_resorts DROP COLUMN address;
    ALTER TABLE accounts DROP COLUMN seen; ALTER TABLE accounts DROP COLUMN entered;
    ALTER TABLE entries DROP COLUMN stranger; ALTER TABLE entries DROP COLUMN address;
    DROP TABLE audit; ALTER TABLE accounts DROP COLUMN disabled; PRAGMA user_version = 3`);
  database.close();
  const copy = join(folder(), "copy.db");
  expect(check(db, 0)).toMatchObject({ ok: true, schema_version: 3 });
  expect(await command("backup", copy, "--db", db)).toMatchObject({
    code: 0,
    stderr: expect.stringMatching(/^the audit log does not have this: The database has schema version 3, /),
  });
  for (const args of [["user", "list"], ["user", "disable", "alice"], ["stats"], ["audit"]])
    expect(await command(...args, "--db", db)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("start the relay of this version on it once"),
    });
  expect([version(file), version(copy)]).toEqual([3, 3]);

  const restored = folder();
  expect(await command("restore", copy, "--db", restored)).toMatchObject({ code: 0 });
  expect(await command("user", "disable", "alice", "--db", restored)).toMatchObject({ code: 0 });
  expect(check(restored, 0)).toMatchObject({ ok: true, schema_version: SCHEMA_VERSION });
});
