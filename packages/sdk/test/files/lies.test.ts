// @module-tag long
/** A relay, or a peer, that says of files what is not so: it costs a wait, and nothing that lasts. */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { fileAssociatedData, newStart, sealing, segmentCount, segmentOf } from "../../src/crypto/streaming.ts";
import { padme } from "../../src/crypto/content.ts";
import { fetchInto, type Fetchable } from "../../src/files/fetch.ts";
import type { HttpAnswer } from "../../src/files/host.ts";
import { nodeFileHost } from "../../src/node/file-host.ts";
import { toBase64 } from "../../src/protocol/index.ts";
import type { Answer } from "./http-proxy.ts";
import { allGone, eventually, FileWorld, isSame, MIB, next, saved, sha256 } from "./world.ts";

/** What the relay answers of a blob, cut as somebody likes. */
type Respond = (sealed: Buffer, from: number) => HttpAnswer;

async function fetchFrom(content: Buffer, respond: Respond): Promise<Buffer> {
  await using world = await FileWorld.create();
  const host = nodeFileHost({ agent: world.path("agent"), home: world.path("home") });
  const [blob, key, start] = ["ab".repeat(16), crypto.getRandomValues(new Uint8Array(32)), newStart()];
  const stream = await sealing({ key, start, aad: fileAssociatedData(blob), cipherOf: host.cipherOf });
  const padded = padme(content.length);
  const whole = Buffer.concat([content, Buffer.alloc(padded - content.length)]);
  const parts: Uint8Array[] = [stream.header];
  for (let index = 0; index < segmentCount(padded); index++) {
    const { plain, isLast } = segmentOf(padded, index);
    parts.push(Uint8Array.from(await stream.seal(index, whole.subarray(plain.from, plain.to), isLast)));
  }
  const sealed = Buffer.concat(parts);
  const file: Fetchable = {
    name: "a",
    bytes: content.length,
    blob,
    token: toBase64(new Uint8Array(32)),
    key: toBase64(key),
    sha256: Buffer.from(sha256(content), "hex").toString("base64"),
  };
  const got = Buffer.alloc(content.length);
  const target = {
    bytes: 0,
    read: async () => new Uint8Array(),
    truncate: async () => undefined,
    write: async (at: number, bytes: Uint8Array) => {
      got.set(bytes, at);
    },
  };
  const request = async (_url: URL, { headers }: { headers: Record<string, string> }) =>
    respond(sealed, Number(/^bytes=(\d+)-/.exec(headers["range"] ?? "")?.[1]));
  const means = { host: { ...host, request }, server: world.server, onProgress: () => undefined };
  await fetchInto(means, file, target);
  return got;
}

function partial(sealed: Buffer, from: number, body: AsyncIterable<Uint8Array>): HttpAnswer {
  const range = `bytes ${from}-${sealed.length - 1}/${sealed.length}`;
  return { status: 206, headers: { "content-range": range, "tus-resumable": "1.0.0" }, body };
}

function elsewhere(sealed: Buffer, from: number): HttpAnswer {
  return partial(sealed, from + 7, cutAfter(sealed.subarray(from), Infinity));
}

describe("a fetch", () => {
  test.each([0, 1, 39, 40, 41, 1000, MIB - 1, MIB, MIB + 1, 2 * MIB + 5])(
    "that is cut after %i bytes goes on behind what it has",
    async (most) => {
      const content = Buffer.alloc(3 * MIB + 5, "some content");
      const asked: number[] = [];
      const got = await fetchFrom(content, (sealed, from) => {
        asked.push(from);
        return partial(sealed, from, cutAfter(sealed.subarray(from), asked.length === 1 ? most : Infinity));
      });
      expect(got.equals(content)).toBe(true);
      expect(asked.length).toBe(2);
      expect(asked[1]).toBeLessThanOrEqual(most);
    },
  );

  test("leaves a relay that gives more than there is", async () => {
    const content = Buffer.alloc(1000, "x");
    let given = 0;
    let isLeft = false;
    async function* endless(sealed: Buffer) {
      try {
        yield sealed;
        for (; given < 1000; given++) yield Buffer.alloc(2 ** 16);
      } finally {
        isLeft = true;
      }
    }
    expect((await fetchFrom(content, (sealed, from) => partial(sealed, from, endless(sealed)))).equals(content)).toBe(
      true,
    );
    expect([given < 3, isLeft]).toEqual([true, true]);
  });

  test("takes nothing from another place than it has asked for", async () => {
    const content = Buffer.alloc(2 * MIB, "x");
    await expect(fetchFrom(content, elsewhere)).rejects.toMatchObject({ reason: "file_damaged" });
  });
});

