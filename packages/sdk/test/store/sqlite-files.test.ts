/** The files of a store: who may read them, what is left in them, and what is said when they are not right. */
import { execFileSync, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  chmodSync,
  chownSync,
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import { describe, expect, it, vi } from "vitest";
import { SqliteStore } from "../../src/node/sqlite-store.ts";
import { eventually, never } from "../../../../test/waiting.ts";
import { smallDisk } from "../../../../test/small-disk.ts";
import { newFolder, openStore } from "./folder.ts";
import { startChild } from "./process.ts";

const modeOf = (path: string) => (statSync(path).mode & 0o777).toString(8);

/** Files of the folder that contain the bytes. In a process of its own: to close a file here would free SQLite's locks. */
function filesWith(folder: string, bytes: string): string[] {
  return spawnSync("grep", ["-rlaF", "-e", bytes, folder], { encoding: "utf8" })
    .stdout.split("\n")
    .filter((line) => line !== "");
}

describe("files", () => {
  it("are for their owner alone, whatever the umask", async () => {
    const before = process.umask(0);
    try {
      const folder = join(newFolder(), "home", "alice");
      const store = await openStore(folder);
      const stop = store.onChange(() => undefined);
      await store.write((tx) => tx.put("a", "secret"));
      const lock = await store.takeLink("test");
      expect(modeOf(folder)).toBe("700");
      expect(modeOf(join(folder, ".."))).toBe("700");
      const files = readdirSync(folder);
      expect(files).toEqual(expect.arrayContaining(["agent.db", "agent.db-wal", "agent.db-shm", "link.db"]));
      for (const file of files) expect(`${file} ${modeOf(join(folder, file))}`).toBe(`${file} 600`);
      await lock?.release();
      stop();
    } finally {
      process.umask(before);
    }
  });

  it("a folder that was open to others is closed to them", async () => {
    const folder = newFolder();
    execFileSync("chmod", ["755", folder]);
    await openStore(folder);
    expect(modeOf(folder)).toBe("700");
  });

  it("a folder that a link leads to is left as it is", async () => {
    const [folder, home] = [newFolder(), newFolder()];
    execFileSync("chmod", ["750", folder]);
    symlinkSync(folder, join(home, "alice"));
    const store = await openStore(join(home, "alice"));
    await store.write((tx) => tx.put("a", "works"));
    expect(modeOf(folder)).toBe("750");
  });

  it.runIf(process.geteuid?.() === 0)(
    "are the folder's owner's where root is at work, also when it is killed",
    async () => {
      const folder = newFolder();
      chownSync(folder, 12_345, 12_345);
      const store = await openStore(folder);
      await store.write((tx) => tx.put("a", "of root's process"));
      store.onChange(() => undefined);
      await store.takeLink("listen");
      const files = readdirSync(folder);
      expect(files).toEqual(expect.arrayContaining(["agent.db-wal", "agent.db-shm", "doorbell", "link.json"]));
      for (const file of files) expect([file, statSync(join(folder, file)).uid]).toEqual([file, 12_345]);
    },
  );

  const GROUP = { uid: 1000, gid: 2000 };
  const child = fileURLToPath(new URL("child.ts", import.meta.url));
  const readable = spawnSync("test", ["-r", child], GROUP).status === 0;
  it.runIf(process.geteuid?.() === 0 && readable)("are made in a folder of root's that is open to our group", () => {
    const folder = newFolder();
    chownSync(folder, 0, GROUP.gid);
    chmodSync(folder, 0o2775);
    const words = ["--conditions=@aimessage/source", child, folder, "increment", "1"];
    const { status, stderr } = spawnSync(process.execPath, words, { ...GROUP, encoding: "utf8" });
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect((statSync(folder).mode & 0o7777).toString(8)).toBe("2775");
    for (const file of readdirSync(folder)) expect([file, modeOf(join(folder, file))]).toEqual([file, "600"]);
  });

  it("say who holds the link, and lock nobody out where that cannot be said", async () => {
    const folder = newFolder();
    const store = await openStore(folder);
    // Nothing that we may write or remove, as a file of another user's is.
    mkdirSync(join(folder, "link.json", "x"), { recursive: true });
    const lock = await store.takeLink("listen");
    expect(lock).toBeDefined();
    expect(await store.takeLink("send")).toBeUndefined();
    expect(await store.linkHolder()).toBeUndefined();
    await lock?.release();
    rmSync(join(folder, "link.json"), { recursive: true });
    writeFileSync(join(folder, "link.json"), "left behind by one that was killed", { mode: 0 });
    const again = await store.takeLink("listen");
    expect(await store.linkHolder()).toMatchObject({ pid: process.pid, role: "listen" });
    await again?.release();
  });

  it.each(["text", "bytes"])("hold no secret (%s) that was overwritten or deleted, after a scrub", async (kind) => {
    const folder = newFolder();
    const store = await openStore(folder);
    const other = await openStore(folder);
    const secrets = Array.from({ length: 20 }, () => randomBytes(24).toString("hex"));
    for (const secret of secrets) {
      const value = kind === "text" ? secret : new Uint8Array(Buffer.from(secret));
      await store.write((tx) => tx.put("overwritten", value));
      await store.write((tx) => tx.put(`deleted/${secret.slice(0, 8)}`, value));
      // A long one has pages of its own.
      await store.write((tx) => tx.put("long", `${secret}${"x".repeat(10_000)}`));
    }
    expect(filesWith(folder, secrets[19]!)).not.toEqual([]);
    await store.write(async (tx) => {
      await tx.put("overwritten", "nothing");
      await tx.delete("long");
      for (const [key] of await tx.list({ prefix: "deleted/" })) await tx.delete(key);
    });
    expect(await other.read((tx) => tx.get("overwritten"))).toBe("nothing");
    await store.scrub();
    for (const secret of secrets) expect(filesWith(folder, secret)).toEqual([]);
    expect(await other.read((tx) => tx.get("overwritten"))).toBe("nothing");
  });

  it("hold no overwritten secret of a killed process once the store is opened again", async () => {
    const folder = newFolder();
    const secret = randomBytes(24).toString("hex");
    const child = await startChild(folder, "overwrite", secret);
    child.process.kill("SIGKILL");
    await child.exit;
    expect(filesWith(folder, secret)).not.toEqual([]);
    const store = await openStore(folder);
    expect(filesWith(folder, secret)).toEqual([]);
    expect(await store.read((tx) => tx.get("a"))).toBe("nothing");
  });

  it("hold none after the scrub behind a long read of another process, by which it is held up", async () => {
    const folder = newFolder();
    const store = await openStore(folder);
    const secret = randomBytes(24).toString("hex");
    await store.write((tx) => tx.put("a", secret));
    const other = new DatabaseSync(join(folder, "agent.db"));
    other.exec("BEGIN; SELECT * FROM records");
    await store.write((tx) => tx.put("a", "nothing"));
    expect(await store.scrub()).toBe(false);
    other.exec("COMMIT");
    other.close();
    expect(await store.scrub()).toBe(true);
    expect(filesWith(folder, secret)).toEqual([]);
  });

  it("hold no overwritten secret after a close either", async () => {
    const folder = newFolder();
    const secret = randomBytes(24).toString("hex");
    {
      await using store = await SqliteStore.open(folder);
      await store.write((tx) => tx.put("a", secret));
      await store.write((tx) => tx.put("a", "nothing"));
    }
    expect(filesWith(folder, secret)).toEqual([]);
  });
});

describe("a store that cannot be written", () => {
  const readOnly = { code: "home_unwritable", message: expect.stringContaining("is read-only here") };

  it("is read, and says at every write that it is read-only", async ({ skip }) => {
    using disk = smallDisk("2m") ?? skip("no right to mount a small disk");
    {
      await using store = await SqliteStore.open(disk.path);
      await store.write((tx) => tx.put("a", "readable"));
    }
    disk.freeze();
    await using store = await SqliteStore.open(disk.path);
    expect(await store.read((tx) => tx.get("a"))).toBe("readable");
    await expect(store.write((tx) => tx.put("a", "never"))).rejects.toMatchObject(readOnly);
    await expect(store.takeLink("listen")).rejects.toMatchObject(readOnly);
    await expect(SqliteStore.open(join(disk.path, "new"))).rejects.toMatchObject(readOnly);
  });

  it("is read where the version before has written it", async ({ skip }) => {
    using disk = smallDisk("2m") ?? skip("no right to mount a small disk");
    {
      await using store = await SqliteStore.open(disk.path);
      await store.write((tx) => tx.put("a", "readable"));
    }
    const db = new DatabaseSync(join(disk.path, "agent.db"));
    db.exec("PRAGMA user_version = 1");
    db.close();
    disk.freeze();
    await using store = await SqliteStore.open(disk.path);
    expect(await store.read((tx) => tx.get("a"))).toBe("readable");
  });

  it("is read as its last process has left it, be it killed", async ({ skip }) => {
    using disk = smallDisk("2m") ?? skip("no right to mount a small disk");
    const child = await startChild(disk.path, "overwrite", "secret");
    child.process.kill("SIGKILL");
    await child.exit;
    const part = join(disk.path, "agent.db-shm");
    disk.freeze();
    await using store = await SqliteStore.open(disk.path);
    expect(await store.read((tx) => tx.get("a"))).toBe("nothing");
    // Without what tells which part of the log counts nothing is guessed.
    spawnSync("mount", ["-o", "remount,rw", disk.path]);
    await store.close();
    rmSync(part);
    disk.freeze();
    await expect(SqliteStore.open(disk.path)).rejects.toMatchObject({ hint: expect.stringContaining("copy it") });
  });
});

it("a store of the version before is read, and from then on refused by that version", async () => {
  const folder = newFolder();
  const before = await openStore(folder);
  await before.write((tx) => tx.put("a", "kept"));
  await before.close();
  const format = (set = "") => {
    const db = new DatabaseSync(join(folder, "agent.db"));
    const found = db.prepare(`PRAGMA user_version${set}`).get();
    db.close();
    return found;
  };
  format(" = 1");
  const store = await openStore(folder);
  expect(await store.read((tx) => tx.get("a"))).toBe("kept");
  expect(format()).toEqual({ user_version: 2 });
});

describe("a store that cannot be used says why", () => {
  it("written by a newer version", async () => {
    const folder = newFolder();
    const db = new DatabaseSync(join(folder, "agent.db"));
    db.exec("PRAGMA user_version = 99");
    db.close();
    await expect(SqliteStore.open(folder)).rejects.toMatchObject({
      code: "store_newer",
      hint: expect.stringContaining("update"),
    });
  });

  it("not a database", async () => {
    const folder = newFolder();
    writeFileSync(join(folder, "agent.db"), "this is no database, but long enough to be read as one".repeat(100));
    await expect(SqliteStore.open(folder)).rejects.toMatchObject({
      code: "store_damaged",
      hint: expect.stringContaining("backup"),
    });
  });

  it("damaged in the middle, when it is opened or read", async () => {
    const folder = newFolder();
    {
      await using store = await SqliteStore.open(folder);
      await store.write(async (tx) => {
        for (let index = 0; index < 200; index++) await tx.put(`record/${index}`, "x".repeat(500));
      });
    }
    const file = openSync(join(folder, "agent.db"), "r+");
    writeSync(file, randomBytes(40_000), 0, 40_000, 4096);
    closeSync(file);
    const all = async () => {
      await using store = await SqliteStore.open(folder);
      await store.read((tx) => tx.list({ prefix: "" }));
    };
    await expect(all()).rejects.toMatchObject({ code: "store_damaged" });
  });

  it("whose folder is a file, or lies below one", async () => {
    const file = join(newFolder(), "alice");
    writeFileSync(file, "not a folder");
    for (const folder of [file, join(file, "below")])
      await expect(SqliteStore.open(folder)).rejects.toMatchObject({
        code: "home_unwritable",
        message: expect.stringContaining(folder),
      });
  });

  it("whose database is a folder", async () => {
    const folder = newFolder();
    mkdirSync(join(folder, "agent.db"));
    await expect(SqliteStore.open(folder)).rejects.toMatchObject({ code: "home_unwritable" });
  });

  it.skipIf(process.getuid?.() === 0)("whose folder may not be written", async () => {
    const folder = newFolder();
    execFileSync("chmod", ["500", folder]);
    await expect(SqliteStore.open(join(folder, "alice"))).rejects.toMatchObject({ code: "home_unwritable" });
  });
});

it("a write that is last sees what is begun at the same moment, and shares its commit", async () => {
  const store = await openStore(newFolder());
  let commits = 0;
  store.onChange(() => commits++);
  const [seen] = await Promise.all([
    store.write(
      async (tx) => {
        await tx.put("last", "");
        return tx.get("beside");
      },
      { last: true },
    ),
    store.write((tx) => tx.put("beside", "written")),
  ]);
  expect({ seen, commits }).toEqual({ seen: "written", commits: 1 });
});

it("whoever writes last is not told of that commit if it wants so, and is of the next; others are told of both", async () => {
  const store = await openStore(newFolder());
  const told = { writer: 0, other: 0 };
  const untold = () => void told.writer++;
  store.onChange(untold);
  store.onChange(() => void told.other++);
  await Promise.all([
    store.write((tx) => tx.put("turn", ""), { last: true, untold }),
    store.write((tx) => tx.put("beside", "")),
  ]);
  expect(told).toEqual({ writer: 0, other: 1 });
  await store.write((tx) => tx.put("later", ""));
  expect(told).toEqual({ writer: 1, other: 2 });
});

it("a write waits while another process writes, and readers do not", async () => {
  const folder = newFolder();
  const [store, reader] = [await openStore(folder), await openStore(folder)];
  const other = new DatabaseSync(join(folder, "agent.db"));
  other.exec("BEGIN IMMEDIATE");
  const write = store.write((tx) => tx.put("a", "waited"));
  for (let round = 0; round < 20; round++) expect(await reader.read((tx) => tx.get("a"))).toBeUndefined();
  other.exec("COMMIT");
  other.close();
  await write;
  expect(await reader.read((tx) => tx.get("a"))).toBe("waited");
});

it("a write that waits for another process is not given up because the clock was set", async () => {
  const folder = newFolder();
  const store = await openStore(folder);
  const other = new DatabaseSync(join(folder, "agent.db"));
  other.exec("BEGIN IMMEDIATE");
  const exec = vi.spyOn(DatabaseSync.prototype, "exec");
  const write = store.write((tx) => tx.put("a", "waited"));
  await eventually("it waits", () => exec.mock.calls.length > 1);
  exec.mockRestore();
  let isOver = false;
  void write.finally(() => (isOver = true)).catch(() => undefined);
  const now = Date.now.bind(Date);
  const clock = vi.spyOn(Date, "now").mockImplementation(() => now() + 3_600_000);
  await never("it is given up", () => isOver);
  clock.mockRestore();
  other.exec("COMMIT");
  other.close();
  await write;
  expect(await store.read((tx) => tx.get("a"))).toBe("waited");
});

describe("a full disk", () => {
  it("is named, loses nothing, and is over when there is room again", async () => {
    const exec = vi.spyOn(DatabaseSync.prototype, "exec");
    const folder = newFolder();
    const store = await openStore(folder);
    const db = exec.mock.contexts.at(-1) as DatabaseSync;
    exec.mockRestore();
    await store.write((tx) => tx.put("kept", "before"));
    const pages = Number(Object.values(db.prepare("PRAGMA page_count").get() ?? {})[0]);
    db.exec(`PRAGMA max_page_count = ${pages + 5}`);

    const large = () => store.write((tx) => tx.put("large", "x".repeat(1 << 20)));
    await expect(large()).rejects.toMatchObject({
      code: "disk_full",
      hint: expect.stringContaining("nothing was lost"),
    });
    // In a group, each either is there afterwards or was refused.
    const results = await Promise.allSettled([
      store.write((tx) => tx.put("first", "1")),
      large(),
      store.write((tx) => tx.put("last", "1")),
    ]);
    expect(results[1].status).toBe("rejected");
    for (const [index, key] of [
      [0, "first"],
      [2, "last"],
    ] as const) {
      const found = await store.read((tx) => tx.get(key));
      expect(found === "1").toBe(results[index].status === "fulfilled");
      if (results[index].status === "rejected") expect(results[index]).toMatchObject({ reason: { code: "disk_full" } });
    }
    expect(await store.read((tx) => tx.get("kept"))).toBe("before");
    expect(await store.read((tx) => tx.get("large"))).toBeUndefined();

    db.exec("PRAGMA max_page_count = 1000000");
    await large();
    expect(await (await openStore(folder)).read((tx) => tx.get("large"))).toHaveLength(1 << 20);
  });
});
