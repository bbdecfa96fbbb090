import { existsSync, readdirSync, readFileSync, readlinkSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { createRelay } from "@aimessage/server";
import { smallDisk } from "../../../test/small-disk.ts";
import { eventually } from "../../../test/waiting.ts";
import { backup } from "../src/admin/backup.ts";
import { openReadOnly } from "../src/admin/read-only.ts";
import { commandHere as command } from "./console.ts";
import { folder } from "./folder.ts";
import { tokenClient } from "./raw-client.ts";
import { runningRelay } from "./relay-process.ts";

/** Sends to bob without pause, and remembers what was acknowledged. */
async function load(url: string) {
  const alice = await tokenClient(url, "alice");
  const bob = await tokenClient(url, "bob");
  await bob.close();
  const acknowledged: string[] = [];
  const inFlight = 32;
  let sent = 0;
  let stopped = false;
  const send = () => alice.write("send", { to: "bob", message: `m${sent++} ${"x".repeat(1000)}` });
  const ended = (async () => {
    for (let count = 0; count < inFlight; count++) send();
    for (let answers = 0; answers < sent; answers++) {
      const { type, data } = await alice.read();
      if (type !== "ack") throw new Error(JSON.stringify(data));
      acknowledged.push(`m${answers}`);
      // However slow the machine is, the room in a mailbox is not all taken before the end.
      if (answers % inFlight === 0) await delay(10);
      if (!stopped) send();
    }
  })();
  return {
    acknowledged,
    stop(): Promise<void> {
      stopped = true;
      return ended;
    },
    [Symbol.dispose]: () => alice[Symbol.dispose](),
  };
}

function messages(file: string): string[] {
  const database = new DatabaseSync(file, { readOnly: true });
  try {
    expect(database.prepare("PRAGMA integrity_check").all()).toEqual([{ integrity_check: "ok" }]);
    const rows = database.prepare("SELECT message FROM entries ORDER BY seq").all() as { message: string }[];
    return rows.map(({ message }) => message.split(" ")[0] ?? "");
  } finally {
    database.close();
  }
}

test(
  "backups of a relay under load are whole, and the relay neither notices them nor loses its log",
  { tags: ["long"] },
  async () => {
    const db = folder();
    const copies = folder();
    using relay = await runningRelay(db, "--mailbox-bytes", "4GiB");
    using traffic = await load(relay.url);
    const log = join(db, "relay.db-wal");
    await eventually("a hundred are stored", () => traffic.acknowledged.length >= 100);
    const { ino } = statSync(log);
    for (let round = 0; round < 5; round++) {
      const before = traffic.acknowledged.length;
      const file = join(copies, `${round}.db`);
      const { code, stdout, stderr } = await command("backup", file, "--db", db, "--json");
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      const copied = messages(file);
      expect(JSON.parse(stdout)).toMatchObject({
        file,
        bytes: statSync(file).size,
        entries: copied.length,
        accounts: 2,
      });
      // What was acknowledged before is in it, and nothing is missing in between.
      expect(copied.length).toBeGreaterThanOrEqual(before);
      expect(copied).toEqual(copied.map((_, index) => `m${index}`));
      expect(statSync(file).mode & 0o777).toBe(0o600);
      for (const more of [["check"], ["stats"], ["user", "list"], ["audit"]])
        expect(await command(...more, "--db", db)).toMatchObject({ code: 0, stderr: "" });
    }
    expect(readdirSync(copies)).toHaveLength(5);
    await traffic.stop();
    // The file that the relay syncs is the log still, and what is in it counts after a crash.
    expect(statSync(log).ino).toBe(ino);
    expect(openFiles(relay.child.pid ?? 0).filter((path) => path.endsWith("(deleted)"))).toEqual([]);
    await relay.end("SIGKILL");
    expect(messages(join(db, "relay.db"))).toEqual(traffic.acknowledged);
  },
);

/** What a process has open, where the system tells. */
function openFiles(pid: number): string[] {
  const fds = `/proc/${pid}/fd`;
  return existsSync(fds) ? readdirSync(fds).map((fd) => readlinkSync(join(fds, fd))) : [];
}

test("a connection that reads cannot checkpoint, truncate or delete the log of another", () => {
  const db = folder();
  const file = join(db, "relay.db");
  using relay = new DatabaseSync(file);
  relay.exec("PRAGMA journal_mode = WAL; CREATE TABLE t (x); INSERT INTO t VALUES (1)");
  const before = statSync(`${file}-wal`);
  const reader = openReadOnly(file);
  expect(reader.prepare("SELECT x FROM t").all()).toEqual([{ x: 1 }]);
  expect(() => reader.exec("PRAGMA wal_checkpoint(TRUNCATE)")).toThrow();
  expect(() => reader.exec("INSERT INTO t VALUES (2)")).toThrow();
  reader.close();
  const after = statSync(`${file}-wal`);
  expect([after.ino, after.size, after.mtimeMs]).toEqual([before.ino, before.size, before.mtimeMs]);
});

test("a backup of a relay that does not run, too; nothing is overwritten but with --force", async () => {
  const db = folder();
  const file = join(folder(), "copy.db");
  const relay = await runningRelay(db);
  using traffic = await load(relay.url);
  await traffic.stop();
  // Killed, so that some of it is in the log only.
  await relay.end("SIGKILL");
  const { code, stdout } = await command("backup", file, "--db", db);
  expect(code).toBe(0);
  expect(stdout).toMatch(/^Backup written to .*copy\.db: [\d.]+ KiB, \d+ entries, 2 accounts\n$/);
  expect(messages(file)).toEqual(traffic.acknowledged);

  writeFileSync(file, "something else");
  expect(await command("backup", file, "--db", db)).toEqual({
    code: 1,
    stdout: "",
    stderr: `Error: ${file} is there already\nHint: choose another file, or overwrite it with --force\n`,
  });
  expect(await command("backup", file, "--db", db, "--force")).toMatchObject({ code: 0 });
  expect(messages(file)).toEqual(traffic.acknowledged);
  expect(readdirSync(join(file, ".."))).toEqual(["copy.db"]);
});

test("a backup for which there is no room leaves the one before as it was, and a first try nothing", async ({
  skip,
}) => {
  const db = folder();
  await using relay = await createRelay({ port: 0, db, noLimits: true });
  using alice = await tokenClient(relay.url, "alice");
  await (await tokenClient(relay.url, "bob")).close();
  using disk = smallDisk("1m") ?? skip("no right to mount a small disk");
  const file = join(disk.path, "copy.db");
  backup(db, file, false);
  const good = readFileSync(file);
  for (let count = 0; count < 30; count++)
    await alice.ask("send", { to: "bob", message: "x".repeat(50_000), message_id: `m${count}` });
  for (const target of [file, join(disk.path, "first.db")])
    expect(() => backup(db, target, true)).toThrow(
      expect.objectContaining({ message: `There is no room for ${target}` }),
    );
  expect(readFileSync(file).equals(good)).toBe(true);
  expect(readdirSync(disk.path)).toEqual(["copy.db"]);
});

test("a backup never replaces the database itself, and needs a database and a folder", async () => {
  const db = folder();
  using relay = await runningRelay(db);
  for (const name of ["relay.db", "relay.db-wal", "lock.db"])
    expect(await command("backup", join(db, name), "--db", db, "--force")).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("belongs to the relay itself"),
    });
  const nowhere = join(folder(), "nothing");
  expect(await command("backup", join(nowhere, "copy.db"), "--db", db)).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("There is no folder"),
  });
  expect(await command("backup", join(folder(), "copy.db"), "--db", nowhere)).toMatchObject({
    code: 1,
    stderr: `Error: There is no database in ${nowhere}\nHint: name the folder of the relay with --db or DB_PATH, or the PostgreSQL of a cluster with --store or AIMESSAGE_STORE\n`,
  });
  expect(existsSync(nowhere)).toBe(false);
  expect(relay.child.exitCode).toBe(null);
});
