// [P-14.1], [P-14.4] of docs/protocol.md: parts that come while their file ends, the disk fails, or its room is taken.

import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test, vi } from "vitest";
import { eventually } from "../../../test/waiting.ts";
import { Blobs } from "../src/blobs/blobs.ts";
import { FolderBlobs } from "../src/blobs/folder-blobs.ts";
import { MemoryBlobs } from "../src/blobs/memory-blobs.ts";
import { receivePart } from "../src/blobs/receive.ts";
import { defaultConfig } from "../src/config/config.ts";
import { defaultLimits } from "../src/config/limits.ts";
import { createRelay } from "../src/index.ts";
import { createLogTo } from "../src/log.ts";
import { transfers } from "../src/socket/transfers.ts";
import type { BlobStore } from "../src/store/blob-store.ts";
import { openMemoryStore } from "../src/store/sqlite/sqlite.ts";
import { accepted, StoreWorld } from "../src/testing/store-world.ts";
import { newAgent } from "./agent.ts";
import { folder } from "./folder.ts";
import { askRoom, bring, head } from "./uploader.ts";

const MIB = 2 ** 20;
const DAY_MS = 86_400_000;

/** Files of a store whose clock stands, and a server that takes parts of them. */
async function intake(store: BlobStore) {
  const world = await StoreWorld.open(openMemoryStore);
  const lines: string[] = [];
  const log = createLogTo("json", { write: (line: string) => lines.push(line) });
  const { blobs: rows, logId } = world.store;
  const blobs = new Blobs({ rows, store, logId, clock: () => world.now, log });
  const { mailbox } = await world.agent("alice");
  const server = createServer((asked, response) => {
    void (async () => {
      const blob = await rows.find((asked.url ?? "").slice(1));
      if (blob !== undefined) await receivePart(blobs, blob, asked, response);
    })();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(async () => {
    server.closeAllConnections();
    server.close();
    await blobs[Symbol.asyncDispose]();
    await world[Symbol.asyncDispose]();
  });
  return {
    world,
    blobs,
    rows,
    lines,
    reserve: async (requestId: string, bytes: number, ttl?: number) => {
      const [readHash, tokenHash] = [randomBytes(32), randomBytes(32)];
      return accepted(await rows.reserve({ mailbox, requestId, bytes, readers: 1, readHash, tokenHash, ttl }));
    },
    /** Begins a part of which more may be sent. */
    part: (id: string, length: number, offset = 0) => {
      const headers = {
        "content-type": "application/offset+octet-stream",
        "upload-offset": offset,
        "content-length": length,
      };
      const { port } = server.address() as AddressInfo;
      const sent = request({ host: "127.0.0.1", port, method: "PATCH", path: `/${id}`, headers });
      const answered = new Promise<number>((resolve) => {
        sent.on("response", (response) => resolve(response.resume().statusCode ?? 0));
        sent.on("error", () => resolve(0));
      });
      sent.flushHeaders();
      return { sent, answered };
    },
  };
}

test("[P-14.1] [A-18] a file that ends while it comes leaves nothing, however much comes behind", async () => {
  const place = folder();
  const store = new FolderBlobs(place);
  const { world, blobs, rows, reserve, part } = await intake(store);
  const { id } = await reserve("one", 16 * MIB, 500);
  const { sent, answered } = part(id, 16 * MIB);
  sent.write(randomBytes(2 * MIB));
  await eventually("some is there", async () => (await store.size(id)) >= MIB);
  world.now += 1000;
  await eventually("it is gone", async () => {
    // One that is under way already may have passed it.
    blobs.sweep();
    return !(await rows.known([id])).has(id);
  });
  sent.end(randomBytes(14 * MIB));
  expect(await answered).toBe(0);
  await eventually("its file, too", async () => (await store.size(id)) === 0);
  const files = readdirSync(place, { recursive: true, encoding: "utf8" });
  expect(files.filter((name) => name.length > 20)).toEqual([]);
});

test("[P-14.1] a file of which one part comes for days is not taken for one that is left", async () => {
  const store = new MemoryBlobs();
  const { world, blobs, rows, reserve, part } = await intake(store);
  const { id } = await reserve("one", 8 * MIB);
  const { sent, answered } = part(id, 8 * MIB);
  sent.write(randomBytes(2 * MIB));
  await eventually("some is there", async () => (await store.size(id)) > 0);
  for (let count = 1; count <= 2; count++) {
    const { come } = (await rows.find(id)) ?? expect.fail();
    world.now += DAY_MS - 1000;
    sent.write(randomBytes(2 * MIB));
    await eventually("its row hears of it", async () => ((await rows.find(id))?.come ?? 0) > come);
    blobs.sweep();
  }
  sent.end(randomBytes(2 * MIB));
  expect(await answered).toBe(204);
  expect((await rows.find(id))?.sealed).toBe(true);
});

test("[A-18] parts that come at a time do not all see the same room", async () => {
  const store = new MemoryBlobs();
  const { blobs } = await intake(store);
  vi.spyOn(store, "free").mockResolvedValue(330 * MIB);
  const room = await blobs.rows.room(330 * MIB);
  using first = await blobs.letCome(room - MIB);
  expect(await blobs.letCome(2 * MIB)).toBeUndefined();
  // What was written the disk says itself.
  first?.written(2 * MIB);
  using second = await blobs.letCome(2 * MIB);
  expect([first, second]).not.toContain(undefined);
  first?.[Symbol.dispose]();
  first?.[Symbol.dispose]();
  expect(await blobs.letCome(room)).toBeUndefined();
  second?.[Symbol.dispose]();
  using all = await blobs.letCome(room);
  expect(all).toBeDefined();
});

test("what the disk of files says when it fails is in the log, a line a minute", async () => {
  const store = new MemoryBlobs();
  const { reserve, part, lines } = await intake(store);
  vi.spyOn(store, "putPart").mockRejectedValue(Object.assign(new Error("EIO: i/o error"), { code: "EIO" }));
  for (const name of ["one", "two", "three"]) {
    const { id } = await reserve(name, 1000);
    const { sent, answered } = part(id, 1000);
    sent.end(randomBytes(1000));
    expect(await answered).toBe(500);
  }
  expect(lines.filter((line) => line.includes("EIO"))).toHaveLength(1);
});

test("[P-14.4] behind the end of a file nothing is taken, and what was sent there is not read as a request", async () => {
  const { reserve, part, blobs, rows } = await intake(new MemoryBlobs());
  const { id } = await reserve("one", 1000);
  const whole = part(id, 1000);
  whole.sent.end(randomBytes(1000));
  expect(await whole.answered).toBe(204);
  const more = part(id, 10, 1000);
  more.sent.end(randomBytes(10));
  expect(await more.answered).toBe(413);
  const nothing = part(id, 0, 1000);
  nothing.sent.end();
  expect(await nothing.answered).toBe(204);
  expect(await blobs.come((await rows.find(id)) ?? expect.fail())).toBe(1000);
});

test("[P-14.7] what was counted on one day and not sent is not given back on the next, nor of a file that is gone", async () => {
  const { world, blobs, reserve } = await intake(new MemoryBlobs());
  const blob = await reserve("one", 1000);
  world.now += DAY_MS - (world.now % DAY_MS) - 1;
  const before = blobs.send(blob, 4000);
  expect([before.wait, blobs.send(blob, 1).wait]).toEqual([0, 1]);
  world.now += 1;
  expect(blobs.send(blob, 4000).wait).toBe(0);
  before.unsent(4000);
  expect(blobs.send(blob, 1).wait).toBe(DAY_MS);
  const gone = await reserve("two", 1000);
  const sending = blobs.send(gone, 4000);
  await blobs.remove(gone.id);
  sending.unsent(4000);
  expect(blobs.send(gone, 4000).wait).toBe(0);
});

test("a request whose connection was lost before it had its turn takes no place", () => {
  const limits = { ...defaultLimits(), transfers: 1 };
  const config = { ...defaultConfig, limits };
  const files = transfers(config, { most: undefined, names: () => [], admitted: () => () => {}, onRefused: () => {} });
  const closes: (() => void)[] = [];
  onTestFinished(() => closes.forEach((close) => close()));
  const ask = (destroyed: boolean) => {
    const socket = { destroyed, remoteAddress: "192.0.2.1", bytesRead: 0, bytesWritten: 0, writableLength: 0 };
    const response = { closed: destroyed, once: (_event: string, close: () => void) => closes.push(close) };
    return files.admit({ socket, headers: {} } as never, response as never, "account alice");
  };
  expect([ask(true), ask(true), ask(false)]).toEqual([false, false, true]);
});

/** A disk that takes a file when it is told to. */
class SlowDisk extends MemoryBlobs {
  readonly sealing = Promise.withResolvers<void>();
  seals = 0;

  override async seal(id: string, bytes: number): Promise<boolean> {
    this.seals += 1;
    await this.sealing.promise;
    return super.seal(id, bytes);
  }
}

test("[P-14.1] who asks for a file again is answered at once, whatever the disk does", async () => {
  await using disk = new SlowDisk();
  await using relay = await createRelay({ port: 0, store: "memory", blobStore: disk });
  using alice = await (await newAgent(relay.url, "alice")).connect();
  const asked = { request_id: "same", read_hash: Buffer.alloc(32, 7).toString("base64") };
  const blob = await askRoom(alice, 1000, asked);
  const brought = bring(relay.url, blob, 0, randomBytes(1000));
  await eventually("the disk takes it", () => disk.seals === 1);
  expect((await askRoom(alice, 1000, asked)).blob).toBe(blob.blob);
  disk.sealing.resolve();
  expect((await brought).status).toBe(204);
});

test("[P-14.6] [A-18] a HEAD for which the disk has to take a file counts as a part that comes", async () => {
  await using disk = new SlowDisk();
  await using relay = await createRelay({ port: 0, store: "memory", blobStore: disk, limits: { accountTransfers: 1 } });
  using alice = await (await newAgent(relay.url, "alice")).connect();
  const [one, other] = [await askRoom(alice, 1000), await askRoom(alice, 1000)];
  vi.spyOn(disk, "seal").mockRejectedValueOnce(new Error("EIO"));
  expect((await bring(relay.url, one, 0, randomBytes(1000))).status).toBe(500);
  const brought = bring(relay.url, other, 0, randomBytes(1000));
  await eventually("the disk takes another one", () => disk.seals === 1);
  expect((await head(relay.url, one)).status).toBe(429);
  disk.sealing.resolve();
  expect((await brought).status).toBe(204);
  await eventually("there is a place", async () => (await head(relay.url, one)).status === 200);
});
