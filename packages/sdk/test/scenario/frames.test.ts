/** What a client reads of the frames of a relay, and what it does not. [P-2.8] */
import { afterEach, expect, test, vi } from "vitest";
import { Connection, type Socket } from "../../src/wire/connection.ts";
import { encodeRelayFrame, type Limits } from "../../src/protocol/index.ts";
import { defaultLimits } from "@aimessage/server";

afterEach(() => void vi.restoreAllMocks());

/** A connection over a socket that is none, and the longest text that was parsed on it. */
async function connected() {
  const listeners = new Map<string, ((event: unknown) => void)[]>();
  const sent: { id: string; type: string }[] = [];
  const socket: Socket = {
    send: (text) => void sent.push(JSON.parse(text) as { id: string; type: string }),
    close: () => undefined,
    addEventListener: (type: string, listener: (event: never) => void) =>
      void listeners.set(type, [...(listeners.get(type) ?? []), listener as (event: unknown) => void]),
  };
  const emit = (type: string, event: unknown = {}) => listeners.get(type)?.forEach((listener) => listener(event));
  const opening = Connection.over(socket, new URL("ws://localhost"), () => undefined);
  emit("open");
  const connection = await opening;
  const spy = vi.spyOn(JSON, "parse");
  return {
    connection,
    sent,
    receive: (text: string) => emit("message", { data: text }),
    parsed: () => Math.max(0, ...spy.mock.calls.map(([text]) => text.length)),
    [Symbol.dispose]: () => connection.close(),
  };
}

const limits: Limits = {
  frame_bytes: 2 ** 20,
  frame_bytes_unauthenticated: 2 ** 16,
  mailbox_messages: 1,
  mailbox_bytes: 1,
  mailbox_age_ms: 1,
  in_flight_messages: 1,
  in_flight_bytes: 1,
  frames_per_second: 1,
  frames_burst: 1,
  key_packages: 1,
};
const info = (frameBytes: number) =>
  encodeRelayFrame("info", "r1", "1", {
    protocol: 1,
    version: "1",
    suite: "x",
    names: [],
    time: 1,
    features: [],
    limits: { ...limits, frame_bytes: frameBytes },
  });
const message = (length: number) =>
  encodeRelayFrame("message", "r2", undefined, {
    from: "bob",
    message: "A".repeat(length),
    message_id: "m",
    seq: 1,
    timestamp: 1,
  });
const nested = (depth: number) => `${"[".repeat(depth)}${"]".repeat(depth)}`;
const keys = (count: number) => `{${Array.from({ length: count }, (_, index) => `"k${index}":0`).join(",")}}`;

test.each([
  ["a deep message", `{"type":"message","data":{"x":${nested(400_000)}}}`],
  ["a message of many fields", `{"type":"message","data":${keys(50_000)}}`],
  ["an error of many elements", `{"type":"error","data":[${"0,".repeat(400_000)}0]}`],
  [
    "an answer that nobody waits for",
    `{"type":"user_list","reply_to":"99","data":{"users":["${"x".repeat(400_000)}"]}}`,
  ],
  ["an answer to nothing", `{"type":"user_list","data":{"users":["${"x".repeat(400_000)}"]}}`],
  ["a frame of another version", `{"type":"later","data":{"x":"${"x".repeat(400_000)}"}}`],
])("[R-15] %s is not parsed, and ends nothing", async (_, text) => {
  using client = await connected();
  client.connection.post("info", {}, () => undefined);
  client.receive(info(2 ** 20));
  client.receive(text);
  expect(client.parsed()).toBeLessThan(1000);
  client.receive(message(10));
  expect({ open: client.connection.open, pushed: client.connection.pushed }).toEqual({ open: true, pushed: 1 });
});

test("[R-15] an answer that is not parsed ends its request", async () => {
  using client = await connected();
  const answer = client.connection.request("list_users", {}, "user_list");
  client.receive(`{"type":"user_list","reply_to":"1","data":{"users":${nested(20_000)}}}`);
  await expect(answer).rejects.toMatchObject({ code: "relay_protocol" });
  expect(client.parsed()).toBeLessThan(1000);
});

test("[R-15] a relay whose frames are far longer than it announced is left", async () => {
  using early = await connected();
  early.receive(message(100_000));
  expect(early.connection.open).toBe(false);

  for (const [frameBytes, taken, refused] of [
    [2 ** 16, 2 ** 18, 2 ** 19],
    [2 ** 40, 2 ** 23, 2 ** 24],
  ] as const) {
    using client = await connected();
    client.connection.post("info", {}, () => undefined);
    client.receive(info(frameBytes));
    client.receive(message(taken));
    expect(client.connection.pushed).toBe(1);
    client.receive(message(refused));
    expect({ open: client.connection.open, pushed: client.connection.pushed }).toEqual({ open: false, pushed: 1 });
  }
});

test("the largest message of a relay as it is by default is read", async () => {
  using client = await connected();
  client.connection.post("info", {}, () => undefined);
  client.receive(info(defaultLimits().frameBytes));
  client.receive(message(defaultLimits().frameBytes));
  expect(client.connection.pushed).toBe(1);
});
