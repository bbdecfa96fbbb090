// @module-tag long
// Several relays that have the same store and the same encrypted files: [P-14] of docs/protocol.md, wherever a client comes.
import { createHash, randomBytes, randomInt } from "node:crypto";
import { existsSync, readdirSync, utimesSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { database, hasPostgres } from "../../../test/postgres.ts";
import { random } from "../../../test/processes/processes.ts";
import { eventually } from "../../../test/waiting.ts";
import type { BlobsAddress } from "../src/config/blobs-address.ts";
import { Blobs } from "../src/blobs/blobs.ts";
import { BlobPlace } from "../src/blobs/place.ts";
import { BucketBlobs } from "../src/blobs/s3/bucket-blobs.ts";
import { SharedFolder } from "../src/blobs/shared-folder.ts";
import { defaultLimits } from "../src/config/limits.ts";
import { createRelay, type Relay } from "../src/index.ts";
import { createLog } from "../src/log.ts";
import { blobPath, MARK } from "../src/store/blob-layout.ts";
import type { BlobStore } from "../src/store/blob-store.ts";
import { openPostgresStore } from "../src/store/postgres/postgres.ts";
import { openMemoryStore } from "../src/store/sqlite/sqlite.ts";
import type { RelayStore } from "../src/store/store.ts";
import { type Agent, newAgent } from "./agent.ts";
import { bucketToTest } from "./bucket-fake.ts";
import { folder } from "./folder.ts";
import { askRoom, type Blob, bring, drop, fetchBlob, head, uploaded } from "./uploader.ts";

const MIB = 2 ** 20;
const HOUR_MS = 3_600_000;

type Engine = "memory" | "postgres";
const engines: Engine[] = hasPostgres ? ["memory", "postgres"] : ["memory"];

/** Gives each relay a store of its own onto what all share. */
async function opener(engine: Engine): Promise<() => Promise<RelayStore>> {
  const limits = defaultLimits();
  if (engine === "postgres") {
    const url = await database();
    return () => openPostgresStore({ url, limits });
  }
  const store = openMemoryStore({ limits });
  onTestFinished(() => store[Symbol.asyncDispose]());
  const shared = Object.create(store, { [Symbol.asyncDispose]: { value: async () => {} } }) as RelayStore;
  return async () => shared;
}

/** Where all relays have their files: each of them opens it. */
interface Place {
  files: BlobsAddress;
  open: () => BlobStore;
  /** Ids of the files that are there. */
  ids: () => Promise<string[]>;
}

type Kind = "folder" | "bucket";

async function place(kind: Kind): Promise<Place> {
  const files: BlobsAddress = kind === "bucket" ? { bucket: await bucketToTest() } : { folder: folder() };
  const open = (): BlobStore => ("bucket" in files ? new BucketBlobs(files.bucket) : new SharedFolder(files.folder));
  const ids = async (): Promise<string[]> => {
    await using store = open();
    return (await Array.fromAsync(store.list())).map(({ id }) => id);
  };
  return { files, open, ids };
}

const everywhere: [Kind, Engine][] = (["folder", "bucket"] as const).flatMap((kind) =>
  engines.map((engine): [Kind, Engine] => [kind, engine]),
);

interface Two {
  relays: [Relay, Relay];
  place: Place;
  alice: Agent;
}

async function twoRelays(kind: Kind, engine: Engine): Promise<Two> {
  const open = await opener(engine);
  const shared = await place(kind);
  const start = async (): Promise<Relay> => {
    const relay = await createRelay({
      port: 0,
      store: open,
      files: shared.files,
      limits: { addressConnectionsPerSecond: 0, connectionsPerSecond: 0 },
    });
    onTestFinished(() => relay[Symbol.asyncDispose]());
    return relay;
  };
  const relays: Two["relays"] = [await start(), await start()];
  return { relays, place: shared, alice: await newAgent(relays[0].url, "alice") };
}

/** Begins to bring a part, and leaves it open. */
function half(url: string, { blob, token }: Blob, { offset, length }: { offset: number; length: number }): Socket {
  const socket = connect(Number(new URL(url).port), "127.0.0.1");
  onTestFinished(() => void socket.destroy());
  socket.on("error", () => {});
  socket.write(
    [
      `PATCH /blobs/${blob} HTTP/1.1`,
      "Host: relay",
      `Authorization: Bearer ${token}`,
      "Tus-Resumable: 1.0.0",
      "Content-Type: application/offset+octet-stream",
      `Upload-Offset: ${offset}`,
      `Content-Length: ${length}`,
      "",
      "",
    ].join("\r\n"),
  );
  return socket;
}

/** What comes until the relay closes, perhaps while more is written to it. */
async function answerOf(socket: Socket): Promise<string> {
  let text = "";
  socket.setEncoding("latin1").on("data", (piece: string) => (text += piece));
  await new Promise((resolve) => socket.once("close", resolve));
  return text;
}

const offsetAt = async (url: string, blob: Blob): Promise<number> =>
  Number((await head(url, blob)).headers["upload-offset"]);

test.each(everywhere)(
  "a file that is brought to one relay and then another is fetched from both (%s, %s)",
  async (kind, engine) => {
    const { relays, alice } = await twoRelays(kind, engine);
    using client = await alice.connect();
    const bytes = randomBytes(5 * MIB);
    const blob = await askRoom(client, bytes.length);
    for (let at = 0, turn = 0; at < bytes.length; at += MIB, turn++) {
      const { url } = relays[turn % 2] as Relay;
      expect(await offsetAt(url, blob)).toBe(at);
      expect((await bring(url, blob, at, bytes.subarray(at, at + MIB))).status).toBe(204);
    }
    for (const { url } of relays) expect((await fetchBlob(url, blob)).body.equals(bytes)).toBe(true);
  },
);

test.each(everywhere)(
  "a relay that still waits for a part that another one has taken over does not stand in its way (%s, %s)",
  async (kind, engine) => {
    const { relays, alice } = await twoRelays(kind, engine);
    using client = await alice.connect();
    const [{ url: first }, { url: second }] = relays;
    const bytes = randomBytes(6 * MIB);
    const blob = await askRoom(client, bytes.length);
    const socket = half(first, blob, { offset: 0, length: bytes.length });
    socket.write(bytes.subarray(0, 3 * MIB));
    // Its row does not know of what has come, so the other relay has it brought again.
    const bringing = bring(second, blob, 0, bytes.subarray(0, 5 * MIB));
    expect((await bringing).status).toBe(204);
    socket.destroy();
    await expect.poll(() => offsetAt(second, blob)).toBe(5 * MIB);
    expect((await bring(second, blob, 5 * MIB, bytes.subarray(5 * MIB))).status).toBe(204);
    for (const { url } of relays) expect((await fetchBlob(url, blob)).body.equals(bytes)).toBe(true);
  },
);

test.each(everywhere)(
  "what a relay notes late of a connection that was lost does not undo what another one has taken in (%s, %s)",
  async (kind, engine) => {
    const { relays, alice } = await twoRelays(kind, engine);
    using client = await alice.connect();
    const [{ url: first }, { url: second }] = relays;
    const bytes = randomBytes(6 * MIB);
    const blob = await askRoom(client, bytes.length);
    const [lost, next] = [first, second].map((url) => half(url, blob, { offset: 0, length: bytes.length })) as [
      Socket,
      Socket,
    ];
    lost.write(bytes.subarray(0, 2 * MIB));
    next.write(bytes.subarray(0, 3 * MIB));
    const answer = answerOf(next);
    await eventually("both write", () => fetchBlob(second, blob).then(() => true));
    // The first one notes two MiB: behind what the second has begun with.
    lost.destroy();
    await expect.poll(() => offsetAt(first, blob)).toBeGreaterThan(0);
    next.write(bytes.subarray(3 * MIB));
    expect(await answer).toContain("204 No Content");
    for (const { url } of relays) expect((await fetchBlob(url, blob)).body.equals(bytes)).toBe(true);
  },
);

test.each(everywhere)(
  "whoever has a new token ends what comes by the one before at another relay (%s, %s)",
  async (kind, engine) => {
    const { relays, alice } = await twoRelays(kind, engine);
    using client = await alice.connect();
    const [{ url: first }, { url: second }] = relays;
    const asked = { request_id: "same", read_hash: createHash("sha256").update("read").digest("base64") };
    const before = await askRoom(client, 8 * MIB, asked);
    const socket = half(first, before, { offset: 0, length: 8 * MIB });
    socket.write(randomBytes(MIB));
    const answer = answerOf(socket);
    Object.assign(alice, { url: second, relay: new URL(second).host });
    using other = await alice.connect();
    const after = await askRoom(other, 8 * MIB, asked);
    const going = setInterval(() => void socket.write(randomBytes(4096)), 1);
    onTestFinished(() => clearInterval(going));
    expect(after.blob).toBe(before.blob);
    expect(await answer).not.toContain("204");
  },
);

test.each(everywhere)(
  "a file that one relay removes while another hands it out or takes it in is gone (%s, %s)",
  async (kind, engine) => {
    const { relays, place, alice } = await twoRelays(kind, engine);
    using client = await alice.connect();
    const [{ url: first }, { url: second }] = relays;
    const whole = await uploaded(first, client, randomBytes(MIB));
    expect((await drop(second, whole)).status).toBe(204);
    for (const { url } of relays) expect((await fetchBlob(url, whole)).status).toBe(404);

    const part = await askRoom(client, 8 * MIB);
    const socket = half(first, part, { offset: 0, length: 8 * MIB });
    socket.write(randomBytes(2 * MIB));
    await eventually("some of it is there", async () => (await place.ids()).includes(part.blob));
    expect((await drop(second, part)).status).toBe(204);
    const answer = answerOf(socket);
    socket.write(randomBytes(6 * MIB));
    expect(await answer).toContain("404");
    expect(await place.ids()).not.toContain(part.blob);
  },
);

/** The files as one relay has them, without a relay. */
function blobsOf(store: RelayStore, bytes: BlobStore, logId = store.logId): Blobs {
  const blobs = new Blobs({ rows: store.blobs, store: bytes, logId, clock: Date.now, log: createLog("silent") });
  onTestFinished(() => blobs[Symbol.asyncDispose]());
  return blobs;
}

test.each(engines)(
  "a file that one relay makes just now is left alone by the sweeps of all, one without a row is not (%s)",
  async (engine) => {
    const open = await opener(engine);
    const path = folder();
    const { relays, alice } = await (async () => {
      const relay = await createRelay({ port: 0, store: open, blobStore: new SharedFolder(path) });
      onTestFinished(() => relay[Symbol.asyncDispose]());
      return { relays: [relay], alice: await newAgent(relay.url, "alice") };
    })();
    using client = await alice.connect();
    const { url } = relays[0] as Relay;
    const part = await askRoom(client, 1000);
    await bring(url, part, 0, randomBytes(400));
    const unknown = randomBytes(16).toString("hex");
    const made = new SharedFolder(path);
    await made.putPart(unknown, 0, [Buffer.from("left")]);
    const old = new Date(Date.now() - 5 * HOUR_MS);
    for (const id of [part.blob, unknown]) utimesSync(blobPath(path, id), old, old);
    for (let relay = 0; relay < 2; relay++) blobsOf(await open(), new SharedFolder(path));
    await eventually("the file without a row is gone", () => !existsSync(blobPath(path, unknown)));
    expect((await bring(url, part, 400, randomBytes(600))).status).toBe(204);
  },
);

test.each(engines)(
  "the mark of the files is the cluster's: a log that gets a new id keeps them (%s)",
  async (engine) => {
    const open = await opener(engine);
    const path = folder();
    const first = blobsOf(await open(), new SharedFolder(path), "one");
    expect(await first.isThere()).toBe(true);
    const second = blobsOf(await open(), new SharedFolder(path), "another");
    expect(await second.isThere()).toBe(true);
    expect(await first.isThere()).toBe(true);
    const elsewhere = blobsOf(await open(), new SharedFolder(folder()), "another");
    expect(await elsewhere.isThere()).toBe(false);
  },
);

test("relays that come at once agree on the mark", async () => {
  const open = await opener("memory");
  const path = folder();
  const all = await Promise.all(Array.from({ length: 8 }, async () => blobsOf(await open(), new SharedFolder(path))));
  expect(await Promise.all(all.map((blobs) => blobs.isThere()))).toEqual(all.map(() => true));
  expect(readdirSync(path)).toEqual([MARK]);
});

test("files whose disk hangs are away, and nobody else hangs with it; they are there again when it is", async () => {
  const open = await opener("memory");
  const store = new SharedFolder(folder());
  const { blobs: rows, logId } = await open();
  const place = new BlobPlace({ rows, store, logId, log: createLog("silent"), patience: 1000 });
  expect(await place.isOurs()).toBe(true);
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const owner = vi.spyOn(store, "owner").mockReturnValueOnce(promise);
  expect([await place.isOurs(), await place.isOurs()]).toEqual([false, false]);
  expect(owner).toHaveBeenCalledTimes(1);
  resolve(logId);
  await eventually("it is there again", () => place.isOurs());
});

test.each(everywhere)(
  "files that many bring to any relay at random are whole, and nothing else is there (%s, %s)",
  { timeout: 60_000 },
  async (kind, engine) => {
    const seed = Number(process.env["SEED"] ?? randomInt(2 ** 31));
    process.stderr.write(`shared files: SEED=${seed}\n`);
    const next = random(seed);
    const below = (most: number): number => Math.floor(next() * most);
    const { relays, place, alice } = await twoRelays(kind, engine);
    using client = await alice.connect();
    const anyUrl = (): string => (relays[below(2)] as Relay).url;
    const one = async (): Promise<void> => {
      const bytes = randomBytes(1 + below(2 * MIB));
      const blob = await askRoom(client, bytes.length);
      for (let at = 0; at < bytes.length; at = await offsetAt(anyUrl(), blob)) {
        const part = bytes.subarray(at, at + 1 + below(MIB));
        if (below(3) > 0) {
          await bring(anyUrl(), blob, at, part);
          continue;
        }
        const socket = half(anyUrl(), blob, { offset: at, length: part.length });
        socket.write(part.subarray(0, below(part.length)));
        setTimeout(() => socket.destroy(), below(20));
      }
      for (const { url } of relays) expect((await fetchBlob(url, blob)).body.equals(bytes)).toBe(true);
      if (below(2) === 0) expect((await drop(anyUrl(), blob)).status).toBe(204);
      else kept.add(blob.blob);
    };
    const kept = new Set<string>();
    for (let round = 0; round < 3; round++) await Promise.all(Array.from({ length: 4 }, one));
    expect(new Set(await place.ids())).toEqual(kept);
  },
);

test("a folder of another cluster is left alone", async () => {
  const open = await opener("memory");
  const path = folder();
  writeFileSync(join(path, MARK), "somebody else\n");
  expect(await blobsOf(await open(), new SharedFolder(path)).isThere()).toBe(false);
});
