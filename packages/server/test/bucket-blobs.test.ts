// @module-tag long
// Encrypted files in a bucket: against a fake of S3, and a real one where AIMESSAGE_TEST_BUCKET names it, as s3://bucket/prefix.
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect, createServer, type AddressInfo } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { BucketBlobs } from "../src/blobs/s3/bucket-blobs.ts";

import type { BlobStore } from "../src/store/blob-store.ts";
import { blobStoreCases } from "../src/testing/index.ts";
import {
  answered,
  brokenOff,
  type BucketFake,
  bucketFake,
  bucketToTest,
  garbled,
  reset,
  silent,
} from "./bucket-fake.ts";

const newId = (): string => randomBytes(16).toString("hex");

describe("files in a bucket", () => {
  for (const { name: sentence, run } of blobStoreCases)
    test(sentence, async () => {
      const bucket = await bucketToTest();
      await run(() => new BucketBlobs(bucket));
    });

  test("what another relay has put is found, gone on with, sealed and removed", async () => {
    const bucket = await bucketToTest();
    await using one = new BucketBlobs(bucket);
    await using other = new BucketBlobs(bucket);
    const id = newId();
    const bytes = randomBytes(300_000);
    for (const [index, store] of [one, other, one, other, one, other].entries())
      await store.putPart(id, index * 50_000, [bytes.subarray(index * 50_000, (index + 1) * 50_000)]);
    expect(await one.seal(id, bytes.length)).toBe(true);
    for (const store of [one, other])
      expect((await bytesOf(store, id, 12, 299_990)).equals(bytes.subarray(12, 299_990))).toBe(true);
    await one.remove(id);
    expect(await other.size(id)).toBe(0);
    await expect(other.putPart(id, 300_000, [Buffer.from("late")])).rejects.toThrow("none can be put");
  });

  test("what is sealed is what it was, whatever is put late", async () => {
    const bucket = await bucketToTest();
    await using one = new BucketBlobs(bucket);
    await using late = new BucketBlobs(bucket);
    const id = newId();
    await one.putPart(id, 0, [Buffer.from("abc")]);
    await late.size(id);
    await one.putPart(id, 3, [Buffer.from("def")]);
    expect(await one.seal(id, 6)).toBe(true);
    await late.putPart(id, 3, [Buffer.from("XYZ!")]);
    expect([await one.size(id), await one.seal(id, 6), await one.seal(id, 7)]).toEqual([6, true, false]);
    expect((await bytesOf(one, id, 0, 6)).toString()).toBe("abcdef");
  });

  test("lists of more than one page are whole", { timeout: 60_000 }, async () => {
    const bucket = await bucketToTest();
    await using store = new BucketBlobs(bucket);
    const id = newId();
    for (let at = 0; at < 1100; at += 1) await store.putPart(id, at, [Buffer.from("x")]);
    expect(await store.size(id)).toBe(1100);
    await store.remove(id);
    expect(await store.size(id)).toBe(0);
  });
});

async function bytesOf(store: BlobStore, id: string, start: number, end: number): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of store.read(id, start, end)) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces);
}

/** A store with one file. */
async function withFile(bytes: Buffer): Promise<{ fake: BucketFake; store: BucketBlobs; id: string }> {
  const fake = await bucketFake();
  const store = new BucketBlobs(fake.bucket("p"), 500);
  onTestFinished(() => store[Symbol.asyncDispose]());
  const id = newId();
  await store.putPart(id, 0, [bytes]);
  return { fake, store, id };
}

test.each([
  ["500", answered(500, "InternalError")],
  ["503 SlowDown", answered(503, "SlowDown")],
  ["400 RequestTimeout", answered(400, "RequestTimeout")],
  ["a connection that is reset", reset],
  ["an answer that breaks off", brokenOff],
  ["a byte that changes on its way", garbled],
  ["silence", silent],
])("a bucket that answers once or twice by %s is asked again", async (how, fault) => {
  const bytes = randomBytes(100_000);
  const { fake, store, id } = await withFile(bytes);
  // Of a list a byte that changes need not be seen, and TLS sees to it.
  const isGarbled = how.startsWith("a byte");
  fake.faults.push(...(isGarbled ? [undefined, fault, fault] : [fault, fault, undefined, fault]));
  expect((await bytesOf(store, id, 0, bytes.length)).equals(bytes)).toBe(true);
  if (!isGarbled) fake.faults.push(fault, fault);
  await store.putPart(id, bytes.length, [Buffer.from("more")]);
  expect((await bytesOf(store, id, bytes.length - 2, bytes.length + 4)).subarray(2).toString()).toBe("more");
});

test("a bucket that goes on to fail, or says no, is an error of few words, and never a file that is gone", async () => {
  const { fake, store, id } = await withFile(Buffer.from("abc"));
  for (const [status, code] of [
    [403, "AccessDenied"],
    [404, "NoSuchBucket"],
    [301, "PermanentRedirect"],
  ] as const) {
    fake.faults.push(answered(status, code));
    await expect(store.size(id)).rejects.toThrow(`listing a bucket was answered by ${status} ${code}`);
  }
  const before = fake.asked.length;
  fake.faults.push(...Array.from({ length: 20 }, () => answered(503, "SlowDown")));
  await expect(store.size(id)).rejects.toThrow("listing a bucket was answered by 503 SlowDown");
  expect(fake.asked.length - before).toBe(5);
  fake.faults.length = 0;
  fake.faults.push((_, response) => void response.end("<html>a portal</html>"));
  expect(await store.size(id)).toBe(3);
});

