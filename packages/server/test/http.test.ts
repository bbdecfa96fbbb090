// [P-1.4], [P-10] of docs/protocol.md.

import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { connect } from "node:net";
import { expect, test, vi } from "vitest";
import { WebSocket } from "ws";
import { addressOf } from "../src/socket/request.ts";
import { createRelay } from "../src/index.ts";
import { newAgent } from "./agent.ts";
import { loginToken, RawClient, registerToken, tokenClient } from "./raw-client.ts";
import { askRoom, bring, uploaded } from "./uploader.ts";

const get = (port: number, path: string, init?: RequestInit) => fetch(`http://127.0.0.1:${port}${path}`, init);

test("health answers the original's bytes", async () => {
  await using relay = await createRelay({ port: 0, store: "memory" });
  const response = await get(relay.port, "/health");
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toBe("application/json");
  expect(await response.text()).toBe('{"status":"ok","service":"aimessage-server"}');
});

test("ready says whether the store can be used; other paths and methods are refused", async () => {
  await using relay = await createRelay({ port: 0, store: "memory" });
  expect((await get(relay.port, "/ready")).status).toBe(200);
  expect((await get(relay.port, "/nope")).status).toBe(404);
  expect((await get(relay.port, "/health", { method: "POST" })).status).toBe(405);
  expect((await get(relay.port, "/ws")).status).toBe(426);
});

test("metrics count what happens, and name nobody", async () => {
  await using relay = await createRelay({ port: 0, store: "memory" });
  using a = await tokenClient(relay.url, "alice");
  using b = await RawClient.open(relay.url);
  const bob = await registerToken(b, "bob-the-agent");
  for (let count = 0; count < 3; count++) await a.ask("send", { to: "bob-the-agent", message: "x" });
  await a.ask("send", { to: "!", message: "x" });
  await a.ask("made-up-type");
  let text = await (await get(relay.port, "/metrics")).text();
  expect(text).toContain("aimessage_connections 2");
  expect(text).toContain('aimessage_frames_total{type="send"} 4');
  expect(text).toContain('aimessage_frames_total{type="unknown"} 1');
  expect(text).toContain("aimessage_stored_total 3");
  expect(text).toContain("aimessage_mailbox_entries 3");
  expect(text).toContain('aimessage_refusals_total{reason="unknown_user"} 1');
  expect(text).toMatch(/aimessage_commit_seconds_count \d+/);
  expect(text).not.toMatch(/alice|bob|made-up/);
  await loginToken(b, bob);
  await b.ask("heartbeat");
  // What waits is counted once a second at most.
  await vi.waitFor(
    async () => {
      text = await (await get(relay.port, "/metrics")).text();
      expect(text).toContain("aimessage_mailbox_entries 0");
    },
    { timeout: 10_000 },
  );
  expect(text).toContain("aimessage_delivered_total 3");
});

test("metrics measure files, and count what is refused of them by its status", async () => {
  await using relay = await createRelay({ port: 0, store: "memory" });
  using alice = await (await newAgent(relay.url, "alice")).connect();
  await uploaded(relay.url, alice, Buffer.alloc(1000));
  await bring(relay.url, await askRoom(alice, 1000), 0, Buffer.alloc(300));
  expect((await get(relay.port, `/blobs/${"0".repeat(32)}`)).status).toBe(404);
  const text = await (await get(relay.port, "/metrics")).text();
  expect(text).toContain("aimessage_blobs 2");
  expect(text).toContain("aimessage_blob_bytes 2000");
  expect(text).toContain("aimessage_blob_bytes_awaited 700");
  expect(text).toContain('aimessage_refusals_total{reason="http_404"} 1');
});

test.each([
  ["that expects what it cannot have", "/health", "Expect: something"],
  ["for a file whose length is not told", `/blobs/${"0".repeat(32)}`, "Transfer-Encoding: chunked"],
])("[P-10.4] a request too often, also one %s, is told when to come again", async (_, path, line) => {
  await using relay = await createRelay({
    port: 0,
    store: "memory",
    limits: { addressConnectionsPerSecond: 0.1, addressConnectionsBurst: 1 },
  });
  expect((await get(relay.port, "/health")).status).toBe(200);
  const socket = connect(relay.port, "127.0.0.1");
  let said = "";
  socket.on("data", (data: Buffer) => (said += data.toString("latin1")));
  socket.on("error", () => {});
  socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n${line}\r\n\r\n`);
  await once(socket, "close");
  expect(said).toMatch(/^HTTP\/1.1 429 .*retry-after: \d/is);
});

async function statusFor(port: number, headers: Record<string, string>): Promise<number> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/ws`, { headers });
  socket.on("error", () => {});
  const status = await Promise.race([
    once(socket, "open").then(() => 101),
    once(socket, "unexpected-response").then(([, response]) => response.statusCode as number),
  ]);
  socket.terminate();
  return status;
}

test("programs and pages of known origins may connect, other pages may not", async () => {
  await using relay = await createRelay({ port: 0, store: "memory" });
  const { port } = relay;
  const origin = (value: string) => statusFor(port, { origin: value });
  expect(await statusFor(port, {})).toBe(101);
  expect(await origin("http://localhost:8080")).toBe(101);
  expect(await origin("https://localhost:8080")).toBe(101);
  expect(await origin(`http://127.0.0.1:${port}`)).toBe(101);
  expect(await origin("https://evil.example")).toBe(403);
  expect(await origin("null")).toBe(403);
  // A page that points its own name at this machine is not of the same origin.
  expect(await statusFor(port, { origin: `http://evil.example:${port}`, host: `evil.example:${port}` })).toBe(403);
});

test("origins can be configured", async () => {
  await using relay = await createRelay({ port: 0, store: "memory", origins: ["https://console.example"] });
  expect(await statusFor(relay.port, { origin: "https://console.example" })).toBe(101);
  expect(await statusFor(relay.port, { origin: "http://localhost:8080" })).toBe(403);
});

test.each([
  ["1.2.3.4", "1.2.3.4"],
  ["::ffff:1.2.3.4", "1.2.3.4"],
  ["2001:DB8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
  ["2001:db8::1", "2001:db8:0:0::/64"],
  ["::1", "0:0:0:0::/64"],
  ["not an address", "10.0.0.1"],
])("limits count %s as %s", (forwarded, counted) => {
  const request = { headers: { "x-forwarded-for": forwarded }, socket: { remoteAddress: "10.0.0.1" } };
  expect(addressOf(request as unknown as IncomingMessage, true)).toBe(counted);
});
