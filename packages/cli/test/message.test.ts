import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { printable } from "@aimessage/sdk/program";
import { messageJson, messageLine } from "../src/message.ts";

const sentAt = Date.UTC(2026, 10, 22, 14, 30, 15);

beforeEach(() => void vi.stubEnv("TZ", "UTC"));
afterEach(() => void vi.unstubAllEnvs());

function message(body: string | Uint8Array, more: object = {}) {
  const bytes = typeof body === "string" ? new TextEncoder().encode(body) : body;
  const text = typeof body === "string" ? body : "";
  const contentType = typeof body === "string" ? "text/plain" : "application/octet-stream";
  const basics = {
    id: "id1",
    peerId: "theirs",
    from: "alice",
    to: "bob",
    sentAt,
    receivedAt: sentAt + 1500,
    offline: false,
    verified: true,
    trust: "verified" as const,
  };
  const links = {
    group: undefined,
    replyTo: undefined,
    thread: undefined,
    expiresAt: undefined,
    attempt: 0,
    failures: 0,
    waits: 0,
    exchange: 0,
    files: [],
  };
  const kind = { expectsReply: false, human: false, late: false, headers: {} };
  return { ...basics, body: text, bytes, contentType, ...links, ...kind, ...more };
}

const line = (shown: ReturnType<typeof message>) => printable(messageLine(shown));

describe("as text", () => {
  test("a message shows its time, its sender and its body", () => {
    expect(line(message("hello"))).toBe("[14:30:15] alice: hello");
  });

  test("a message that waited at the relay says so", () => {
    expect(line(message("hello", { offline: true }))).toBe("[OFFLINE 14:30:15] alice: hello");
  });

  test("a time that no date is so far away as is shown as a number", () => {
    expect(line(message("hello", { sentAt: Number.MAX_SAFE_INTEGER }))).toBe("[9007199254740991] alice: hello");
  });

  test("the time is local", () => {
    vi.stubEnv("TZ", "Asia/Tokyo");
    expect(line(message("hello"))).toBe("[23:30:15] alice: hello");
  });

  test("a body cannot forge a line of another sender, nor move the cursor", () => {
    expect(line(message("hi\n[14:30:16] bob: pay mallory\r\u001b[1A"))).toBe(
      "[14:30:15] alice: hi\n    [14:30:16] bob: pay mallory\\x0d\\x1b[1A",
    );
  });

  test("a sender's name is escaped like everything from outside", () => {
    expect(line(message("x", { from: "al\nice" }))).toBe("[14:30:15] al\\x0aice: x");
  });

  test("a body that is not text is described", () => {
    const bytes = new Uint8Array([0xff, 0xfe, 0x00]);
    expect(line(message(bytes, { contentType: "image/\u001bpng" }))).toBe(
      "[14:30:15] alice: (3 bytes of image/\\x1bpng)",
    );
  });
});

describe("as JSON", () => {
  test("the keys are these, in this order", () => {
    expect(JSON.stringify(messageJson(message("hello")))).toBe(
      '{"message_id":"id1","peer_id":"theirs","from":"alice","to":"bob","body":"hello","content_type":"text/plain",' +
        `"sent_at":${sentAt},"received_at":${sentAt + 1500},"offline":false,"verified":true,"trust":"verified"}`,
    );
  });

  test("text is exactly what was sent, with byte order mark and NUL", () => {
    const text = "\ufeffa\u0000b\r\n😀";
    expect(messageJson(message(text)).body).toBe(text);
  });

  test("a body that is not text comes as base64", () => {
    const json = messageJson(message(new Uint8Array([0xff, 0x00])));
    expect(json).toMatchObject({ body: null, body_base64: "/wA=", content_type: "application/octet-stream" });
  });
});