describe("a fetch that is to be tried again after no time", () => {
  test.each([
    ["by the relay", { "tus-resumable": "1.0.0" }],
    ["by something on the way", {}],
  ])("%s is not tried without a pause", async (_by, word) => {
    const content = Buffer.alloc(1000, "x");
    const until = performance.now() + 1500;
    let asked = 0;
    const got = await fetchFrom(content, (sealed, from) => {
      asked++;
      if (performance.now() > until) return partial(sealed, from, cutAfter(sealed, Infinity));
      return { status: 503, headers: { ...word, "retry-after": "0" }, body: cutAfter(sealed, 0) };
    });
    expect(got.equals(content)).toBe(true);
    expect(asked).toBeLessThan(8);
  });
});

describe("a file that was shown", () => {
  test("is not another one when it is sent again", async () => {
    await using world = await FileWorld.create();
    const [alice, bob] = [await world.open("alice"), await world.open("bob")];
    const path = world.file("report.pdf", "as it was");
    const sent = await alice.send("bob", "x", { files: [path] });
    const message = await next(bob);
    writeFileSync(path, "another");
    let gone = true;
    world.proxy.answer = ({ method }) => (method === "GET" && gone ? { status: 404 } : undefined);
    await expect(message.files[0]!.save(world.path("in"))).rejects.toMatchObject({ reason: "file_expired" });
    gone = false;
    await eventually("its sender gives it up", async () => {
      const [file] = (await sent.status()).files ?? [];
      return file?.state === "failed" && file.reason === "file_changed";
    });
    expect(world.names("in")).toEqual([]);
    expect((await bob.message(message.id)).files[0]).toMatchObject({ bytes: 9, sha256: message.files[0]!.sha256 });
  });

  test("may be as it was with another time", async () => {
    await using world = await FileWorld.create();
    const [alice, bob] = [await world.open("alice"), await world.open("bob")];
    const path = world.file("report.pdf", "as it was");
    await alice.send("bob", "x", { files: [path] });
    const message = await next(bob);
    rmSync(path);
    writeFileSync(path, "as it was");
    let gone = true;
    world.proxy.answer = ({ method }) => (method === "GET" && gone ? { status: 404 } : undefined);
    await expect(message.files[0]!.save(world.path("in"))).rejects.toMatchObject({ reason: "file_expired" });
    gone = false;
    expect(isSame(await saved(bob, message.id, world.path("in")), path)).toBe(true);
    await allGone(world);
  });
});

describe("a relay that says once", () => {
  test("that it is to be left alone for a year is asked again in a minute", async () => {
    await using world = await FileWorld.create();
    const [alice, bob] = [await world.open("alice"), await world.open("bob")];
    await bob.sync();
    let lies = 1;
    const answer = { status: 503, headers: { "retry-after": "31536000" } };
    world.proxy.answer = ({ method }) => (method === "PATCH" && lies-- > 0 ? answer : undefined);
    const path = world.file("a", 1000);
    const { id } = await alice.send("bob", "x", { files: [path] });
    await eventually("it has lied", () => lies <= 0);
    // Another process has not heard it.
    await alice.close();
    const other = await world.open("alice");
    await (await other.sent(id))!.received();
    expect(isSame(await saved(bob, (await next(bob)).id, world.path("in")), path)).toBe(true);
  });

  test("nothing of what it was given, over and over, is not asked without a pause", async () => {
    await using world = await FileWorld.create();
    const [alice, bob] = [await world.open("alice"), await world.open("bob")];
    await bob.sync();
    world.proxy.answer = ({ method }) =>
      method === "HEAD" ? { status: 200, headers: { "upload-offset": "1" } } : undefined;
    const path = world.file("a", 100_000);
    const sent = await alice.send("bob", "x", { files: [path] });
    await eventually("it waits", async () => (await sent.status()).files?.[0]?.reason === "relay_unreachable");
    await delay(1000);
    expect(world.proxy.requests.length).toBeLessThan(6);
    world.proxy.answer = undefined;
    expect(isSame(await saved(bob, (await next(bob)).id, world.path("in")), path)).toBe(true);
    expect(readFileSync(path).length).toBe(100_000);
  });
});

/** A relay that says that it has so much of a file after the first piece of it, answers so to the next, and says what it has in turns. */
interface Losing {
  bytes: number;
  there: number;
  afterwards: Answer;
  heads?: number[];
}

