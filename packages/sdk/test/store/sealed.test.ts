import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, it } from "vitest";
import { keyOf, newKdf, seal } from "../../src/node/passphrase.ts";
import { SqliteStore } from "../../src/node/sqlite-store.ts";
import { newFolder, openStore } from "./folder.ts";

const PASSPHRASE = "correct horse";
const SECRET = "a body that nobody shall find";

/** All bytes of a store's files. */
function files(folder: string): string {
  return readdirSync(folder)
    .map((name) => readFileSync(join(folder, name), "latin1"))
    .join("");
}

it("holds no value in the clear, and opens by its passphrase alone", async () => {
  const folder = join(newFolder(), "alice");
  const store = await openStore(folder, PASSPHRASE);
  await store.write(async (tx) => {
    await tx.put("in-body/1", SECRET);
    await tx.put("mls/1", new TextEncoder().encode(SECRET));
    await tx.put("queue/bob/1", "");
  });
  expect(files(folder)).not.toContain(SECRET);
  await store.close();
  expect(files(folder)).not.toContain(SECRET);
  for (const wrong of ["correct horses", "", undefined])
    await expect(SqliteStore.open(folder, wrong)).rejects.toMatchObject({ code: "wrong_passphrase" });
  const again = await openStore(folder, PASSPHRASE);
  expect(await again.read((tx) => tx.get("in-body/1"))).toBe(SECRET);
  expect(await again.read((tx) => tx.list({ prefix: "" }))).toHaveLength(3);
});

it("that has none yet gets one where that is meant, and nothing of before is left in the clear", async () => {
  const folder = join(newFolder(), "alice");
  const open = await openStore(folder);
  await open.write((tx) => tx.put("in-body/1", SECRET));
  const lock = await open.takeLink("test");
  const meant = { seal: true };
  await expect(SqliteStore.open(folder, PASSPHRASE)).rejects.toMatchObject({ code: "wrong_passphrase" });
  await expect(SqliteStore.open(folder, PASSPHRASE, meant)).rejects.toMatchObject({ code: "store_busy" });
  await lock?.release();
  await open.close();
  expect(files(folder)).toContain(SECRET);
  await (await openStore(folder)).close();
  await (await SqliteStore.open(folder, PASSPHRASE, meant)).close();
  const sealed = await openStore(folder, PASSPHRASE);
  expect(await sealed.read((tx) => tx.get("in-body/1"))).toBe(SECRET);
  await sealed.close();
  expect(files(folder)).not.toContain(SECRET);
});

it("notices a value that was put in another's place", async () => {
  const folder = join(newFolder(), "alice");
  const store = await openStore(folder, PASSPHRASE);
  await store.write(async (tx) => {
    await tx.put("in-body/1", "one");
    await tx.put("in-body/2", "two");
  });
  await store.close();
  const plain = await import("node:sqlite");
  const db = new plain.DatabaseSync(join(folder, "agent.db"));
  db.exec("UPDATE records SET value = (SELECT value FROM records WHERE key = 'in-body/2') WHERE key = 'in-body/1'");
  db.close();
  const again = await openStore(folder, PASSPHRASE);
  await expect(again.read((tx) => tx.get("in-body/1"))).rejects.toMatchObject({ code: "store_damaged" });
  expect(await again.read((tx) => tx.get("in-body/2"))).toBe("two");
});

it("is opened by two processes that give it the same passphrase at once", async () => {
  const folder = join(newFolder(), "alice");
  const results = await Promise.allSettled([1, 2].map(() => SqliteStore.open(folder, PASSPHRASE)));
  for (const result of results) {
    // Who came second may have found the agent in use.
    if (result.status === "rejected") expect(result.reason).toMatchObject({ code: "store_busy" });
    else await result.value.close();
  }
  const store = await openStore(folder, PASSPHRASE);
  await store.write((tx) => tx.put("a", "1"));
});

it("gets no passphrase that is empty or short, and opens still by one that it got when they were taken", async () => {
  for (const weak of ["", "abc", "1234567", "        "]) {
    const fresh = join(newFolder(), "alice");
    await expect(SqliteStore.open(fresh, weak)).rejects.toMatchObject({
      code: "weak_passphrase",
      hint: expect.stringContaining("--generate"),
    });
    expect(existsSync(fresh)).toBe(false);
    const folder = newFolder();
    await (await SqliteStore.open(folder)).close();
    await expect(SqliteStore.open(folder, weak, { seal: true })).rejects.toMatchObject({ code: "weak_passphrase" });
    await (await SqliteStore.open(folder)).close();
  }
  const folder = newFolder();
  await (await SqliteStore.open(folder)).close();
  const kdf = { ...newKdf(), N: 1024 };
  const dataKey = Buffer.from(seal(await keyOf("", kdf), new Uint8Array(32), "!seal")).toString("base64");
  const db = new DatabaseSync(join(folder, "agent.db"));
  db.prepare("INSERT INTO records VALUES ('!seal', ?)").run(JSON.stringify({ kdf, data_key: dataKey }));
  db.close();
  const store = await openStore(folder, "");
  await store.write((tx) => tx.put("a", "works"));
  expect(await store.read((tx) => tx.get("a"))).toBe("works");
});
