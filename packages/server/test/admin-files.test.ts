// Backups with the encrypted files of a relay, and what becomes of them.
import { randomBytes } from "node:crypto";
import {
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { createRelay } from "@aimessage/server";
import { smallDisk } from "../../../test/small-disk.ts";
import { eventually } from "../../../test/waiting.ts";
import { backup } from "../src/admin/backup.ts";
import { check } from "../src/admin/check.ts";
import { restore } from "../src/admin/restore.ts";
import { stats } from "../src/admin/stats.ts";
import { MARK } from "../src/store/blob-layout.ts";
import { newAgent } from "./agent.ts";
import { commandHere as command } from "./console.ts";
import { folder } from "./folder.ts";
import { askRoom, type Blob, bring, drop, fetchBlob, uploaded } from "./uploader.ts";

const KIB = 1024;

/** A relay in a folder, and somebody who uploads. */
async function world(db = folder()) {
  const relay = await createRelay({ port: 0, store: "sqlite", db, noLimits: true });
  const client = await (await newAgent(relay.url, "alice")).connect();
  const files = new Map<Blob, Buffer>();
  return {
    db,
    url: relay.url,
    client,
    files,
    async upload(bytes = randomBytes(70 * KIB)): Promise<Blob> {
      const blob = await uploaded(relay.url, client, bytes);
      files.set(blob, bytes);
      return blob;
    },
    async [Symbol.asyncDispose]() {
      client[Symbol.dispose]();
      await relay[Symbol.asyncDispose]();
    },
  };
}

function pathIn(path: string, { blob }: Blob): string {
  return join(path, blob.slice(0, 2), blob);
}

/** The files below a folder, without its mark. */
function filesIn(path: string): string[] {
  if (!existsSync(path)) return [];
  const names = readdirSync(path, { recursive: true, encoding: "utf8" });
  return names.filter((name) => name !== MARK && statSync(join(path, name)).isFile());
}

function rows(file: string): { id: string; sealed: number | null }[] {
  const database = new DatabaseSync(file, { readOnly: true });
  try {
    return database.prepare("SELECT id, sealed FROM blobs ORDER BY id").all() as ReturnType<typeof rows>;
  } finally {
    database.close();
  }
}

/** What a relay on a folder hands out, with those that are not there. */
async function expectFiles(db: string, files: Map<Blob, Buffer>, gone: Blob[] = []): Promise<void> {
  expect(check(db, 0).problems).toEqual([]);
  await using relay = await createRelay({ port: 0, store: "sqlite", db, noLimits: true });
  for (const [blob, bytes] of files) expect((await fetchBlob(relay.url, blob)).body.equals(bytes)).toBe(true);
  for (const blob of gone) expect((await fetchBlob(relay.url, blob)).status).toBe(404);
}

test("a backup has the files that are whole, as links, and what is restored of it hands them out", async () => {
  await using w = await world();
  const [one, other, removed] = [await w.upload(), await w.upload(Buffer.from("small")), await w.upload()];
  const part = await askRoom(w.client, 1000);
  await bring(w.url, part, 0, randomBytes(10));
  await drop(w.url, removed);
  w.files.delete(removed);
  const file = join(folder(), "copy.db");
  expect(backup(w.db, file, false)).toMatchObject({ files: 2, file_bytes: 70 * KIB + 5, missing_files: 0 });
  expect(rows(file).map(({ id }) => id)).toEqual([one.blob, other.blob].sort());
  expect(filesIn(`${file}.blobs`)).toHaveLength(2);
  expect(readdirSync(join(file, ".."))).toEqual(["copy.db", "copy.db.blobs"]);
  expect([statSync(file).mode & 0o777, statSync(`${file}.blobs`).mode & 0o777]).toEqual([0o600, 0o700]);
  for (const blob of w.files.keys())
    expect(statSync(pathIn(`${file}.blobs`, blob)).ino).toBe(statSync(pathIn(join(w.db, "blobs"), blob)).ino);

  const db = folder();
  expect(restore(db, file, false, "somebody")).toMatchObject({ files: 2, file_bytes: 70 * KIB + 5, missing_files: 0 });
  // What the relay removes stays in the backup.
  await drop(w.url, one);
  await expectFiles(db, w.files, [part, removed]);
  expect(readdirSync(db)).not.toContain("restoring");
  expect(stats(db)).toMatchObject({ files: 2, file_bytes: 70 * KIB + 5, files_to_come: 0 });
});

test(
  "a backup under a load of uploads, fetches and removals is whole, byte for byte, and disturbs none of them",
  { tags: ["long"] },
  async () => {
    await using w = await world();
    let stopped = false;
    let [removals, fetches] = [0, 0];
    const removed = new Set<Blob>();
    const settled = [];
    for (let count = 0; count < 20; count++) settled.push(await w.upload());
    const work = async (): Promise<void> => {
      while (!stopped) {
        const blob = await w.upload(randomBytes(1 + Math.floor(Math.random() * 300 * KIB)));
        const { body } = await fetchBlob(w.url, blob);
        expect(body.equals(w.files.get(blob) ?? Buffer.of())).toBe(true);
        fetches += 1;
        if (Math.random() < 0.5) continue;
        removed.add(blob);
        expect((await drop(w.url, blob)).status).toBe(204);
        removals += 1;
      }
    };
    const working = Promise.all([work(), work(), work()]);
    const copies = folder();
    for (let round = 0; round < 5; round++) {
      const seen = removals;
      await eventually("some more are removed", () => removals > seen + 5);
      const file = join(copies, `${round}.db`);
      const { code, stdout, stderr } = await command("backup", file, "--db", w.db, "--json");
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      const named = rows(file);
      expect(JSON.parse(stdout)).toMatchObject({ files: named.length, missing_files: 0 });
      expect(filesIn(`${file}.blobs`)).toHaveLength(named.length);
      const ids = new Set(named.map(({ id }) => id));
      for (const { blob } of settled) expect(ids).toContain(blob);
      for (const [blob, bytes] of w.files)
        if (ids.has(blob.blob)) expect(readFileSync(pathIn(`${file}.blobs`, blob)).equals(bytes)).toBe(true);
      // A relay that works is no fault.
      expect(await command("check", "--db", w.db)).toMatchObject({ code: 0, stderr: "" });
    }
    stopped = true;
    await working;
    expect(fetches).toBeGreaterThan(20);
    const db = folder();
    expect(restore(db, join(copies, "4.db"), false, "somebody")).toMatchObject({ missing_files: 0 });
    const last = new Set(rows(join(copies, "4.db")).map(({ id }) => id));
    await expectFiles(db, new Map([...w.files].filter(([{ blob }]) => last.has(blob))));
  },
);

test("on another disk they are copies, and a backup for which there is no room leaves the one before with its files", async ({
  skip,
}) => {
  await using w = await world();
  await w.upload(randomBytes(100 * KIB));
  using disk = smallDisk("2m") ?? skip("no right to mount a small disk");
  const file = join(disk.path, "copy.db");
  expect(backup(w.db, file, false)).toMatchObject({ files: 1, missing_files: 0 });
  const good = readFileSync(file);
  const before = filesIn(`${file}.blobs`);
  await w.upload(randomBytes(1800 * KIB));
  for (const target of [file, join(disk.path, "first.db")])
    expect(() => backup(w.db, target, true)).toThrow(
      expect.objectContaining({ message: `There is no room for ${target}` }),
    );
  expect(readFileSync(file).equals(good)).toBe(true);
  expect(filesIn(`${file}.blobs`)).toEqual(before);
  expect(readdirSync(disk.path).sort()).toEqual(["copy.db", "copy.db.blobs"]);
  const [first] = [...w.files];
  const db = folder();
  expect(restore(db, file, false, "somebody")).toMatchObject({ files: 1, missing_files: 0 });
  await expectFiles(db, new Map([first as [Blob, Buffer]]));
});

test("--force replaces a backup with its files, and without it neither is touched", async () => {
  await using w = await world();
  const [old, kept] = [await w.upload(), await w.upload()];
  const file = join(folder(), "copy.db");
  backup(w.db, file, false);
  await drop(w.url, old);
  w.files.delete(old);
  const fresh = await w.upload();
  expect(() => backup(w.db, file, false)).toThrow("is there already");
  expect(existsSync(pathIn(`${file}.blobs`, old))).toBe(true);
  expect(backup(w.db, file, true)).toMatchObject({ files: 2 });
  expect(filesIn(`${file}.blobs`).map((name) => name.slice(3))).toEqual([kept, fresh].map(({ blob }) => blob).sort());
  // Also where only the folder is there, and where nothing is left to keep.
  rmSync(file);
  expect(() => backup(w.db, file, false)).toThrow(`${file}.blobs is there already`);
  for (const blob of [kept, fresh]) await drop(w.url, blob);
  expect(backup(w.db, file, true)).toMatchObject({ files: 0 });
  expect(readdirSync(join(file, ".."))).toEqual(["copy.db"]);
  writeFileSync(`${file}.blobs`, "something else");
  expect(() => backup(w.db, file, true)).toThrow(`${file}.blobs is no folder`);
});

test("what is missing or cut short is in no backup, and none is made of what links lead to", async () => {
  await using w = await world();
  const [missing, cut, linked, whole] = [await w.upload(), await w.upload(), await w.upload(), await w.upload()];
  const elsewhere = join(folder(), "elsewhere");
  writeFileSync(elsewhere, randomBytes(70 * KIB));
  const blobs = join(w.db, "blobs");
  for (const blob of [missing, linked]) rmSync(pathIn(blobs, blob));
  truncateSync(pathIn(blobs, cut), 5);
  symlinkSync(elsewhere, pathIn(blobs, linked));
  const file = join(folder(), "copy.db");
  const { code, stdout } = await command("backup", file, "--db", w.db);
  expect(code).toBe(0);
  expect(stdout).toContain(`Encrypted files in ${file}.blobs: 1, 70.0 KiB`);
  expect(stdout).toContain("Encrypted files that are missing: 3.");
  expect(rows(file).map(({ id }) => id)).toEqual([whole.blob]);
  expect(filesIn(`${file}.blobs`)).toEqual([join(whole.blob.slice(0, 2), whole.blob)]);
});

test("restore says how many files are missing, and knows nothing of them any more", async () => {
  await using w = await world();
  const [lost, cut, whole] = [await w.upload(), await w.upload(), await w.upload()];
  const file = join(folder(), "copy.db");
  backup(w.db, file, false);
  rmSync(pathIn(`${file}.blobs`, lost));
  // By its name, so that the relay's own stays as it is.
  rmSync(pathIn(`${file}.blobs`, cut));
  writeFileSync(pathIn(`${file}.blobs`, cut), "cut");
  const db = folder();
  const { code, stdout } = await command("restore", file, "--db", db);
  expect(code).toBe(0);
  expect(stdout).toContain(`Encrypted files in ${join(db, "blobs")}: 1, 70.0 KiB\n`);
  expect(stdout).toContain("Encrypted files that are missing: 2.");
  await expectFiles(db, new Map([[whole, w.files.get(whole) ?? Buffer.of()]]), [lost, cut]);

  // A backup whose folder is nowhere, as those of before have none.
  rmSync(`${file}.blobs`, { recursive: true });
  const other = folder();
  expect(restore(other, file, false, "somebody")).toMatchObject({ files: 0, missing_files: 3 });
  await expectFiles(other, new Map(), [lost, cut, whole]);
});

test("the files of a database that is put aside stay with it, and can be restored with it", async () => {
  const db = folder();
  const files = await (async () => {
    await using w = await world(db);
    await w.upload();
    await bring(w.url, await askRoom(w.client, 1000), 0, randomBytes(10));
    return w.files;
  })();
  const empty = join(folder(), "empty.db");
  const fresh = folder();
  await (await createRelay({ port: 0, store: "sqlite", db: fresh }))[Symbol.asyncDispose]();
  backup(fresh, empty, false);
  const { kept } = restore(db, empty, true, "somebody");
  expect(filesIn(`${kept}.blobs`)).toHaveLength(2);
  await expectFiles(db, new Map(), [...files.keys()]);
  expect(restore(db, kept ?? "", true, "somebody")).toMatchObject({ files: 1, missing_files: 0 });
  await expectFiles(db, files);
});

test("files that a restore has put aside, which was cut short then, get their database beside them", async () => {
  const db = folder();
  const files = await (async () => {
    await using w = await world(db);
    await w.upload();
    return w.files;
  })();
  const fresh = folder();
  await (await createRelay({ port: 0, store: "sqlite", db: fresh }))[Symbol.asyncDispose]();
  const empty = join(folder(), "empty.db");
  backup(fresh, empty, false);
  const kept = join(db, "before-restore-2026-01-01T00-00-00-000Z.db");
  renameSync(join(db, "blobs"), `${kept}.blobs`);
  // A relay that was started meanwhile waits for them.
  await (await createRelay({ port: 0, store: "sqlite", db }))[Symbol.asyncDispose]();
  expect(restore(db, empty, true, "somebody")).toMatchObject({ kept });
  await expectFiles(db, new Map(), [...files.keys()]);
  expect(restore(db, kept, true, "somebody")).toMatchObject({ files: 1, missing_files: 0 });
  await expectFiles(db, files);
});

test("no backup is made while the files are elsewhere, so that none takes the place of one that has them", async () => {
  await using w = await world();
  const blob = await w.upload();
  const file = join(folder(), "copy.db");
  backup(w.db, file, false);
  renameSync(join(w.db, "blobs"), join(w.db, "elsewhere"));
  expect(() => backup(w.db, file, true)).toThrow("is not the folder of this database's encrypted files");
  expect(existsSync(pathIn(`${file}.blobs`, blob))).toBe(true);
  renameSync(join(w.db, "elsewhere"), join(w.db, "blobs"));
  expect(backup(w.db, file, true)).toMatchObject({ files: 1 });
});

test("what a process has left that was killed in the middle is in nobody's way", async () => {
  await using w = await world();
  await w.upload();
  const copies = folder();
  const file = join(copies, "copy.db");
  // Files came to their names, and the database not.
  backup(w.db, file, false);
  const [left] = filesIn(`${file}.blobs`);
  writeFileSync(join(`${file}.blobs`, left ?? "", "..", `${(left ?? "").slice(3, 5)}${"0".repeat(30)}`), "left");
  rmSync(file);
  expect(backup(w.db, file, true)).toMatchObject({ files: 1 });
  expect(filesIn(`${file}.blobs`)).toEqual([left]);
  const db = folder();
  restore(db, file, false, "somebody");
  writeFileSync(join(db, "restoring"), "left");
  expect(restore(db, file, true, "somebody")).toMatchObject({ files: 1 });
  await expectFiles(db, w.files);
});
