// [P-14] of docs/protocol.md.

import { randomBytes } from "node:crypto";
import { existsSync, readdirSync, statSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import { eventually } from "../../../test/waiting.ts";
import { createRelay } from "../src/index.ts";
import { newAgent } from "./agent.ts";
import { BucketBlobs } from "../src/blobs/s3/bucket-blobs.ts";
import { SharedFolder } from "../src/blobs/shared-folder.ts";
import type { BlobStore } from "../src/store/blob-store.ts";
import { bucketToTest } from "./bucket-fake.ts";
import { folder } from "./folder.ts";
import { RawClient, tokenClient } from "./raw-client.ts";
import { askRoom, type Blob, bring, drop, fetchBlob, head, http, uploaded } from "./uploader.ts";

const MIB = 2 ** 20;
const limits = { addressConnectionsPerSecond: 0, connectionsPerSecond: 0 };

/** `AIMESSAGE_TEST_FILES=folder` or `bucket`: all of this with files as relays of a cluster have them. */
async function placeOfRun(): Promise<BlobStore | undefined> {
  const kind = process.env["AIMESSAGE_TEST_FILES"];
  if (kind === "folder") return new SharedFolder(folder());
  return kind === "bucket" ? new BucketBlobs(await bucketToTest()) : undefined;
}

async function world(options: Parameters<typeof createRelay>[0] = {}) {
  const relay = await createRelay({
    port: 0,
    store: "memory",
    blobStore: await placeOfRun(),
    ...options,
    limits: { ...limits, ...options.limits },
  });
  const { url } = relay;
  const client = await (await newAgent(url, "alice")).connect();
  return {
    relay,
    url,
    client,
    async [Symbol.asyncDispose]() {
      client[Symbol.dispose]();
      await relay[Symbol.asyncDispose]();
    },
  };
}

test("[P-14.1] [P-14.4] [P-14.5] a file is brought in parts, and fetched whole or in any range", async () => {
  await using w = await world({ store: "sqlite", db: folder() });
  const bytes = randomBytes(5 * MIB + 123);
  const blob = await askRoom(w.client, bytes.length);
  expect(blob).toMatchObject({ offset: 0, piece_bytes: 8 * MIB });
  expect(blob.expires_at).toBeGreaterThan(Date.now() + 14 * 86_400_000);
  expect((await fetchBlob(w.url, blob)).status).toBe(404);
  for (let at = 0; at < bytes.length; at += 2 * MIB) {
    const part = bytes.subarray(at, at + 2 * MIB);
    const { status, headers } = await bring(w.url, blob, at, part);
    expect([status, headers["upload-offset"], headers["tus-resumable"]]).toEqual([204, `${at + part.length}`, "1.0.0"]);
  }
  const { status, headers } = await head(w.url, blob);
  expect([status, headers["upload-offset"], headers["upload-length"], headers["cache-control"]]).toEqual([
    200,
    `${bytes.length}`,
    `${bytes.length}`,
    "no-store",
  ]);
  const whole = await fetchBlob(w.url, blob);
  expect(whole.status).toBe(200);
  expect(whole.body.equals(bytes)).toBe(true);
  expect(whole.headers).toMatchObject({
    "content-type": "application/octet-stream",
    "content-disposition": "attachment",
    "content-security-policy": "sandbox",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
  });
  const part = await fetchBlob(w.url, blob, "bytes=1000000-2999999");
  expect([part.status, part.headers["content-range"]]).toEqual([206, `bytes 1000000-2999999/${bytes.length}`]);
  expect(part.body.equals(bytes.subarray(1_000_000, 3_000_000))).toBe(true);
  expect((await fetchBlob(w.url, blob, `bytes=${bytes.length - 5}-`)).body.equals(bytes.subarray(-5))).toBe(true);
  expect((await fetchBlob(w.url, blob, "bytes=-5")).body.equals(bytes.subarray(-5))).toBe(true);
  const beyond = await fetchBlob(w.url, blob, `bytes=${bytes.length}-`);
  expect([beyond.status, beyond.headers["content-range"]]).toEqual([416, `bytes */${bytes.length}`]);
});

test("[P-14.1] a repeat of a request is the same file; whoever had its token before has none any more", async () => {
  await using w = await world();
  const [first, second] = [await askRoom(w.client, 1000, { request_id: "same", read_hash: hash }), undefined];
  await bring(w.url, first, 0, randomBytes(400));
  const again = await askRoom(w.client, 1000, { request_id: "same", read_hash: hash });
  expect([again.blob, again.offset, second]).toEqual([first.blob, 400, undefined]);
  expect((await bring(w.url, first, 400, randomBytes(600))).status).toBe(404);
  expect((await bring(w.url, again, 400, randomBytes(600))).status).toBe(204);
  const other = await w.client.ask("blob", { request_id: "same", bytes: 2000, readers: 1, read_hash: hash });
  expect(other.data.reason).toBe("message_id_reused");
});
const hash = Buffer.alloc(32, 7).toString("base64");

test("[P-14.4] a part goes where the last one ended, and nowhere else", async () => {
  await using w = await world();
  const blob = await askRoom(w.client, 1000);
  expect((await bring(w.url, blob, 0, randomBytes(300))).status).toBe(204);
  for (const offset of [0, 299, 301, 1000, 5000]) {
    const { status, headers, body } = await bring(w.url, blob, offset, randomBytes(10));
    expect([status, headers["upload-offset"]]).toEqual([409, "300"]);
    expect(JSON.parse(body.toString())).toMatchObject({ code: 409, reason: "blob_offset" });
  }
  expect((await bring(w.url, blob, 300, randomBytes(701))).status).toBe(413);
  const plain = { token: blob.token, headers: { "tus-resumable": "1.0.0", "upload-offset": 300 } };
  expect((await http(w.url, "PATCH", blob.blob, { ...plain, body: randomBytes(10) })).status).toBe(415);
  for (const offset of ["-1", "1e2", "0x10", "300.5", "", "300, 300"]) {
    const headers = { ...plain.headers, "upload-offset": offset, "content-type": "application/offset+octet-stream" };
    expect((await http(w.url, "PATCH", blob.blob, { ...plain, headers, body: randomBytes(10) })).status).toBe(400);
  }
  expect((await head(w.url, blob)).headers["upload-offset"]).toBe("300");
});

test("[P-14.3] [A-18] without one of its two tokens nobody learns whether a file is there", async () => {
  await using w = await world();
  const blob = await uploaded(w.url, w.client, randomBytes(1000));
  const wrong = randomBytes(32).toString("base64");
  const answers = [
    await http(w.url, "GET", blob.blob),
    await http(w.url, "GET", blob.blob, { token: wrong }),
    await http(w.url, "GET", "0".repeat(32), { token: blob.readToken }),
    await http(w.url, "GET", "../../etc/passwd", { token: blob.readToken }),
    await http(w.url, "HEAD", blob.blob, { token: wrong, headers: { "tus-resumable": "1.0.0" } }),
    await http(w.url, "GET", blob.blob.toUpperCase(), { token: blob.readToken }),
  ];
  expect(answers.map(({ status }) => status)).toEqual([404, 404, 404, 404, 404, 404]);
  expect(answers[0]?.body).toEqual(answers[1]?.body);
  // Each token is for one thing.
  expect((await bring(w.url, { ...blob, token: blob.readToken }, 0, randomBytes(10))).status).toBe(405);
  expect((await drop(w.url, { ...blob, token: blob.readToken })).status).toBe(405);
  expect((await fetchBlob(w.url, { ...blob, readToken: blob.token })).status).toBe(412);
});

test("[P-14.2] [P-14.4] its uploader deletes a file, by its token or as its account, and nobody else does", async () => {
  await using w = await world({ store: "sqlite", db: folder() });
  using bob = await (await newAgent(w.url, "bob")).connect();
  const [one, other] = [
    await uploaded(w.url, w.client, randomBytes(10)),
    await uploaded(w.url, w.client, randomBytes(10)),
  ];
  expect((await drop(w.url, one)).status).toBe(204);
  expect((await fetchBlob(w.url, one)).status).toBe(404);
  expect((await bob.ask("blob_delete", { blob: other.blob })).data.reason).toBe("unknown_blob");
  expect((await fetchBlob(w.url, other)).status).toBe(200);
  expect((await w.client.ask("blob_delete", { blob: other.blob })).data).toMatchObject({ status: "blob_deleted" });
  expect((await fetchBlob(w.url, other)).status).toBe(404);
});

test("[P-14.4] a newer request for the same file ends the older one, and goes on from what that has brought", async () => {
  await using w = await world();
  const bytes = randomBytes(3 * MIB);
  const blob = await askRoom(w.client, bytes.length);
  const socket = connect(Number(new URL(w.url).port), "127.0.0.1");
  const ended = new Promise((resolve) => socket.on("close", resolve));
  socket.on("error", () => {});
  socket.write(headOf(blob, 0, bytes.length));
  socket.write(bytes.subarray(0, 2 * MIB));
  await eventually("some of it is there", async () => Number((await head(w.url, blob)).headers["upload-offset"]) >= 0);
  const again = async (): Promise<number> => {
    const { headers } = await head(w.url, blob);
    const at = Number(headers["upload-offset"]);
    return (await bring(w.url, blob, at, bytes.subarray(at))).status;
  };
  let status = await again();
  await ended;
  if (status === 409) status = await again();
  expect(status).toBe(204);
  expect((await fetchBlob(w.url, blob)).body.equals(bytes)).toBe(true);
});

function headOf({ blob, token }: Blob, offset: number, length: number): string {
  return [
    `PATCH /blobs/${blob} HTTP/1.1`,
    "Host: localhost",
    `Authorization: Bearer ${token}`,
    "Tus-Resumable: 1.0.0",
    "Content-Type: application/offset+octet-stream",
    `Upload-Offset: ${offset}`,
    `Content-Length: ${length}`,
    "\r\n",
  ].join("\r\n");
}

test("[P-14.4] what had come before a connection was lost is there", async () => {
  await using w = await world();
  const bytes = randomBytes(2 * MIB);
  const blob = await askRoom(w.client, bytes.length);
  const socket = connect(Number(new URL(w.url).port), "127.0.0.1");
  socket.write(headOf(blob, 0, bytes.length));
  socket.write(bytes.subarray(0, MIB + 5000));
  await new Promise((resolve) => setTimeout(resolve, 300));
  socket.destroy();
  let come = 0;
  await eventually("all that has come is there", async () => {
    come = Number((await head(w.url, blob)).headers["upload-offset"]);
    return come > 0;
  });
  expect((await bring(w.url, blob, come, bytes.subarray(come))).status).toBe(204);
  expect((await fetchBlob(w.url, blob)).body.equals(bytes)).toBe(true);
});

test("[P-14.3] a socket brings one file after another, and what stands behind a request before its answer is not read", async () => {
  await using w = await world();
  const [one, other] = [await askRoom(w.client, 5), await askRoom(w.client, 5)];
  const socket = connect(Number(new URL(w.url).port), "127.0.0.1");
  let said = "";
  socket.on("data", (data: Buffer) => (said += data.toString("latin1")));
  const answers = () => said.split("HTTP/1.1 204").length - 1;
  socket.write(`${headOf(one, 0, 5)}hello`);
  await eventually("the first is answered", () => answers() === 1);
  socket.write(`${headOf(other, 0, 5)}world${headOf(other, 0, 5)}again`);
  await eventually("the second is answered", () => answers() === 2);
  await new Promise((resolve) => socket.on("close", resolve));
  expect(answers()).toBe(2);
  expect((await fetchBlob(w.url, other)).body.toString()).toBe("world");
});

test.each([
  ["HTTP/1.0, as of some proxies", "HTTP/1.0", [], 204],
  ["a coding that is none", "HTTP/1.1", ["Transfer-Encoding: identity"], 400],
  ["a length that is told twice", "HTTP/1.1", ["Content-Length: 5"], 400],
  ["no length, in chunks", "HTTP/1.1", ["Transfer-Encoding: chunked"], 400],
])("[P-14.4] of a part by %s nothing comes, or what was sent", async (_, version, lines, status) => {
  await using w = await world();
  const blob = await askRoom(w.client, 5);
  const socket = connect(Number(new URL(w.url).port), "127.0.0.1");
  let said = "";
  socket.on("data", (data: Buffer) => (said += data.toString("latin1")));
  const head = headOf(blob, 0, 5)
    .replace("HTTP/1.1", version)
    .replace("\r\n\r\n", `\r\n${lines.join("\r\n")}\r\n\r\n`);
  socket.write(`${lines.length === 0 ? headOf(blob, 0, 5).replace("HTTP/1.1", version) : head}hello`);
  await new Promise((resolve) => socket.on("close", resolve));
  expect(said).toContain(`HTTP/1.1 ${status} `);
  await bring(w.url, blob, 0, Buffer.from("hello"));
  expect((await fetchBlob(w.url, blob)).body.toString()).toBe("hello");
});

test("[P-14.3] pages of known origins may bring and fetch files, others may not", async () => {
  await using w = await world({ origins: ["https://console.example"] });
  const blob = await uploaded(w.url, w.client, randomBytes(100));
  const ask = (method: string, origin: string, token?: string) =>
    http(w.url, method, blob.blob, { ...(token === undefined ? {} : { token }), headers: { origin } });
  const preflight = await ask("OPTIONS", "https://console.example");
  expect([preflight.status, preflight.headers["tus-extension"], preflight.headers["tus-version"]]).toEqual([
    204,
    "termination",
    "1.0.0",
  ]);
  expect(preflight.headers["access-control-allow-origin"]).toBe("https://console.example");
  expect(preflight.headers["access-control-allow-headers"]).toContain("upload-offset");
  expect(preflight.headers["access-control-expose-headers"]).toContain("upload-offset");
  // Not before each piece.
  expect(preflight.headers["access-control-max-age"]).toBe("7200");
  expect((await ask("GET", "https://console.example", blob.readToken)).status).toBe(200);
  for (const method of ["OPTIONS", "GET"]) {
    const refused = await ask(method, "https://evil.example", blob.readToken);
    expect([refused.status, refused.headers["access-control-allow-origin"]]).toEqual([403, undefined]);
  }
});

test("[P-14.7] [A-18] a file is handed out four times a day to each reader, and what was not sent does not count", async () => {
  await using w = await world();
  const bytes = randomBytes(1000);
  const blob = await askRoom(w.client, bytes.length, { readers: 2 });
  await bring(w.url, blob, 0, bytes);
  for (let count = 0; count < 8; count++) expect((await fetchBlob(w.url, blob)).status).toBe(200);
  const { status, headers } = await fetchBlob(w.url, blob);
  expect(status).toBe(429);
  expect(Number(headers["retry-after"])).toBeGreaterThan(0);
  expect((await http(w.url, "HEAD", blob.blob, { token: blob.readToken })).status).toBe(200);
});

test("[P-14.1] [P-14.6] [A-18] limits are told, and hold", async () => {
  await using w = await world({ limits: { blobBytes: 5000, accountBlobs: 200_000, blobAge: 3_600_000 } });
  const { features, limits } = (await w.client.ask("info")).data;
  expect(features).toContain("blobs");
  expect(limits.blob_bytes).toBe(5000);
  const ask = async (bytes: unknown, more = {}) =>
    (
      await w.client.ask("blob", {
        request_id: `r${Math.random()}`.slice(0, 20).replace(".", ""),
        bytes,
        readers: 1,
        read_hash: hash,
        ...more,
      })
    ).data;
  expect((await ask(5001)).reason).toBe("blob_too_large");
  for (const bytes of [0, -1, 1.5, "5", null, 1e300]) expect((await ask(bytes)).reason).toBe("invalid_data");
  expect((await ask(10, { read_hash: "AAAA" })).reason).toBe("invalid_data");
  expect((await ask(10, { readers: 0 })).reason).toBe("invalid_data");
  const { expires_at } = await ask(5000, { ttl_ms: 1e12 });
  expect(expires_at).toBeLessThan(Date.now() + 3_700_000);
  for (let count = 0; count < 2; count++) expect((await ask(5000)).status).toBe("blob");
  expect(await ask(5000)).toMatchObject({ reason: "blob_quota", code: 507 });
  using token = await tokenClient(w.url, "token");
  expect((await token.ask("blob", { request_id: "r", bytes: 10, readers: 1, read_hash: hash })).data.reason).toBe(
    "token_account",
  );
});

test("[P-14.1] a relay that takes no files says so", async () => {
  await using w = await world({ limits: { blobs: 0 } });
  expect((await w.client.ask("info")).data.features).not.toContain("blobs");
  expect((await w.client.ask("blob", { request_id: "r", bytes: 10, readers: 1, read_hash: hash })).data.reason).toBe(
    "blob_quota",
  );
  expect((await http(w.url, "GET", "0".repeat(32), { token: hash })).status).toBe(404);
});

test("files outlive a restart; what had come of one goes on, and what nobody knows is removed", async () => {
  const db = folder();
  const options = { store: "sqlite", db } as const;
  const bytes = randomBytes(2 * MIB);
  let [whole, part]: [Blob, Blob] = [undefined as never, undefined as never];
  const alice = await (async () => {
    await using relay = await createRelay({ port: 0, ...options });
    const agent = await newAgent(relay.url, "alice");
    using client = await agent.connect();
    whole = await uploaded(relay.url, client, bytes);
    part = await askRoom(client, bytes.length);
    await bring(relay.url, part, 0, bytes.subarray(0, MIB));
    return agent;
  })();
  const files = () =>
    readdirSync(join(db, "blobs"), { recursive: true, encoding: "utf8" }).filter((name) => name.length > 20);
  expect(files().length).toBe(2);
  for (const name of files()) expect(statSync(join(db, "blobs", name)).mode & 0o777).toBe(0o600);
  expect(statSync(join(db, "blobs")).mode & 0o777).toBe(0o700);
  await using relay = await createRelay({ port: 0, ...options });
  expect((await fetchBlob(relay.url, whole)).body.equals(bytes)).toBe(true);
  expect((await head(relay.url, part)).headers["upload-offset"]).toBe(`${MIB}`);
  expect((await bring(relay.url, part, MIB, bytes.subarray(MIB))).status).toBe(204);
  expect((await fetchBlob(relay.url, part)).body.equals(bytes)).toBe(true);
  expect(existsSync(join(db, "blobs", part.blob.slice(0, 2), part.blob))).toBe(true);
  expect(alice.username).toBe("alice");
});

test("[P-14.6] [A-18] one more than may come at a time is refused, and comes when another one has ended", async () => {
  await using w = await world({ limits: { accountTransfers: 3 } });
  const open: ReturnType<typeof connect>[] = [];
  for (let count = 0; count < 3; count++) {
    const blob = await askRoom(w.client, 100);
    const socket = connect(Number(new URL(w.url).port), "127.0.0.1");
    socket.on("error", () => {});
    socket.write(`${headOf(blob, 0, 100)}some`);
    open.push(socket);
    await eventually("it comes", async () => (await head(w.url, blob)).status === 200);
  }
  const blob = await askRoom(w.client, 100);
  await eventually("there is no more room", async () => (await bring(w.url, blob, 0, randomBytes(1))).status === 429);
  open[0]?.destroy();
  await eventually("there is room again", async () => {
    const at = Number((await head(w.url, blob)).headers["upload-offset"]);
    return (await bring(w.url, blob, at, randomBytes(100 - at))).status === 204;
  });
  for (const socket of open) socket.destroy();
});

test("[P-14.6] [A-18] where all places are taken, the newest of whoever has most gives way to one who has fewer", async () => {
  await using w = await world({ trustProxy: true, limits: { transfers: 2 } });
  using bob = await (await newAgent(w.url, "bob")).connect();
  const begin = async (client: RawClient, address: string) => {
    const blob = await askRoom(client, 100);
    const socket = connect(Number(new URL(w.url).port), "127.0.0.1");
    socket.on("error", () => {});
    let said = "";
    socket.on("data", (data: Buffer) => (said += data.toString("latin1")));
    const closed = new Promise<string>((resolve) => socket.on("close", () => resolve(said)));
    socket.write(`${headOf(blob, 0, 100).replace("\r\n\r\n", `\r\nX-Forwarded-For: ${address}\r\n\r\n`)}some`);
    return { blob, socket, closed };
  };
  const oldest = await begin(w.client, "192.0.2.1");
  await eventually("it comes", async () => (await head(w.url, oldest.blob)).status === 200);
  const newest = await begin(w.client, "192.0.2.1");
  await eventually(
    "that, too",
    async () => (await bring(w.url, await askRoom(w.client, 1), 0, randomBytes(1))).status === 429,
  );
  const others = await begin(bob, "192.0.2.2");
  expect(await newest.closed).toBe("");
  expect(await (await begin(bob, "192.0.2.2")).closed).toMatch(/^HTTP\/1.1 429 .*retry-after/is);
  for (const { socket } of [oldest, others]) expect(socket.destroyed).toBe(false);
  for (const { socket } of [oldest, others]) socket.destroy();
});

test("[P-3.5] an account that unregisters itself brings its files no further", async () => {
  await using w = await world();
  const blob = await askRoom(w.client, 1000);
  const socket = connect(Number(new URL(w.url).port), "127.0.0.1");
  socket.on("error", () => {});
  const closed = new Promise((resolve) => socket.on("close", resolve));
  socket.write(`${headOf(blob, 0, 1000)}some`);
  await eventually("it comes", async () => (await head(w.url, blob)).status === 200);
  expect((await w.client.ask("unregister")).data.status).toBe("unregistered");
  await closed;
});

test("[P-14.3] [P-14.4] a request of another tus than 1.0.0 is refused with 412, and a range of HEAD is none", async () => {
  await using w = await world();
  const blob = await uploaded(w.url, w.client, randomBytes(100));
  for (const headers of [{}, { "tus-resumable": "0.2.2" }]) {
    const answer = await http(w.url, "HEAD", blob.blob, { token: blob.token, headers });
    expect([answer.status, answer.headers["tus-version"]]).toEqual([412, "1.0.0"]);
  }
  const { status, headers } = await http(w.url, "HEAD", blob.blob, {
    token: blob.readToken,
    headers: { range: "bytes=0-9" },
  });
  expect([status, headers["content-length"]]).toEqual([200, "100"]);
});

test("a request that is silent is ended, and one that is slow is not", async () => {
  await using w = await world({ limits: { readDeadline: 400 } });
  const blob = await askRoom(w.client, 1000);
  const socket = connect(Number(new URL(w.url).port), "127.0.0.1");
  socket.on("error", () => {});
  const closed = new Promise((resolve) => socket.on("close", resolve));
  socket.write(headOf(blob, 0, 1000));
  for (let count = 0; count < 8; count++) {
    socket.write("x");
    await new Promise((resolve) => setTimeout(resolve, 150));
  }
  expect(socket.destroyed).toBe(false);
  await closed;
  await eventually(
    "what it has brought is there",
    async () => (await head(w.url, blob)).headers["upload-offset"] === "8",
  );
});

test("of the other paths nothing is read behind the head, and a socket has one request", async () => {
  await using w = await world();
  using client = await RawClient.open(w.url);
  expect(client.socket.readyState).toBe(1);
  const socket = connect(Number(new URL(w.url).port), "127.0.0.1");
  let said = "";
  socket.on("data", (data: Buffer) => (said += data.toString("latin1")));
  socket.write(
    "POST /health HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhelloGET /health HTTP/1.1\r\nHost: x\r\n\r\n",
  );
  await new Promise((resolve) => socket.on("close", resolve));
  expect(said.split("HTTP/1.1").length - 1).toBe(1);
  expect(said).toContain("405");
});
