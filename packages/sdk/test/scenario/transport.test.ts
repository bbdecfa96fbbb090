/** A server that keeps to HTTP and WebSocket no further than it likes: for the client it is a relay that cannot be reached. */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { expect, test } from "vitest";
import { connect, webTransport } from "../../src/wire/connect.ts";
import { openAgent } from "../../src/agent/open.ts";
import { nodeTransport } from "../../src/node/transport.ts";
import { eventually, World } from "./world.ts";

const MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/** A server that does what `serve` does with each request for a WebSocket. */
async function serving(serve: (socket: Socket, key: string) => void) {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => sockets.delete(socket));
    socket.once("data", (request) => serve(socket, /sec-websocket-key: (\S+)/i.exec(String(request))?.[1] ?? ""));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: new URL(`ws://127.0.0.1:${(server.address() as AddressInfo).port}/ws`),
    sockets,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

function upgrade(socket: Socket, key: string): void {
  const accept = createHash("sha1").update(`${key}${MAGIC}`).digest("base64");
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
  );
}

const bytes = (hex: string) => Buffer.from(hex, "hex");

test.each([
  ["reserved bits", bytes("f10161")],
  ["text that is no UTF-8", bytes("8102c328")],
  ["a frame that says it has 2^62 bytes", bytes("817f4000000000000000")],
  ["a frame that says it has 17 MiB", bytes("817f0000000001100000")],
  ["a message in 300 pieces", bytes(`010161${"000161".repeat(300)}`)],
  ["a masked frame", bytes("81810000000061")],
  ["a ping of 200 bytes", bytes(`897e00c8${"00".repeat(200)}`)],
  ["a close of one byte", bytes("880103")],
])("%s ends the connection, and nothing else", async (_, frame) => {
  await using server = await serving((socket, key) => {
    upgrade(socket, key);
    setImmediate(() => socket.write(frame));
  });
  const connection = await connect(nodeTransport, server.url, () => undefined);
  await eventually("it is closed", () => !connection.open);
  await eventually("so is its socket", () => server.sockets.size === 0);
});

test("so does a reset", async () => {
  await using server = await serving((socket, key) => {
    upgrade(socket, key);
    setImmediate(() => socket.resetAndDestroy());
  });
  const connection = await connect(nodeTransport, server.url, () => undefined);
  await eventually("it is closed", () => !connection.open);
});

test("a server that never closes its end holds nobody up", { tags: ["long"] }, async () => {
  let ended = false;
  await using server = await serving((socket, key) => {
    socket.allowHalfOpen = true;
    socket.on("end", () => (ended = true));
    upgrade(socket, key);
  });
  const connection = await connect(nodeTransport, server.url, () => undefined);
  connection.close();
  expect(connection.open).toBe(false);
  await eventually("the client's socket is closed", () => ended);
});

test.each([
  ["no answer that is HTTP", "hello\r\n\r\n"],
  [
    "a wrong Sec-WebSocket-Accept",
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: AAAA\r\n\r\n",
  ],
  ["an answer elsewhere", "HTTP/1.1 301 Moved\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"],
  ["half an answer", "HTTP/1.1 101 Switching"],
])("%s is a relay that cannot be reached", async (_, answer) => {
  await using server = await serving((socket) => socket.end(answer));
  await expect(connect(nodeTransport, server.url, () => undefined)).rejects.toMatchObject({
    code: "relay_unreachable",
  });
});

test("whoever gives up while a server has not answered leaves no socket behind", async () => {
  await using server = await serving(() => undefined);
  const stopping = new AbortController();
  const opening = connect(nodeTransport, server.url, () => undefined, stopping.signal);
  await eventually("it was asked", () => server.sockets.size === 1);
  stopping.abort();
  await expect(opening).rejects.toMatchObject({ code: "aborted" });
  await eventually("the socket is closed", () => server.sockets.size === 0);
});

test.each([
  ["before it begins", true],
  ["right after that", false],
])("so does whoever gives up %s", async (_, before) => {
  await using server = await serving(() => undefined);
  const stopping = new AbortController();
  if (before) stopping.abort();
  const opening = connect(nodeTransport, server.url, () => undefined, stopping.signal);
  stopping.abort();
  await expect(opening).rejects.toMatchObject({ code: "aborted" });
  await eventually("the socket is closed", () => server.sockets.size === 0);
});

test.each([nodeTransport, webTransport])(
  "who gives up is told so, and not that nobody answers",
  { tags: ["long"] },
  async ({ dial }) => {
    await using server = await serving(() => undefined);
    const stopping = new AbortController();
    const opening = connect({ dial }, server.url, () => undefined, stopping.signal);
    await eventually("it was asked", () => server.sockets.size === 1);
    stopping.abort();
    await expect(opening).rejects.toMatchObject({ code: "aborted" });
    const during = new AbortController();
    const explain = async () => {
      during.abort();
      return undefined;
    };
    const refused = connect({ dial, explain }, new URL("ws://127.0.0.1:1/ws"), () => undefined, during.signal);
    await expect(refused).rejects.toMatchObject({ code: "aborted" });
  },
);

test(
  "an agent that cannot connect waits no longer at its end for having waited before",
  { tags: ["long"] },
  async () => {
    await using server = await serving(() => undefined);
    await using world = await World.create();
    const store = world.memory("alice");
    await (await world.openFrom("alice", store)).close();
    const agent = await openAgent({ store: world.memory("alice"), server: server.url.href, transport: nodeTransport });
    const sent = await agent.send("bob", "hello");
    await expect(sent.stored({ timeout: 2_500 })).rejects.toMatchObject({ code: "timeout" });
    const closing = performance.now();
    await agent.close();
    expect(performance.now() - closing).toBeLessThan(4_000);
  },
);