test("a bucket without room says so as a disk does", async () => {
  const { fake, store, id } = await withFile(Buffer.from("abc"));
  fake.faults.push(answered(403, "QuotaExceeded"));
  await expect(store.putPart(id, 3, [Buffer.from("def")])).rejects.toMatchObject({ code: "ENOSPC" });
  expect(await store.size(id)).toBe(3);
});

test("a wrong secret is refused, and no error tells anything of it", async () => {
  const fake = await bucketFake();
  await using store = new BucketBlobs(fake.bucket("", { AWS_SECRET_ACCESS_KEY: "wrong" }));
  const error = await store.owner().catch((reason: unknown) => reason);
  expect(error).toMatchObject({ message: "GET of an object of a bucket was answered by 403 SignatureDoesNotMatch" });
  expect(JSON.stringify([error, fake.bucket()])).not.toMatch(/wrong|secret|TESTKEY/);
});

test("a file of which an object is missing is not there, and one that was changed in its place is not handed out", async () => {
  const { fake, store, id } = await withFile(Buffer.from("abc"));
  await store.putPart(id, 3, [Buffer.from("def")]);
  await store.seal(id, 6);
  const part = [...fake.objects.keys()].find((name) => name.includes("/000000-"));
  const kept = fake.objects.get(part!)!;
  fake.objects.set(part!, { ...kept, body: Buffer.from("abX") });
  await expect(bytesOf(store, id, 0, 6)).rejects.toThrow("a part is not as it was put");
  fake.objects.delete(part!);
  expect(await store.size(id)).toBe(0);
});

test("objects of others in the bucket are not listed, and not touched", async () => {
  const { fake, store, id } = await withFile(Buffer.from("abc"));
  fake.page = 2;
  for (const name of ["p/readme & more.txt", "p/relay_id", "pq/other", `p/${newId()}.txt`, "q"])
    fake.objects.set(name, { body: Buffer.alloc(9), at: new Date() });
  const found: string[] = [];
  for await (const file of store.list()) found.push(file.id);
  expect(found).toEqual([id]);
  await store.remove(id);
  expect(fake.objects.size).toBe(5);
});

test("a file that comes byte by byte does not become objects without end, and each part costs one request", async () => {
  const { fake, store, id } = await withFile(Buffer.from("abc"));
  const before = fake.asked.length;
  for (let at = 3; at < 103; at++) await store.putPart(id, at, [Buffer.from("x")]);
  expect(fake.asked.slice(before)).toEqual(Array.from({ length: 100 }, () => "PUT"));
  const [name] = [...fake.objects.keys()];
  fake.objects.set(name!.replace("/000000-", "/019999-"), fake.objects.get(name!)!);
  await store.size(id);
  await expect(store.putPart(id, 103, [Buffer.from("x")])).rejects.toThrow("cannot have more");
});

test("memory that reading takes is a part's, however large a file is and however slow its reader", async () => {
  const { fake, store, id } = await withFile(randomBytes(1_000_000));
  for (let part = 1; part < 20; part++) await store.putPart(id, part * 1_000_000, [randomBytes(1_000_000)]);
  const before = fake.asked.length;
  const reading = store.read(id, 0, 20_000_000)[Symbol.asyncIterator]();
  expect((await reading.next()).value).toHaveLength(1_000_000);
  expect(fake.asked.length - before).toBe(2);
  await reading.return?.();
});

test("a network that cuts connections at random loses and changes nothing", { timeout: 60_000 }, async () => {
  const fake = await bucketFake();
  const target = (fake.server!.address() as AddressInfo).port;
  const cutting = createServer((client) => {
    const engine = connect(target, "127.0.0.1");
    for (const socket of [client, engine])
      socket.on("error", () => {}).on("close", () => [client, engine].map((one) => one.destroy()));
    client.pipe(engine);
    engine.pipe(client);
    setTimeout(() => client.resetAndDestroy(), 5 + Math.random() * 60);
  }).listen(0, "127.0.0.1");
  await once(cutting, "listening");
  onTestFinished(() => void cutting.close());
  const endpoint = `http://127.0.0.1:${(cutting.address() as AddressInfo).port}`;
  await using store = new BucketBlobs(fake.bucket("", { AWS_ENDPOINT_URL: endpoint }));
  const one = async (): Promise<void> => {
    const [id, bytes] = [newId(), randomBytes(2_000_000)];
    for (let at = 0; at < bytes.length;) {
      await store.putPart(id, at, [bytes.subarray(at, at + 200_000)]).catch(() => {});
      at = await store.size(id).catch(() => at);
    }
    const sealed = async (): Promise<boolean> => store.seal(id, bytes.length).catch(() => sealed());
    expect(await sealed()).toBe(true);
    const read = async (): Promise<Buffer> => bytesOf(store, id, 0, bytes.length).catch(() => read());
    expect((await read()).equals(bytes)).toBe(true);
  };
  await Promise.all(Array.from({ length: 8 }, one));
});
