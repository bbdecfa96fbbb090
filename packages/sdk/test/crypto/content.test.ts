import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  authenticatedData,
  decodeContent,
  encodeContent,
  frameId,
  type Header,
  isBoundTo,
  isFrameIdOf,
  largestBody,
  padme,
} from "../../src/crypto/content.ts";
import { encodeClientFrame, lengthPrefixed, toBase64, utf8 } from "../../src/protocol/index.ts";
import { pair } from "./pair.ts";

const text = (pattern: RegExp) => fc.stringMatching(pattern);
const headers: fc.Arbitrary<Header> = fc.record(
  {
    id: text(/^[A-Za-z0-9_-]{1,60}$/),
    type: fc.constantFrom("message" as const, "receipt" as const),
    content_type: text(/^[\x20-\x7e]{1,128}$/),
    counter: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
    sent_at: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
    read: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
    lifetime: fc.integer({ min: 1, max: 2 ** 42 }),
    expires_at: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
    reply_to: text(/^[A-Za-z0-9_-]{1,64}$/),
    thread: text(/^[\x20-\x7e]{1,64}$/),
    replaces: fc.array(text(/^[0-9a-f]{64}$/), { maxLength: 3 }),
  },
  { requiredKeys: ["id", "type", "content_type", "counter", "sent_at"] },
);
const bodies = fc.oneof(
  fc.uint8Array({ maxLength: 2000 }),
  fc.string({ unit: "binary" }).map(utf8),
  fc.constantFrom("", "\0", "a\0b", "\u{1f469}\u{200d}\u{1f680}", "\r\n").map(utf8),
);

const header: Header = { id: "one", type: "message", content_type: "text/plain", counter: 1, sent_at: 0 };
/** Every field at its largest, with characters that JSON writes as two. */
const largestHeader: Header = {
  id: "i".repeat(60),
  type: "message",
  content_type: '"'.repeat(128),
  counter: Number.MAX_SAFE_INTEGER,
  read: Number.MAX_SAFE_INTEGER,
  sent_at: Number.MAX_SAFE_INTEGER,
  lifetime: 2 ** 42,
  expires_at: Number.MAX_SAFE_INTEGER,
  reply_to: "r".repeat(64),
  thread: "\\".repeat(64),
  replaces: ["0".repeat(64), "1".repeat(64), "2".repeat(64)],
};

describe("content", () => {
  it("comes back as it was, whatever it is", () => {
    fc.assert(
      fc.property(headers, bodies, (head, body) => {
        const encoded = encodeContent({ header: head, body });
        expect(encoded.length).toBe(padme(encoded.length));
        expect(decodeContent(encoded)).toEqual({ header: head, body });
      }),
    );
  });

  it("comes back from inside a larger buffer", () => {
    const encoded = encodeContent({ header, body: utf8("body") });
    const around = new Uint8Array(encoded.length + 20).fill(255);
    around.set(encoded, 7);
    expect(decodeContent(around.subarray(7, 7 + encoded.length))?.body).toEqual(utf8("body"));
  });

  it("of unknown further fields is read without them", () => {
    const plain = lengthPrefixed(JSON.stringify({ ...header, later: { version: 2 } }), "body");
    expect(decodeContent(plain)).toEqual({ header, body: utf8("body") });
  });

  it.each<[string, Uint8Array]>([
    ["nothing", new Uint8Array()],
    ["zeros", new Uint8Array(300)],
    ["no body", lengthPrefixed(JSON.stringify(header))],
    ["a length beyond the end", Uint8Array.of(255, 255, 255, 255, 1, 2, 3)],
    ["a header that is no JSON", lengthPrefixed("{", "body")],
    ["a header that is no UTF-8", lengthPrefixed(Uint8Array.of(0xff, 0xfe), "body")],
    ["a header that is no object", lengthPrefixed("[1]", "body")],
    ["deep nesting", lengthPrefixed("[".repeat(100_000), "body")],
    ...Object.entries({
      id: "i".repeat(61),
      type: "command",
      content_type: "text/plain\u{1b}[2J",
      counter: 0,
      read: 0,
      sent_at: -1,
      lifetime: 2 ** 42 + 1,
      expires_at: 1.5,
      reply_to: "../up",
      thread: "",
      replaces: ["0".repeat(64), "1".repeat(64), "2".repeat(64), "3".repeat(64)],
    }).map(([field, value]): [string, Uint8Array] => [
      `a malformed ${field}`,
      lengthPrefixed(JSON.stringify({ ...header, [field]: value }), "body"),
    ]),
  ])("that is malformed is undefined: %s", (_what, plain) => {
    expect(decodeContent(plain)).toBeUndefined();
  });

  it("never throws on any bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 500 }), (bytes) => {
        expect(decodeContent(bytes)).toBeUndefined();
      }),
    );
  });
});