describe("a relay that takes a little, and has nothing of it then, over and over", () => {
  test.each<[string, Losing]>([
    ["a byte, and does not know the blob", { bytes: 1000, there: 1, afterwards: { status: 404 } }],
    ["a byte, and has no time", { bytes: 1000, there: 1, afterwards: { status: 503 } }],
    [
      "a byte, and has it all by then",
      { bytes: 30 * MIB, there: 1, afterwards: { status: 409 }, heads: [0, 30 * MIB] },
    ],
    ["a segment, and does not know the blob", { bytes: 3 * MIB, there: MIB, afterwards: { status: 404 } }],
    ["a segment, and has no time", { bytes: 3 * MIB, there: MIB, afterwards: { status: 503 } }],
  ])("(%s) is asked less and less", { tags: ["long"] }, async (_what, { bytes, there, afterwards, heads = [0] }) => {
    await using world = await FileWorld.create();
    const [alice, bob] = [await world.open("alice"), await world.open("bob")];
    await bob.sync();
    let asked = 0;
    world.proxy.answer = ({ method, headers }) => {
      if (method === "HEAD")
        return { status: 200, headers: { "upload-offset": String(heads[asked++ % heads.length]) } };
      if (method !== "PATCH") return undefined;
      return headers["upload-offset"] === "0"
        ? { status: 204, headers: { "upload-offset": String(there) } }
        : afterwards;
    };
    const path = world.file("a", bytes);
    const sent = await alice.send("bob", "x", { files: [path] });
    await eventually("it waits", async () => (await sent.status()).files?.[0]?.reason === "relay_unreachable");
    await delay(3000);
    expect(world.proxy.requests.length).toBeLessThan(24);
    world.proxy.answer = undefined;
    expect(isSame(await saved(bob, (await next(bob)).id, world.path("in")), path)).toBe(true);
  });
});

describe("pieces of a file", () => {
  test("are never smaller than is worth it, and as the relay says that it wants them now", async () => {
    await using world = await FileWorld.create();
    const [alice, bob] = [await world.open("alice"), await world.open("bob")];
    await bob.sync();
    const pieces: number[] = [];
    let answer: Answer = { status: 503 };
    world.proxy.answer = ({ method, headers }) => {
      if (method !== "PATCH") return undefined;
      pieces.push(Number(headers["content-length"]));
      return answer;
    };
    const path = world.file("a", 5 * MIB);
    await alice.send("bob", "x", { files: [path] });
    await eventually("a piece was sent", () => pieces.length > 0);
    const [first] = pieces;
    // As a relay has said that wants them byte by byte.
    await world.look("alice", (store) =>
      store.write(async (tx) => {
        for (const [key, value] of await tx.list({ prefix: "out-file/" }))
          await tx.put(key, JSON.stringify({ ...(JSON.parse(value as string) as object), piece_bytes: 1 }));
      }),
    );
    await eventually("it is tried so", () => pieces.at(-1) !== first);
    expect(pieces.at(-1)).toBe(2 ** 16);
    answer = { status: 404 };
    await eventually("the relay was asked anew", () => pieces.at(-1) === first);
    world.proxy.answer = undefined;
    expect(isSame(await saved(bob, (await next(bob)).id, world.path("in")), path)).toBe(true);
  });

  test("[P-14.4] stay as small as a proxy takes them, whatever the relay says later", async () => {
    await using world = await FileWorld.create();
    const [alice, bob] = [await world.open("alice"), await world.open("bob")];
    await bob.sync();
    const pieces: number[] = [];
    let lost = 1;
    world.proxy.answer = ({ method, headers }) => {
      if (method !== "PATCH") return undefined;
      pieces.push(Number(headers["content-length"]));
      if (pieces.at(-1)! > 2 * MIB) return { status: 413, isForeign: true };
      return lost-- > 0 ? { status: 404 } : undefined;
    };
    const path = world.file("a", 9 * MIB);
    await alice.send("bob", "x", { files: [path] });
    expect(isSame(await saved(bob, (await next(bob)).id, world.path("in")), path)).toBe(true);
    expect(pieces.filter((bytes) => bytes > 2 * MIB)).toEqual([8 * MIB, 4 * MIB]);
  });
});

async function* cutAfter(bytes: Buffer, most: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length && at < most; at += 30_000) yield bytes.subarray(at, Math.min(at + 30_000, most));
}
