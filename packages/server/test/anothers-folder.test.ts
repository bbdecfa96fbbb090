// Root's commands, and a relay that root starts, in the folder of another user: nothing of root's is read, changed or made there.
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { asOwnerOf } from "@aimessage/sdk/program";
import { describe, expect, test } from "vitest";
import { backup } from "../src/admin/backup.ts";
import { restore } from "../src/admin/restore.ts";
import { openSqliteStore } from "../src/index.ts";
import { defaultLimits } from "../src/config/limits.ts";
import { lockFolder } from "../src/store/sqlite/lock.ts";
import { folder } from "./folder.ts";
import { command, runningRelay } from "./relay-process.ts";

const OTHER = 12_345;
const SECRET = "root's own file, which is long enough to be looked at for a database".repeat(20);

/** A folder of another user in which a relay has worked, beside what only root may change. */
async function anothersFolder() {
  const root = folder();
  chmodSync(root, 0o755);
  const db = join(root, "data");
  mkdirSync(db, 0o700);
  chownSync(db, OTHER, OTHER);
  await using store = openSqliteStore(db, { limits: defaultLimits() });
  await store.registerToken("bob", new Uint8Array(32), "");
  const secret = join(root, "secret");
  writeFileSync(secret, SECRET, { mode: 0o644 });
  return { root, db, secret };
}

function owners(path: string): number[] {
  return readdirSync(path, { recursive: true }).map((name) => statSync(join(path, name as string)).uid);
}

describe.skipIf(process.geteuid?.() !== 0)("as root in the folder of another user", () => {
  test("a relay runs as that user, and all that it makes is that user's", async () => {
    const { db } = await anothersFolder();
    using relay = await runningRelay(db);
    const uids = /^Uid:\t(.*)$/m.exec(readFileSync(`/proc/${relay.child.pid}/status`, "utf8"))?.[1];
    expect(uids?.split("\t")).toEqual(Array<string>(4).fill(`${OTHER}`));
    expect(await command("user", "disable", "bob", "--db", db)).toMatchObject({ code: 0, stderr: "" });
    expect(new Set(owners(db))).toEqual(new Set([OTHER]));
    await relay.end("SIGTERM");
    expect(await command("user", "enable", "bob", "--db", db)).toMatchObject({ code: 0, stderr: "" });
    expect(new Set(owners(db))).toEqual(new Set([OTHER]));
    // Who did it is root nevertheless.
    expect((await command("audit", "--db", db)).stdout).toMatch(/root +disable[^]*root +enable/);
  });

  test.each(["lock.db", "relay.db", "relay.db-wal", "relay.db-shm"])(
    "no command follows a link in the place of %s",
    async (name) => {
      const { db, secret } = await anothersFolder();
      rmSync(join(db, name), { force: true });
      symlinkSync(secret, join(db, name));
      expect(await command("user", "disable", "bob", "--db", db)).toMatchObject({
        code: 1,
        stderr: expect.stringContaining("ELOOP"),
      });
      expect(readFileSync(secret, "utf8")).toBe(SECRET);
      expect(statSync(secret)).toMatchObject({ uid: 0, mode: 0o100644 });
    },
  );

  test("a request to a running relay is not left where a link leads", async () => {
    const { root, db } = await anothersFolder();
    const elsewhere = join(root, "elsewhere");
    mkdirSync(elsewhere, 0o700);
    symlinkSync(elsewhere, join(db, "requests"));
    const lock = asOwnerOf(db, () => lockFolder(db));
    expect(await command("user", "disable", "bob", "--db", db)).toMatchObject({ code: 1 });
    lock.close();
    expect(readdirSync(elsewhere)).toEqual([]);
  });

  test("a backup into it is that user's, and replaces no file of root's by a link", async () => {
    const { db, secret } = await anothersFolder();
    const file = join(db, "copy.db");
    backup(db, file, false);
    expect(statSync(file)).toMatchObject({ uid: OTHER, mode: 0o100600 });
    rmSync(file);
    symlinkSync(secret, file);
    expect(() => backup(db, file, true)).toThrow("EACCES");
    expect(readFileSync(secret, "utf8")).toBe(SECRET);
  });

  test("a backup is written where root alone may write, and restored from there", async () => {
    const { root, db } = await anothersFolder();
    const backups = join(root, "backups");
    mkdirSync(backups, 0o700);
    const file = join(backups, "copy.db");
    expect(await command("backup", file, "--db", db)).toMatchObject({ code: 0, stderr: "" });
    expect(statSync(file).uid).toBe(0);
    expect(await command("restore", file, "--db", db, "--force")).toMatchObject({ code: 0, stderr: "" });
    expect(new Set(owners(db))).toEqual(new Set([OTHER]));
    expect((await command("audit", "--db", db)).stdout).toMatch(/root +restore/);
  });

  test("its encrypted files are copied for whom the other folder belongs to, and none that only root may read", async () => {
    const { root, db } = await anothersFolder();
    const backups = join(root, "backups");
    mkdirSync(backups, 0o700);
    const [own, roots] = ["a".repeat(32), "b".repeat(32)];
    const database = new DatabaseSync(join(db, "relay.db"));
    for (const id of [own, roots])
      database.exec(`INSERT INTO blobs (id, owner, request_id, token_hash, read_hash, bytes, readers, come, sealed, touched_at, expires_at)
        VALUES ('${id}', 'bob', '${id}', x'00', x'00', 6, 1, 6, 1, 0, 9e15)`);
    database.close();
    asOwnerOf(db, () => {
      mkdirSync(join(db, "blobs", "aa"), { recursive: true });
      writeFileSync(join(db, "blobs", "aa", own), "hello!");
      symlinkSync(backups, join(db, "blobs", "bb"));
    });
    writeFileSync(join(backups, roots), "secret");
    const file = join(backups, "copy.db");
    for (const target of [file, join(db, "copy.db")]) expect(() => backup(db, target, false)).toThrow("EACCES");
    expect(readdirSync(backups)).toEqual([roots]);
    rmSync(join(db, "blobs", "bb"));
    expect(backup(db, file, false)).toMatchObject({ files: 1, missing_files: 1 });
    const copy = join(`${file}.blobs`, "aa", own);
    expect([statSync(copy).uid, readFileSync(copy, "utf8")]).toEqual([0, "hello!"]);
    expect(owners(`${file}.blobs`)).toEqual([0, 0]);
    const theirs = join(db, "copy.db");
    expect(backup(db, theirs, false)).toMatchObject({ files: 1, missing_files: 1 });
    expect(new Set(owners(`${theirs}.blobs`))).toEqual(new Set([OTHER]));
    expect(statSync(join(`${theirs}.blobs`, "aa", own)).nlink).toBe(2);
    expect(restore(db, file, true, "root")).toMatchObject({ files: 1, missing_files: 0 });
    expect(new Set(owners(join(db, "blobs")))).toEqual(new Set([OTHER]));
    expect(readFileSync(join(db, "blobs", "aa", own), "utf8")).toBe("hello!");
  });

  test("what only root may read is not restored from a link in it", async () => {
    const { root, db } = await anothersFolder();
    const secret = join(root, "secret.db");
    backup(db, secret, false);
    symlinkSync(secret, join(db, "copy.db"));
    const fresh = join(db, "fresh");
    expect(() => restore(fresh, join(db, "copy.db"), false, "root")).toThrow("EACCES");
    expect(existsSync(join(fresh, "relay.db"))).toBe(false);
  });
});