describe("padding", () => {
  it("adds at most 12 % beyond 256 bytes, and leaves few sizes", () => {
    const sizes = new Set<number>();
    for (let length = 0; length <= 1 << 20; length += length < 5000 ? 1 : 97) {
      const padded = padme(length);
      sizes.add(padded);
      expect(padded).toBeGreaterThanOrEqual(Math.max(length, 256));
      expect(padded).toBeLessThanOrEqual(Math.max(length * 1.12, 256));
      expect(padme(padded)).toBe(padded);
    }
    expect(sizes.size).toBeLessThan(300);
  });

  it("keeps powers of two", () => {
    for (let exponent = 8; exponent <= 30; exponent++) expect(padme(2 ** exponent)).toBe(2 ** exponent);
  });
});

describe("the largest body", () => {
  const frames = [10_000, 64 * 1024, 100_001, 1024 * 1024, 5_000_000];

  it.each(frames)("fits a frame of %d bytes with the largest header", async (frame) => {
    const { alice } = await pair();
    const plaintext = encodeContent({ header: largestHeader, body: new Uint8Array(largestBody(frame)) });
    const aad = authenticatedData({
      messageId: "m".repeat(64),
      from: "f".repeat(32),
      fromDevice: "d".repeat(64),
      to: "t".repeat(32),
      toDevice: "e".repeat(64),
      expiresAt: Number.MAX_SAFE_INTEGER,
    });
    const { message } = await alice.crypto.encrypt(alice.group, plaintext, aad);
    const send = encodeClientFrame("send", "i".repeat(128), {
      to: "t".repeat(32),
      message: toBase64(message),
      session_id: "s".repeat(256),
      group_id: "0".repeat(64),
      epoch: Number.MAX_SAFE_INTEGER,
      message_id: "m".repeat(64),
      expires_at: Number.MAX_SAFE_INTEGER,
      resume: true,
    });
    expect(utf8(send).length).toBeLessThanOrEqual(frame);
    // Padding is the largest loss: a sixth of the room at most, beside the fixed 5 KiB.
    expect(largestBody(frame)).toBeGreaterThan(((frame - 5120) * 3 * 5) / (4 * 6) - 2048);
  });

  it("has no step down when frames grow, and none below the fixed room", () => {
    let last = 0;
    for (let frame = 0; frame < 300_000; frame += 61) {
      expect(largestBody(frame)).toBeGreaterThanOrEqual(last);
      last = largestBody(frame);
    }
    expect(largestBody(0)).toBe(0);
    expect(largestBody(4096)).toBe(0);
  });
});

describe("what a message is bound to", () => {
  const message = { messageId: "m1", from: "alice", fromDevice: "d1", to: "bob", toDevice: "d2", expiresAt: 5 };

  it("does not mind the case of usernames", () => {
    expect(isBoundTo(authenticatedData(message), { ...message, from: "Alice", to: "BOB" })).toBe(true);
  });

  it.each([
    { messageId: "m2" },
    { from: "mallory" },
    { fromDevice: "d3" },
    { to: "carol" },
    { toDevice: "d1" },
    { expiresAt: 6 },
    { expiresAt: undefined },
    { from: "bob", to: "alice" },
  ])("is every part of its envelope: %o", (change) => {
    expect(isBoundTo(authenticatedData(message), { ...message, ...change })).toBe(false);
  });
});

describe("the id of a frame", () => {
  it("is the message's own first, and another one for each repeat", () => {
    const ids = Array.from({ length: 10 }, (_, attempt) => frameId("m", attempt));
    expect(ids[0]).toBe("m");
    expect(new Set(ids).size).toBe(10);
    for (const id of ids) expect(isFrameIdOf(id, "m")).toBe(true);
    for (const id of ["n", "m-", "m-0", "m-10", "m-x", "mm", "m-1-1"]) expect(isFrameIdOf(id, "m")).toBe(false);
  });
});
