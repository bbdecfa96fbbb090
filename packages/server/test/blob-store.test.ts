import { randomBytes } from "node:crypto";
import { type FileHandle, open as openFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { FolderBlobs } from "../src/blobs/folder-blobs.ts";
import { MemoryBlobs } from "../src/blobs/memory-blobs.ts";
import { SharedFolder } from "../src/blobs/shared-folder.ts";
import { blobStoreCases, type OpenBlobStore } from "../src/testing/index.ts";
import { folder } from "./folder.ts";

const stores: Record<string, OpenBlobStore> = {
  "files in a folder": () => new FolderBlobs(folder()),
  "files in a folder that relays share": () => new SharedFolder(folder()),
  "files in memory": () => new MemoryBlobs(),
};

for (const [name, open] of Object.entries(stores))
  describe(name, () => {
    for (const { name: sentence, run } of blobStoreCases) test(sentence, () => run(open));
  });

test("no file is closed on which there is work, however many there are", async () => {
  await using store = new FolderBlobs(folder());
  const all = Array.from({ length: 300 }, () => randomBytes(16).toString("hex"));
  const part = Buffer.alloc(100_000, 7);
  for (let round = 0; round < 5; round++)
    await Promise.all(all.map((id) => store.putPart(id, round * part.length, [part])));
  for (const id of all) expect(await store.seal(id, 5 * part.length)).toBe(true);
});

/** Has the disk say once that it did not take something. */
async function failOnce(what: "sync" | "datasync"): Promise<void> {
  await using probe = await openFile(join(folder(), "probe"), "w");
  const handles = Object.getPrototypeOf(probe) as FileHandle;
  const failing = vi.spyOn(handles, what);
  failing.mockImplementationOnce(() => Promise.reject(Object.assign(new Error("EIO"), { code: "EIO" })));
  onTestFinished(() => failing.mockRestore());
}

test("what a shared disk did not take is no part of a file: whoever brings it hears so, and brings it again", async () => {
  await using store = new SharedFolder(folder());
  const id = randomBytes(16).toString("hex");
  await store.putPart(id, 0, [Buffer.from("abc")]);
  await failOnce("datasync");
  await expect(store.putPart(id, 3, [Buffer.from("def")])).rejects.toThrow("EIO");
  await store.putPart(id, 3, [Buffer.from("def")]);
  expect(await store.seal(id, 6)).toBe(true);
});

test.each(["sync", "datasync"] as const)(
  "what the disk did not take once (%s) is not believed to be there when it takes the rest: it is brought anew",
  async (what) => {
    const place = folder();
    const said: unknown[] = [];
    await using store = new FolderBlobs(place, undefined, (error) => said.push(error));
    const id = randomBytes(16).toString("hex");
    const bytes = randomBytes(2 ** 25);
    await failOnce(what);
    await store.putPart(id, 0, [bytes]);
    if (what === "sync") await expect(store.seal(id, bytes.length)).rejects.toThrow("EIO");
    expect(await store.seal(id, bytes.length)).toBe(false);
    expect(await store.size(id)).toBe(0);
    // Neither by a relay that was started since, which knows nothing of it.
    await using later = new FolderBlobs(place);
    expect([await later.size(id), await later.seal(id, bytes.length)]).toEqual([0, false]);
    expect(said).toHaveLength(what === "sync" ? 0 : 1);
    await store.putPart(id, 0, [bytes]);
    expect(await store.seal(id, bytes.length)).toBe(true);
  },
);

test("files in memory have a bound, whatever a relay may take", async () => {
  await using store = new MemoryBlobs();
  const before = await store.free();
  expect(before).toBeLessThan(2 ** 30);
  await store.putPart("0".repeat(32), 0, [Buffer.alloc(1000)]);
  expect(before - (await store.free())).toBe(1000);
});
