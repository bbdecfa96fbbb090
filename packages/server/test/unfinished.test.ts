// [P-1.7] of docs/protocol.md.
import { randomBytes } from "node:crypto";
import type { Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { moveOn } from "../../../test/clocks.ts";
import { eventually } from "../../../test/waiting.ts";
import { Framing } from "../src/socket/framing.ts";
import { createRelay, type Limits } from "../src/index.ts";
import { RawClient, tokenClient } from "./raw-client.ts";

const relayWith = (limits: Partial<Limits>) => createRelay({ port: 0, store: "memory", noLimits: true, limits });

const TEXT = 1;
const MORE = 0;
const PING = 9;

/** A frame of a client, or its beginning. */
function frame(opcode: number, payload: Buffer, { fin = true, length = payload.length } = {}): Buffer {
  const extended = length > 65_535 ? 8 : length > 125 ? 2 : 0;
  const header = Buffer.alloc(2 + extended + 4);
  header[0] = (fin ? 128 : 0) | opcode;
  header[1] = 128 | (extended === 0 ? length : extended === 2 ? 126 : 127);
  if (extended === 2) header.writeUInt16BE(length, 2);
  if (extended === 8) header.writeBigUInt64BE(BigInt(length), 2);
  return Buffer.concat([header, payload]);
}

const tcp = (client: RawClient) => Reflect.get(client.socket, "_socket") as Socket;

test("what is held for a message that is not whole is known, however it comes", () => {
  const text = (size: number, fin = true) => frame(TEXT, Buffer.alloc(size), { fin });
  const stream = Buffer.concat([
    text(10),
    text(300),
    frame(PING, Buffer.alloc(5)),
    text(70_000, false),
    frame(PING, Buffer.alloc(125)),
    frame(MORE, Buffer.alloc(0), { fin: false }),
    frame(MORE, Buffer.alloc(200)),
    text(0),
    text(70_000, false),
    frame(MORE, Buffer.alloc(1000), { length: 5000 }),
  ]);
  for (const pieces of [1, 2, 7, 1000, stream.length]) {
    const framing = new Framing();
    const size = Math.ceil(stream.length / pieces);
    const lengths = new Set<number>();
    for (let at = 0; at < stream.length; at += size) {
      framing.read(stream.subarray(at, at + size));
      lengths.add(framing.length);
    }
    expect({ length: framing.length, come: framing.come }).toEqual({ length: 75_000, come: 71_000 });
    expect(framing.held).toBeGreaterThanOrEqual(71_000);
    if (pieces === stream.length) expect(lengths).toEqual(new Set([0, 10, 300, 70_000, 70_200, 75_000]));
    framing.read(Buffer.alloc(4000));
    expect({ held: framing.held, length: framing.length }).toEqual({ held: 0, length: 0 });
  }
});

test("bytes of every size of chunk are followed as a WebSocket reads them", () => {
  const frames = Array.from({ length: 200 }, () => frame(TEXT, randomBytes(Math.floor(Math.random() * 200))));
  const stream = Buffer.concat(frames);
  const framing = new Framing();
  for (let at = 0; at < stream.length;) {
    const size = 1 + Math.floor(Math.random() * 40);
    framing.read(stream.subarray(at, (at += size)));
  }
  expect(framing.held).toBe(0);
});

test("[A-8] a message that is not whole in time ends its connection, whatever pings come meanwhile", async () => {
  await using relay = await relayWith({ readDeadline: 60_000, pingInterval: 100 });
  using fragments = await tokenClient(relay.url, "alice");
  using slow = await tokenClient(relay.url, "bob");
  using quiet = await tokenClient(relay.url, "carol");
  const byte = Buffer.from(" ");
  tcp(fragments).write(frame(TEXT, byte, { fin: false }));
  tcp(slow).write(frame(TEXT, byte, { length: 100_000 }));
  for (let step = 0; step < 4; step++) {
    moveOn(20_000);
    tcp(fragments).write(frame(PING, Buffer.alloc(0)));
    tcp(slow).write(byte);
    expect((await quiet.ask("heartbeat")).data.status).toBe("ok");
  }
  await Promise.all([fragments.closed, slow.closed]);
  expect((await quiet.ask("heartbeat")).data.status).toBe("ok");
});

test("[A-8] messages that grow beyond the part of memory for them are ended, and whole ones go on", async () => {
  await using relay = await relayWith({ unfinishedBytesOfAll: 2_000_000, frameBytes: 400_000 });
  const hoarders = await Promise.all(["aaa", "bbb"].map((name) => tokenClient(relay.url, name)));
  using honest = await tokenClient(relay.url, "honest");
  using quiet = await tokenClient(relay.url, "quiet");
  const rest = Buffer.alloc(300, "x");
  const body = JSON.stringify({ type: "heartbeat", id: "h", data: { x: rest.toString() } });
  tcp(honest).write(frame(TEXT, Buffer.from(body.slice(0, 20)), { length: body.length }));
  let ended = 0;
  for (const { socket } of hoarders) socket.once("close", () => (ended += 1));
  for (const opcode of [TEXT, MORE, MORE])
    for (const hoarder of hoarders) {
      tcp(hoarder).write(frame(opcode, Buffer.alloc(100_000, " "), { fin: false }));
      expect((await quiet.ask("heartbeat")).data.status).toBe("ok");
    }
  // They are of one address, whose share is a quarter.
  await eventually("one is ended", () => ended > 0);
  tcp(honest).write(body.slice(20));
  expect((await honest.read(({ reply_to }) => reply_to === "h")).data.status).toBe("ok");
  expect(ended).toBe(1);
  for (const hoarder of hoarders) hoarder[Symbol.dispose]();
});

test.each([0, 20])(
  "[A-8] large messages of many connections of an address are read, with %s ms between their parts",
  async (ms) => {
    await using relay = await relayWith({ unfinishedBytesOfAll: 1_600_000, frameBytes: 100_000 });
    const senders = await Promise.all(["aaa", "bbb", "ccc", "ddd", "eee"].map((name) => tokenClient(relay.url, name)));
    using other = await tokenClient(relay.url, "other");
    const body = JSON.stringify({ type: "send", id: "s", data: { to: "other", message: "x".repeat(60_000) } });
    // An address may have a quarter: what has come of five is less than that, and what they announce is more than one of them.
    for (const sender of senders)
      tcp(sender).write(frame(TEXT, Buffer.from(body.slice(0, 100)), { length: body.length }));
    expect((await other.ask("heartbeat")).data.status).toBe("ok");
    for (const sender of senders) tcp(sender).write(body.slice(100, 10_000));
    await delay(ms);
    for (const sender of senders) tcp(sender).write(body.slice(10_000));
    for (const sender of senders)
      expect((await sender.read(({ reply_to }) => reply_to === "s")).data.status).toMatch(/delivered|stored/);
    for (const sender of senders) sender[Symbol.dispose]();
  },
);

test("[A-8] whoever has announced much and sends nothing keeps nobody of its address from sending, nor from being heard", async () => {
  await using relay = await createRelay({ port: 0, store: "memory", tokenAccounts: "on" });
  const names = Array.from({ length: 40 }, (_, index) => `idle-${index}`);
  const idle = await Promise.all(names.map((name) => tokenClient(relay.url, name)));
  using honest = await tokenClient(relay.url, "honest");
  for (const client of idle) tcp(client).write(frame(TEXT, Buffer.from(" "), { length: 1_000_000 }));
  const sent = honest.ask("send", { to: "honest", message: "x".repeat(400_000) });
  const behind = honest.ask("heartbeat");
  expect((await sent).data.status).toBe("delivered");
  expect((await behind).data.status).toBe("ok");
  for (const client of idle) client[Symbol.dispose]();
});

test("[A-8] what has come of messages that wait for their turn counts, too", async () => {
  await using relay = await relayWith({ unfinishedBytesOfAll: 1_000_000, frameBytes: 200_000 });
  using user = await tokenClient(relay.url, "many");
  const many = await Promise.all(Array.from({ length: 30 }, (_, index) => tokenClient(relay.url, `many-${index}`)));
  let ended = 0;
  for (const { socket } of many) socket.once("close", () => (ended += 1));
  for (const client of many) tcp(client).write(frame(TEXT, Buffer.alloc(60_000, " "), { length: 190_000 }));
  await eventually("most are ended", () => ended >= 25);
  expect((await user.ask("heartbeat")).data.status).toBe("ok");
  for (const client of many) client[Symbol.dispose]();
});

test("the largest frame finds room, however little there is for messages that are not whole", async () => {
  await using relay = await relayWith({ unfinishedBytesOfAll: 1000 });
  using client = await tokenClient(relay.url, "alice");
  const message = "x".repeat(900_000);
  expect((await client.ask("send", { to: "alice", message })).data.status).toBe("delivered");
});

test("[A-8] of a stranger's frame nothing is held once it says that it is too large", async () => {
  await using relay = await relayWith({ frameBytesUnauthenticated: 1000 });
  using client = await RawClient.open(relay.url);
  tcp(client).write(frame(TEXT, Buffer.from(" "), { length: 1001 }));
  expect((await client.read()).data.reason).toBe("message_too_large");
});
