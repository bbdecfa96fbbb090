import { strict as assert } from "node:assert";
import type { NewBlob } from "../store/blob-rows.ts";
import { accepted, assertRefused, type StoreCase, StoreWorld } from "./store-world.ts";

const MIB = 2 ** 20;
const DAY_MS = 86_400_000;

/** A file of which `alice` asks for room. */
function blob(of: { mailbox: number }, more: Partial<NewBlob> = {}): NewBlob {
  const [readHash, tokenHash] = [hash("read"), hash("token")];
  return {
    mailbox: of.mailbox,
    requestId: "one",
    bytes: MIB,
    readers: 1,
    readHash,
    tokenHash,
    ttl: undefined,
    ...more,
  };
}

function hash(text: string): Uint8Array {
  return new TextEncoder().encode(text.padEnd(32));
}

/** Duties of a store that have to do with encrypted files, whose bytes lie elsewhere. [P-14] */
export const blobCases: Record<string, StoreCase["run"]> = {
  async "a file that is asked for again is the same one, with another token"(open) {
    await using world = await StoreWorld.open(open);
    const { blobs } = world.store;
    const alice = await world.agent("alice");
    const first = accepted(await blobs.reserve(blob(alice)));
    assert.match(first.id, /^[0-9a-f]{32}$/);
    assert.deepEqual([first.come, first.sealed, first.owner], [0, false, "alice"]);
    const again = accepted(await blobs.reserve(blob(alice, { tokenHash: hash("other") })));
    assert.equal(again.id, first.id);
    assert.deepEqual((await blobs.find(first.id))?.tokenHash, hash("other"));
    assertRefused(await blobs.reserve(blob(alice, { bytes: 2 * MIB })), "message_id_reused");
    assert.notEqual(accepted(await blobs.reserve(blob(alice, { requestId: "two" }))).id, first.id);
    assert.deepEqual(await blobs.totals(), { count: 2, bytes: 2 * MIB, awaited: 2 * MIB });
  },

  async "what has come moves on from where it stood, and nowhere else"(open) {
    await using world = await StoreWorld.open(open);
    const { blobs } = world.store;
    const { id } = accepted(await blobs.reserve(blob(await world.agent("alice"))));
    assert.equal((await blobs.totals()).awaited, MIB);
    assert.equal(await blobs.advance(id, 0, 1000), true);
    assert.equal(await blobs.advance(id, 0, 500), false);
    assert.equal((await blobs.find(id))?.come, 1000);
    // After a crash fewer bytes may be there than were known to have come.
    assert.equal(await blobs.advance(id, 1000, 800), true);
    assert.equal((await blobs.totals()).awaited, MIB - 800);
    assert.equal(await blobs.seal(id), true);
    assert.deepEqual([(await blobs.find(id))?.come, (await blobs.find(id))?.sealed], [MIB, true]);
    assert.equal((await blobs.totals()).awaited, 0);
    assert.equal(await blobs.advance(id, MIB, 0), false);
    assert.equal(await blobs.seal("0".repeat(32)), false);
    assert.deepEqual(
      (await blobs.sealedAfter("", 10)).map((one) => one.id),
      [id],
    );
  },

  async "room is kept from the moment on that it is asked for, and comes back"(open) {
    await using world = await StoreWorld.open(open, { accountBlobs: 3 * MIB, blobBytes: 2 * MIB });
    const { blobs } = world.store;
    const [alice, bob] = [await world.agent("alice"), await world.agent("bob")];
    assertRefused(await blobs.reserve(blob(alice, { bytes: 2 * MIB + 1 })), "blob_too_large");
    const { id } = accepted(await blobs.reserve(blob(alice, { bytes: 2 * MIB })));
    assertRefused(await blobs.reserve(blob(alice, { requestId: "two", bytes: 2 * MIB })), "blob_quota");
    accepted(await blobs.reserve(blob(bob, { bytes: 2 * MIB })));
    assert.equal(await blobs.remove(id, bob.mailbox), false);
    assert.equal(await blobs.remove(id, alice.mailbox), true);
    assert.equal(await blobs.find(id), undefined);
    accepted(await blobs.reserve(blob(alice, { requestId: "two", bytes: 2 * MIB })));
  },

  async "however many accounts ask for room, some is left: of a whole an account has a quarter, an address half"(open) {
    await using world = await StoreWorld.open(open, { blobs: 16 * MIB, accountBlobs: 16 * MIB });
    const { blobs } = world.store;
    const taken = async (name: string): Promise<number> => {
      const agent = await world.agent(name);
      for (let count = 0; ; count++) {
        const result = await blobs.reserve(blob(agent, { requestId: `r${count}` }));
        if ("refused" in result) return count;
      }
    };
    world.address = "192.0.2.1";
    const here = [];
    for (let index = 0; index < 8; index++) here.push(await taken(`agent-${index}`));
    assert.equal(here[0], 4);
    assert.equal(
      here.reduce((sum, count) => sum + count),
      8,
    );
    world.address = "192.0.2.2";
    assert.equal(await taken("bob"), 2);
    assert.equal(await taken("carol"), 1);
  },

  async "of a disk that is smaller than all files may be there are shares, too, and clearly more is left to mail"(
    open,
  ) {
    const limits = { blobs: 2 ** 36, accountBlobs: 2 ** 36, blobBytes: 2 ** 36, reserveBytes: 64 * MIB };
    await using world = await StoreWorld.open(open, limits);
    const { blobs } = world.store;
    const free = 1344 * MIB;
    // 64 MiB, and 256: 1 GiB is left.
    assert.equal(await blobs.room(free), 1024 * MIB);
    // Three quarters of a small disk, and always more than mail must have.
    assert.deepEqual([await blobs.room(120 * MIB), await blobs.room(90 * MIB)], [30 * MIB, 10 * MIB]);
    const ask = async (name: string, count: number) =>
      blobs.reserve(blob(await world.agent(name), { bytes: count * MIB, free }));
    assertRefused(await ask("alice", 1025), "storage_full");
    assertRefused(await ask("alice", 257), "blob_quota");
    const { id } = accepted(await ask("alice", 256));
    assertRefused(await ask("bob", 193), "blob_quota");
    accepted(await ask("bob", 192));
    // What has come is on the disk, and not free any more.
    await blobs.advance(id, 0, 256 * MIB);
    assert.equal(await blobs.room(free - 256 * MIB), 768 * MIB);
    const carol = await world.agent("carol");
    accepted(await blobs.reserve(blob(carol, { bytes: MIB, free: free - 256 * MIB })));
    // A tenth of a large disk.
    assert.equal(await blobs.room(99_744 * MIB), (99_744 - 64 - 10_000) * MIB);
    assert.equal(await blobs.room(Infinity), Infinity);
  },

  async "the smallest file takes room as well, so that nobody has a million of them"(open) {
    await using world = await StoreWorld.open(open, { accountBlobs: MIB });
    const { blobs } = world.store;
    const alice = await world.agent("alice");
    for (let count = 0; count < 16; count++)
      accepted(await blobs.reserve(blob(alice, { requestId: `r${count}`, bytes: 300 })));
    assertRefused(await blobs.reserve(blob(alice, { requestId: "more", bytes: 300 })), "blob_quota");
  },

  async "a file ends after its time, or a day after something came of it last; its request is a new one then"(open) {
    await using world = await StoreWorld.open(open, { blobAge: 15 * DAY_MS });
    const { blobs } = world.store;
    const alice = await world.agent("alice");
    const make = async (requestId: string, ttl?: number) =>
      accepted(await blobs.reserve(blob(alice, { requestId, ttl }))).id;
    const [whole, short, slow, left] = [await make("a"), await make("b", DAY_MS), await make("c"), await make("d")];
    await blobs.seal(whole);
    await blobs.seal(short);
    assert.deepEqual(await blobs.removeOverdue(10), []);
    world.now += DAY_MS - 1;
    await blobs.advance(slow, 0, 10);
    world.now += 1;
    assert.equal(await blobs.find(short), undefined);
    assert.deepEqual((await blobs.removeOverdue(10)).toSorted(), [short, left].toSorted());
    assert.equal((await blobs.find(slow))?.come, 10);
    assert.notEqual(await make("b"), short);
    world.now += 14 * DAY_MS;
    assert.equal(await blobs.find(whole), undefined);
    await blobs.removeOverdue(10);
    assert.deepEqual([...(await blobs.known([whole, slow]))], []);
    assert.deepEqual(await blobs.totals(), { count: 0, bytes: 0, awaited: 0 });
  },

  async "a file that has ended keeps its room until it is told of, also where its request was used again"(open) {
    await using world = await StoreWorld.open(open, { accountBlobs: 2 * MIB });
    const { blobs } = world.store;
    const alice = await world.agent("alice");
    const ask = () => blobs.reserve(blob(alice, { ttl: 1000 }));
    const first = accepted(await ask());
    world.now += 1000;
    const second = accepted(await ask());
    assert.notEqual(second.id, first.id);
    assert.deepEqual([...(await blobs.known([first.id, second.id]))], [first.id, second.id]);
    world.now += 1000;
    assertRefused(await ask(), "blob_quota");
    assert.deepEqual((await blobs.removeOverdue(10)).toSorted(), [first.id, second.id].toSorted());
    accepted(await ask());
  },

  async "the mark of the place where bytes lie is kept"(open) {
    await using world = await StoreWorld.open(open);
    const { blobs } = world.store;
    assert.equal(await blobs.mark(), undefined);
    await blobs.setMark("one");
    assert.equal(await blobs.mark(), "one");
  },

  async "who asks for a file again, or brings nothing of it, does not keep it"(open) {
    await using world = await StoreWorld.open(open, { blobAge: 15 * DAY_MS });
    const { blobs } = world.store;
    const alice = await world.agent("alice");
    const make = async (requestId: string) => accepted(await blobs.reserve(blob(alice, { requestId }))).id;
    const [again, nothing, fewer] = [await make("a"), await make("b"), await make("c")];
    await blobs.advance(fewer, 0, 10);
    world.now += DAY_MS - 1;
    assert.equal(await make("a"), again);
    assert.equal(await blobs.advance(nothing, 0, 0), true);
    assert.equal(await blobs.advance(fewer, 10, 5), true);
    world.now += 1;
    assert.deepEqual((await blobs.removeOverdue(10)).toSorted(), [again, nothing, fewer].toSorted());
  },

  async "what an account that was removed has sent can be fetched still, and is nobody else's who has its name"(open) {
    await using world = await StoreWorld.open(open);
    const { blobs } = world.store;
    const alice = await world.agent("alice");
    const { id } = accepted(await blobs.reserve(blob(alice)));
    await blobs.seal(id);
    await world.store.removeAccount(alice.mailbox, true);
    assertRefused(await blobs.reserve(blob(alice)), "device_replaced");
    const heir = await world.agent("alice");
    assert.notEqual(accepted(await blobs.reserve(blob(heir))).id, id);
    assert.equal(await blobs.remove(id, heir.mailbox), false);
    // Nor of a mailbox that is gone, or never was.
    for (const nobody of [alice.mailbox, 999]) assert.equal(await blobs.remove(id, nobody), false);
    assert.equal((await blobs.find(id))?.sealed, true);
  },
};
