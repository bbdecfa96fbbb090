import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setImmediate } from "node:timers/promises";
import { expect, test } from "vitest";
import { createRelay, type RelayOptions } from "@aimessage/server";
import { loginToken, RawClient, registerToken, seal, tokenClient } from "../../packages/server/test/raw-client.ts";
import { within } from "../waiting.ts";

const start = (options: RelayOptions = {}) => createRelay({ port: 0, store: "memory", noLimits: true, ...options });

/** A TCP connection that asks for a WebSocket and keeps its own side open whatever the relay does. */
async function upgrade(port: number, path: string): Promise<{ socket: Socket; head: string }> {
  const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  socket.on("error", () => {});
  const key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13";
  socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n${key}\r\n\r\n`);
  const [data] = (await once(socket, "data")) as [Buffer];
  return { socket, head: data.toString() };
}

test("a refused upgrade that its client never closes does not keep the relay from ending", async () => {
  const relay = await start();
  const { socket, head } = await upgrade(relay.port, "/nowhere");
  expect(head).toContain("404");
  await within("the relay ends", relay[Symbol.asyncDispose]());
  socket.destroy();
});

test("a burst of pings is answered by the pong of the newest, and ends nothing", async () => {
  await using relay = await start();
  using client = await tokenClient(relay.url, "pinger");
  const pongs: string[] = [];
  client.socket.on("pong", (data) => pongs.push(data.toString()));
  for (let count = 1; count <= 500; count++) client.socket.ping(String(count));
  expect((await client.ask("heartbeat")).data.status).toBe("ok");
  while (pongs.at(-1) !== "500") await once(client.socket, "pong");
  expect(pongs.map(Number)).toEqual(pongs.map(Number).toSorted((a, b) => a - b));
});

test("who pings without reading the pongs makes the relay hold little", async () => {
  await using relay = await start();
  const { socket } = await upgrade(relay.port, "/ws");
  socket.pause();
  const ping = Buffer.concat([Buffer.from([0x89, 0x80 | 125, 0, 0, 0, 0]), Buffer.alloc(125)]);
  const many = Buffer.concat(Array.from({ length: 500 }, () => ping));
  const before = process.memoryUsage().rss;
  for (let count = 0; count < 2_000 && !socket.closed; count++) if (!socket.write(many)) await setImmediate();
  expect(process.memoryUsage().rss - before).toBeLessThan(200 * 2 ** 20);
  socket.destroy();
});

test("who floods without reading the answers is cut off, and others are served meanwhile", async () => {
  await using relay = await start({ limits: { bufferedBytes: 2 ** 20 } });
  const flooder = await tokenClient(relay.url, "flooder");
  using other = await tokenClient(relay.url, "other");
  flooder.socket.pause();
  let closed = false;
  flooder.socket.on("close", () => (closed = true));
  for (let round = 0; round < 400 && !closed; round++) {
    for (let count = 0; count < 500; count++) flooder.write("info");
    expect((await other.ask("heartbeat")).data.status).toBe("ok");
    if (flooder.socket.bufferedAmount > 2 ** 22) break;
  }
  flooder.socket.resume();
  await flooder.closed;
});

test("a token account may send on right behind its login, however much waits for it", async () => {
  await using relay = await start();
  using alice = await tokenClient(relay.url, "alice");
  using bob = await RawClient.open(relay.url);
  const user = await registerToken(bob, "bob");
  for (let count = 0; count < 600; count++) alice.write("send", { to: "bob", message: String(count) });
  await alice.ask("heartbeat");

  const { data } = await bob.ask("authenticate", { username: "bob" });
  bob.write("authenticate", { username: "bob", challenge: seal(user.key, data.challenge) });
  for (let count = 0; count < 300; count++) bob.write("heartbeat");
  const last = bob.write("heartbeat");
  await bob.read((frame) => frame.reply_to === last);
  expect(bob.unread.filter(({ type }) => type === "offline_message").map(({ data }) => Number(data.message))).toEqual(
    Array.from({ length: 600 }, (_, index) => index),
  );
});

test("who piles up frames behind a login that cannot end is cut off", async () => {
  await using relay = await start();
  using alice = await tokenClient(relay.url, "alice");
  using bob = await RawClient.open(relay.url, { autoPong: false });
  const user = await registerToken(bob, "bob");
  for (let count = 0; count < 300; count++) alice.write("send", { to: "bob", message: String(count) });
  await alice.ask("heartbeat");
  const { data } = await bob.ask("authenticate", { username: "bob" });
  bob.write("authenticate", { username: "bob", challenge: seal(user.key, data.challenge) });
  for (let count = 0; count < 2_000; count++) bob.write("heartbeat");
  await bob.closed;
  // It has lost nothing.
  using again = await RawClient.open(relay.url);
  expect(await loginToken(again, user)).toHaveLength(301);
});
