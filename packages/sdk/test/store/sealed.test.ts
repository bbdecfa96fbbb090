import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { SQLInputValue } from "node:sqlite";
import { describe, expect, it } from "vitest";
import { SqliteStore } from "../../src/node/sqlite-store.ts";
import type { WriteTransaction } from "../../src/store/store.ts";
import { Random, seed } from "../random.ts";
import { newFolder, openStore, raw, sealedBefore } from "./folder.ts";

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

it("notices a value that was put in another's place, and one that was changed, also while it is open", async () => {
  const folder = await sealedBefore(PASSPHRASE);
  const store = await openStore(folder, PASSPHRASE);
  await store.write(async (tx) => {
    await tx.put("in-body/1", "one");
    await tx.put("in-body/2", "two");
    await tx.put("in-body/3", "three");
  });
  raw(folder, "UPDATE records SET value = (SELECT value FROM records WHERE key = 'in-body/2') WHERE key = 'in-body/1'");
  raw(folder, "UPDATE records SET value = CAST(substr(value, 1, 20) || x'0000' AS BLOB) WHERE key = 'in-body/3'");
  for (const key of ["in-body/1", "in-body/3"])
    await expect(store.read((tx) => tx.get(key))).rejects.toMatchObject({ code: "store_damaged" });
  expect(await store.read((tx) => tx.get("in-body/2"))).toBe("two");
});

it("is opened by two processes that give it the same passphrase at once", { tags: ["long"] }, async () => {
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
  const store = await openStore(await sealedBefore(""), "");
  await store.write((tx) => tx.put("a", "works"));
  expect(await store.read((tx) => tx.get("a"))).toBe("works");
});

/** Pins alice, trusts another key of hers, forgets bob. */
async function story() {
  const folder = await sealedBefore(PASSPHRASE);
  const write = async (work: (tx: WriteTransaction) => Promise<void>) => {
    await using store = await SqliteStore.open(folder, PASSPHRASE);
    await store.write(work);
  };
  await write(async (tx) => {
    await tx.put("contact/alice", "first key");
    await tx.put("contact/bob", "his key");
    await tx.put("queue/alice/1", "");
  });
  const row = (key: string) =>
    raw(folder, "SELECT value FROM records WHERE key = ?", key)[0]?.["value"] as SQLInputValue;
  const old = { alice: row("contact/alice"), bob: row("contact/bob"), root: row("!root") };
  await write(async (tx) => {
    await tx.put("contact/alice", "second key");
    await tx.delete("contact/bob");
  });
  return { folder, old };
}
type Story = Awaited<ReturnType<typeof story>>;
const put = ({ folder }: Story, key: string, value: SQLInputValue) =>
  raw(folder, "INSERT OR REPLACE INTO records VALUES (?, ?)", key, value);

describe("records that somebody else has changed are noticed when the store is opened:", () => {
  it.each<[string, (story: Story) => unknown]>([
    ["one was removed", ({ folder }) => raw(folder, "DELETE FROM records WHERE key = 'contact/alice'")],
    ["one without content was removed", ({ folder }) => raw(folder, "DELETE FROM records WHERE key LIKE 'queue/%'")],
    ["an old one was put back", (story) => put(story, "contact/alice", story.old.alice)],
    ["one that was deleted was put back", (story) => put(story, "contact/bob", story.old.bob)],
    ["one was added", (story) => put(story, "queue/bob/2", "")],
    ["one without content became bytes", (story) => put(story, "queue/alice/1", new Uint8Array())],
    [
      "one took another key",
      ({ folder }) => raw(folder, "UPDATE records SET key = 'contact/c' WHERE key = 'contact/alice'"),
    ],
    ["the root was removed", ({ folder }) => raw(folder, "DELETE FROM records WHERE key = '!root'")],
    ["an old root was put back", (story) => put(story, "!root", story.old.root)],
    [
      "an old root came with one of its records",
      (story) => {
        put(story, "!root", story.old.root);
        put(story, "contact/alice", story.old.alice);
      },
    ],
    [
      "a trigger was added",
      ({ folder }) =>
        raw(
          folder,
          "CREATE TRIGGER t AFTER UPDATE ON records BEGIN DELETE FROM records WHERE key = 'contact/alice'; END",
        ),
    ],
    [
      "the table became a view",
      ({ folder }) => {
        raw(folder, "ALTER TABLE records RENAME TO hidden");
        raw(folder, "CREATE VIEW records AS SELECT * FROM hidden");
      },
    ],
  ])("%s", async (_what, tamper) => {
    const told = await story();
    await (await SqliteStore.open(told.folder, PASSPHRASE)).close();
    tamper(told);
    await expect(SqliteStore.open(told.folder, PASSPHRASE)).rejects.toMatchObject({ code: "store_damaged" });
  });

  it("also if it was opened meanwhile, and written to", async () => {
    const told = await story();
    const open = await openStore(told.folder, PASSPHRASE);
    put(told, "contact/alice", told.old.alice);
    await open.write((tx) => tx.put("contact/alice", "third key"));
    await open.write((tx) => tx.put("contact/carol", "her key"));
    await expect(SqliteStore.open(told.folder, PASSPHRASE)).rejects.toMatchObject({ code: "store_damaged" });
  });

  it("and no seal without a set is made of one with it", async () => {
    const told = await story();
    const { set, ...without } = JSON.parse(
      String(raw(told.folder, "SELECT value FROM records WHERE key = '!seal'")[0]?.["value"]),
    ) as { set: 1 };
    expect(set).toBe(1);
    put(told, "!seal", JSON.stringify(without));
    await expect(SqliteStore.open(told.folder, PASSPHRASE)).rejects.toMatchObject({ code: "wrong_passphrase" });
  });
});

it(`opens after whatever its processes have written, undone transactions among it (seed ${seed})`, async () => {
  const folder = await sealedBefore(PASSPHRASE);
  const random = new Random();
  {
    await using one = await SqliteStore.open(folder, PASSPHRASE);
    await using two = await SqliteStore.open(folder, PASSPHRASE);
    for (let round = 0; round < 60; round++) {
      const store = random.int(2) === 0 ? one : two;
      const failing = random.int(5) === 0;
      const work = store.write(async (tx) => {
        for (let count = 0; count < 3; count++) {
          const key = `record/${random.int(10)}`;
          if (random.int(3) === 0) await tx.delete(key);
          else await tx.put(key, ["", String(round), new Uint8Array(round)][random.int(3)]!);
        }
        if (failing) throw new Error("undone");
      });
      await (failing ? expect(work).rejects.toThrow("undone") : work);
    }
  }
  await using store = await SqliteStore.open(folder, PASSPHRASE);
  expect(await store.read((tx) => tx.list({ prefix: "!" }))).toEqual([]);
});

it("that is sealed while a process has it open takes nothing more from that one", { tags: ["long"] }, async () => {
  const folder = newFolder();
  const before = await openStore(folder);
  await before.write((tx) => tx.put("a", "1"));
  await (await SqliteStore.open(folder, PASSPHRASE, { seal: true })).close();
  await expect(before.write((tx) => tx.put("a", "2"))).rejects.toMatchObject({ code: "wrong_passphrase" });
  const sealed = await openStore(folder, PASSPHRASE);
  expect(await sealed.read((tx) => tx.get("a"))).toBe("1");
});
