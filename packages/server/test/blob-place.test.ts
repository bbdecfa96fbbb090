// [P-14.8] of docs/protocol.md: files that are not where their database has had them, as on a disk that is not mounted.

import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { eventually } from "../../../test/waiting.ts";
import { check } from "../src/admin/check.ts";
import { MemoryBlobs } from "../src/blobs/memory-blobs.ts";
import { BlobPlace } from "../src/blobs/place.ts";
import { createRelay } from "../src/index.ts";
import { createLogTo } from "../src/log.ts";
import { blobPath, MARK } from "../src/store/blob-layout.ts";
import { openMemoryStore } from "../src/store/sqlite/sqlite.ts";
import { StorageError } from "../src/store/store.ts";
import { StoreWorld } from "../src/testing/store-world.ts";
import { type Agent, newAgent } from "./agent.ts";
import { folder } from "./folder.ts";
import { runningRelay } from "./relay-process.ts";
import { askRoom, type Blob, bring, drop, fetchBlob, head, uploaded } from "./uploader.ts";

/** A folder in which a relay has one file that is whole, and a part of one. */
async function used(): Promise<{ db: string; blobs: string; alice: Agent; whole: Blob; part: Blob }> {
  const db = folder();
  await using relay = await createRelay({ port: 0, store: "sqlite", db });
  const alice = await newAgent(relay.url, "alice");
  using client = await alice.connect();
  const whole = await uploaded(relay.url, client, randomBytes(1000));
  const part = await askRoom(client, 1000);
  await bring(relay.url, part, 0, randomBytes(400));
  return { db, blobs: join(db, "blobs"), alice, whole, part };
}

function age(file: string): void {
  const then = new Date(Date.now() - 5 * 3_600_000);
  utimesSync(file, then, then);
}

const reasonOf = ({ status, body }: { status: number; body: Buffer }) => [
  status,
  (JSON.parse(body.toString()) as { reason: string }).reason,
];

async function readyOf(url: string): Promise<unknown> {
  return (await fetch(new URL("/ready", url.replace("ws", "http")))).json();
}

test.each(["is not there", "is an empty one", "is that of another relay"])(
  "[P-14.8] a relay that starts while the folder of its files %s gives none of them up, and says so once",
  async (how) => {
    const { db, blobs, alice, whole, part } = await used();
    const elsewhere = join(db, "elsewhere");
    renameSync(blobs, elsewhere);
    const others = how === "is that of another relay" ? await used() : undefined;
    if (how === "is an empty one") mkdirSync(blobs);
    if (others !== undefined) {
      renameSync(others.blobs, blobs);
      age(blobPath(blobs, others.whole.blob));
    }
    expect(check(db, 0).problems).toMatchObject([{ problem: "blobs_elsewhere", count: 1 }]);

    using relay = await runningRelay(db);
    const { url } = relay;
    Object.assign(alice, { url, relay: new URL(url).host });
    using client = await alice.connect();
    for (const answer of [
      await fetchBlob(url, whole),
      await bring(url, part, 400, randomBytes(600)),
      await drop(url, whole),
    ])
      expect(reasonOf(answer)).toEqual([507, "storage_lost"]);
    expect((await head(url, part)).status).toBe(507);
    const asked = { request_id: "more", bytes: 10, readers: 1, read_hash: Buffer.alloc(32).toString("base64") };
    expect((await client.ask("blob", asked)).data).toMatchObject({ reason: "storage_lost", code: 507 });
    expect((await client.ask("blob_delete", { blob: whole.blob })).data.reason).toBe("storage_lost");
    expect((await client.ask("heartbeat")).type).toBe("ack");
    expect(await readyOf(url)).toEqual({ status: "ready", files: "storage_lost" });
    if (others !== undefined) expect(existsSync(blobPath(blobs, others.whole.blob))).toBe(true);
    const said = () => `${relay.output.stdout}${relay.output.stderr}`.split("is not the one that belongs").length - 1;
    await eventually("the log says so", () => said() > 0);
    expect(said()).toBe(1);

    rmSync(blobs, { recursive: true, force: true });
    renameSync(elsewhere, blobs);
    expect((await fetchBlob(url, whole)).status).toBe(200);
    expect((await bring(url, part, 400, randomBytes(600))).status).toBe(204);
    expect(await readyOf(url)).toEqual({ status: "ready" });
    await relay.end("SIGTERM");
    expect(check(db, 0).problems).toEqual([]);
  },
);

