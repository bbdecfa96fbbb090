import { copyFileSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { commandHere as command } from "./console.ts";
import { folder } from "./folder.ts";
import { loginToken, RawClient, tokenClient } from "./raw-client.ts";
import { runningRelay } from "./relay-process.ts";

/** A relay's folder with one message for bob, and a backup of it. */
async function backedUp() {
  const db = folder();
  const file = join(folder(), "copy.db");
  const relay = await runningRelay(db);
  using alice = await tokenClient(relay.url, "alice");
  const bob = await tokenClient(relay.url, "bob");
  const { log_id } = (await bob.ask("listen")).data;
  await bob.close();
  await alice.ask("send", { to: "bob", message: "kept" });
  expect(await command("backup", file, "--db", db)).toMatchObject({ code: 0 });
  await alice.ask("send", { to: "bob", message: "later" });
  await relay.end("SIGTERM");
  return { db, file, logId: log_id as string, bob: bob.user };
}

async function mailOf(db: string, user: { username: string; key: Buffer }) {
  const relay = await runningRelay(db);
  using client = await RawClient.open(relay.url);
  const frames = await loginToken(client, user);
  const { log_id } = (await client.ask("listen")).data;
  await relay.end("SIGTERM");
  return { messages: frames.slice(0, -1).map(({ data }) => data.message as string), logId: log_id as string };
}

test("a restored relay has what the backup had, and a log of another id", async () => {
  const { file, logId, bob } = await backedUp();
  const db = join(folder(), "new", "data");
  const { code, stdout } = await command("restore", file, "--db", db, "--json");
  expect(code).toBe(0);
  const restored = JSON.parse(stdout) as { log_id: string };
  expect(restored).toMatchObject({ db, entries: 1, kept: null });
  expect(statSync(db).mode & 0o777).toBe(0o700);
  expect(statSync(join(db, "relay.db")).mode & 0o777).toBe(0o600);
  const mail = await mailOf(db, bob);
  expect(mail).toEqual({ messages: ["kept"], logId: restored.log_id });
  expect(mail.logId).not.toBe(logId);
  expect(await command("check", "--db", db)).toMatchObject({ code: 0 });
  expect((await command("audit", "--db", db)).stdout).toContain("restore");
});

test(
  "a database that is there is put aside with --force only, and a running relay's never",
  { tags: ["long"] },
  async () => {
    const { db, file, bob } = await backedUp();
    expect(await command("restore", file, "--db", db)).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^Error: There is a database in .* already\nHint: .*--force/),
    });
    const relay = await runningRelay(db);
    expect(await command("restore", file, "--db", db, "--force")).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^Error: A relay runs on /),
    });
    // What is in the log only is not lost with it.
    using carol = await tokenClient(relay.url, "carol");
    await carol.ask("heartbeat");
    await relay.end("SIGKILL");

    const { code, stdout } = await command("restore", file, "--db", db, "--force", "--json");
    expect(code).toBe(0);
    const { kept } = JSON.parse(stdout) as { kept: string };
    const old = new DatabaseSync(kept, { readOnly: true });
    const names = old.prepare("SELECT name FROM accounts ORDER BY name").all() as { name: string }[];
    old.close();
    expect(names.map(({ name }) => name)).toEqual(["alice", "bob", "carol"]);
    expect((await mailOf(db, bob)).messages).toEqual(["kept"]);
  },
);

const attempt = (from: string, to: string) => command("restore", from, "--db", to, "--force");

test(
  "what is no backup, is damaged, or is half a database is not restored, and leaves nothing",
  { tags: ["long"] },
  async () => {
    const { db: source, file, bob } = await backedUp();
    const other = join(folder(), "file");
    const expectRefused = async (from: string, sentence: RegExp) => {
      const db = folder();
      expect(await attempt(from, db)).toMatchObject({ code: 1, stdout: "", stderr: expect.stringMatching(sentence) });
      expect(readdirSync(db)).toEqual(["lock.db"]);
    };
    writeFileSync(other, "this is not a database, but it is long enough to be looked at".repeat(20));
    await expectRefused(other, /is not a database of a relay/);
    const foreign = new DatabaseSync(join(folder(), "foreign.db"));
    foreign.exec("CREATE TABLE t (x)");
    await expectRefused(foreign.location() ?? "", /is not a database of a relay/);
    foreign.close();

    const bytes = readFileSync(file);
    bytes.fill(0xff, 4096 * 3, 4096 * 9);
    writeFileSync(other, bytes);
    await expectRefused(other, /is damaged: |malformed/);

    const relay = await runningRelay(source);
    await (await tokenClient(relay.url, "carol")).close();
    copyFileSync(join(source, "relay.db"), other);
    copyFileSync(join(source, "relay.db-wal"), `${other}-wal`);
    await relay.end("SIGTERM");
    expect(await attempt(other, folder())).toMatchObject({ code: 1, stderr: expect.stringContaining("in use") });
    // An attempt that failed has changed nothing of the database that is there.
    expect(await attempt(other, source)).toMatchObject({ code: 1 });
    expect((await mailOf(source, bob)).messages).toEqual(["kept", "later"]);
  },
);
