import { strict as assert } from "node:assert";
import { randomBytes } from "node:crypto";
import type { BlobStore } from "../store/blob-store.ts";

/** Opens an empty store of files. */
export type OpenBlobStore = () => BlobStore;

/** A case of the acceptance suite of stores of files: a sentence, and a promise that rejects if the store does not do it. */
export interface BlobStoreCase {
  name: string;
  run: (open: OpenBlobStore) => Promise<void>;
}

const newId = (): string => randomBytes(16).toString("hex");

async function bytesOf(store: BlobStore, id: string, start: number, end: number): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of store.read(id, start, end)) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces);
}

async function ids(store: BlobStore): Promise<string[]> {
  const found: string[] = [];
  for await (const { id } of store.list()) found.push(id);
  return found.toSorted();
}

const cases: Record<string, BlobStoreCase["run"]> = {
  async "what is put part by part is read whole, and any range of it"(open) {
    await using store = open();
    const id = newId();
    const bytes = randomBytes(5_000_000);
    const cuts = [0, 1, 1000, 2_000_000, 4_999_999, 5_000_000];
    for (const [index, start] of cuts.slice(0, -1).entries()) {
      const part = bytes.subarray(start, cuts[index + 1]);
      await store.putPart(id, start, [part.subarray(0, 700), part.subarray(700)]);
    }
    assert.equal(await store.size(id), bytes.length);
    assert.equal(await store.seal(id, bytes.length), true);
    assert.ok((await bytesOf(store, id, 0, bytes.length)).equals(bytes));
    for (const [start, end] of [
      [0, 1],
      [999, 1002],
      [1_500_000, 4_100_000],
      [4_999_999, 5_000_000],
    ] as const)
      assert.ok((await bytesOf(store, id, start, end)).equals(bytes.subarray(start, end)));
  },

  async "a part may be put again, from anywhere in what is there"(open) {
    await using store = open();
    const id = newId();
    await store.putPart(id, 0, [Buffer.from("abcdef")]);
    await store.putPart(id, 2, [Buffer.from("XY")]);
    await store.putPart(id, 5, [Buffer.from("Zgh")]);
    assert.equal((await bytesOf(store, id, 0, 8)).toString(), "abXYeZgh");
  },

  async "what is not whole is not sealed, and nothing is there of what nobody put"(open) {
    await using store = open();
    const id = newId();
    assert.equal(await store.size(id), 0);
    assert.equal(await store.seal(id, 3), false);
    await store.putPart(id, 0, [Buffer.from("ab")]);
    assert.equal(await store.seal(id, 3), false);
    await assert.rejects(bytesOf(store, id, 0, 3));
    await assert.rejects(bytesOf(store, newId(), 0, 1));
    await store.putPart(id, 2, [Buffer.from("c")]);
    assert.equal(await store.seal(id, 3), true);
  },

  async "what is removed is gone, and may be put anew; to remove what is not there is nothing"(open) {
    await using store = open();
    const [one, other] = [newId(), newId()];
    await store.remove(one);
    for (const id of [one, other]) await store.putPart(id, 0, [Buffer.from("bytes")]);
    assert.deepEqual(await ids(store), [one, other].toSorted());
    await store.remove(one);
    assert.deepEqual(await ids(store), [other]);
    assert.equal(await store.size(one), 0);
    await store.putPart(one, 0, [Buffer.from("new")]);
    assert.equal(await store.size(one), 3);
  },

  async "nothing is put behind what is not there"(open) {
    await using store = open();
    const id = newId();
    await assert.rejects(store.putPart(id, 5, [Buffer.from("part")]));
    assert.equal(await store.size(id), 0);
    assert.deepEqual(await ids(store), []);
  },

  async "a place is its owner's once that has claimed it"(open) {
    await using store = open();
    assert.equal(await store.owner(), undefined);
    await store.claim("one");
    assert.equal(await store.owner(), "one");
    const id = newId();
    await store.putPart(id, 0, [Buffer.from("bytes")]);
    assert.deepEqual(await ids(store), [id]);
    assert.equal(await store.owner(), "one");
  },

  async "many are written at a time, and it is known when each was last"(open) {
    await using store = open();
    const before = Date.now();
    const all = Array.from({ length: 100 }, newId);
    await Promise.all(all.map((id) => store.putPart(id, 0, [Buffer.from(id)])));
    await Promise.all(all.map((id) => store.putPart(id, 32, [Buffer.from(id)])));
    for await (const { id, bytes, writtenAt } of store.list()) {
      assert.equal(bytes, 64);
      assert.ok(Math.abs(writtenAt - before) < 60_000);
      assert.equal((await bytesOf(store, id, 0, 64)).toString(), id + id);
    }
    assert.deepEqual(await ids(store), all.toSorted());
    assert.ok((await store.free()) > 0);
  },

  async "what was put is kept when its memory is used for something else"(open) {
    await using store = open();
    const id = newId();
    const bytes = randomBytes(10_000);
    const given = Buffer.from(bytes);
    await store.putPart(id, 0, [given]);
    given.fill(0);
    assert.ok((await bytesOf(store, id, 0, bytes.length)).equals(bytes));
  },

  async "what goes on while a part is read is not disturbed by that"(open) {
    await using store = open();
    const [one, other] = [newId(), newId()];
    const bytes = randomBytes(3_000_000);
    for (const id of [one, other]) await store.putPart(id, 0, [bytes]);
    const reading = store.read(one, 0, bytes.length)[Symbol.asyncIterator]();
    await reading.next();
    await store.putPart(other, bytes.length, [Buffer.from("more")]);
    await store.remove(other);
    await reading.return?.();
    assert.ok((await bytesOf(store, one, 0, bytes.length)).equals(bytes));
  },
};

/** The acceptance suite of stores of files: what a relay relies on. */
export const blobStoreCases: BlobStoreCase[] = Object.entries(cases).map(([name, run]) => ({ name, run }));