test("[P-14.8] a relay with a new database leaves the files of the one before alone", async () => {
  const { db, blobs, whole } = await used();
  age(blobPath(blobs, whole.blob));
  for (const name of ["relay.db", "relay.db-wal", "relay.db-shm"]) rmSync(join(db, name), { force: true });
  await using relay = await createRelay({ port: 0, store: "sqlite", db });
  expect(await readyOf(relay.url)).toEqual({ status: "ready", files: "storage_lost" });
  await relay[Symbol.asyncDispose]();
  expect(existsSync(blobPath(blobs, whole.blob))).toBe(true);
});

test("a folder of before there were marks gets one, if the database knows its files", async () => {
  const { db, blobs, whole } = await used();
  const mark = readFileSync(join(blobs, MARK), "utf8");
  rmSync(join(blobs, MARK));
  const database = new DatabaseSync(join(db, "relay.db"));
  database.exec("DELETE FROM meta WHERE key = 'blobs_mark'");
  database.close();
  const elsewhere = join(db, "elsewhere");
  renameSync(blobs, elsewhere);
  mkdirSync(blobs);
  {
    await using relay = await createRelay({ port: 0, store: "sqlite", db });
    expect((await fetchBlob(relay.url, whole)).status).toBe(507);
    expect(existsSync(join(blobs, MARK))).toBe(false);
  }
  rmSync(blobs, { recursive: true });
  renameSync(elsewhere, blobs);
  await using relay = await createRelay({ port: 0, store: "sqlite", db });
  expect((await fetchBlob(relay.url, whole)).status).toBe(200);
  expect(readFileSync(join(blobs, MARK), "utf8")).toBe(mark);
});

test("a copy of the whole folder has its files, also where its log gets a new id", async () => {
  const { db, blobs, whole } = await used();
  await using relay = await createRelay({ port: 0, store: "sqlite", db, restored: true });
  expect((await fetchBlob(relay.url, whole)).status).toBe(200);
  expect(existsSync(blobPath(blobs, whole.blob))).toBe(true);
});

test("files that are lost for good are given up when their operator says so, by the mark", async () => {
  const { db, blobs, whole } = await used();
  const mark = readFileSync(join(blobs, MARK), "utf8");
  rmSync(blobs, { recursive: true });
  mkdirSync(blobs);
  writeFileSync(join(blobs, MARK), mark);
  await using relay = await createRelay({ port: 0, store: "sqlite", db });
  await eventually("it is given up", async () => (await fetchBlob(relay.url, whole)).status === 404);
});

test("[P-14.1] a relay that takes no files any more hands out those that it has, and removes them", async () => {
  const { db, whole, part } = await used();
  await using relay = await createRelay({ port: 0, store: "sqlite", db, limits: { blobs: 0 } });
  expect((await fetchBlob(relay.url, whole)).status).toBe(200);
  expect((await bring(relay.url, part, 400, randomBytes(600))).status).toBe(204);
  expect((await drop(relay.url, whole)).status).toBe(204);
});

test("[P-14.8] nothing is said of files while it is their database that cannot be asked, however long that takes", async () => {
  await using world = await StoreWorld.open(openMemoryStore);
  const { blobs, logId } = world.store;
  const lines: string[] = [];
  const log = createLogTo("text", { write: (line: string) => lines.push(line) });
  const away = new StorageError("internal", new Error("the engine is away"), true);
  const rows = { ...blobs, mark: () => delay(50).then(() => Promise.reject(away)) };
  const place = new BlobPlace({ rows, store: new MemoryBlobs(), logId, log, patience: 10 });
  expect(await place.isOurs()).toBe(false);
  rows.mark = () => blobs.mark() as Promise<never>;
  expect(await place.isOurs()).toBe(true);
  expect(lines).toEqual([]);
});
