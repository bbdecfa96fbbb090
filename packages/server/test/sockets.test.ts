// [P-1.4], [P-10], [P-11.2] of docs/protocol.md.
import { spawn } from "node:child_process";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { connect, type Socket } from "node:net";
import { expect, test } from "vitest";
import { builtRelay } from "../../../test/built.ts";
import { eventually } from "../../../test/waiting.ts";
import { isOfThisMachine } from "../src/socket/request.ts";
import { createRelay, type RelayOptions } from "../src/index.ts";
import { folder } from "./folder.ts";
import { RawClient } from "./raw-client.ts";

const start = (options: RelayOptions = {}) => createRelay({ port: 0, store: "memory", noLimits: true, ...options });
const get = (port: number, path: string, headers: Record<string, string> = {}) =>
  fetch(`http://127.0.0.1:${port}${path}`, { headers });

async function tcp(port: number, text = ""): Promise<Socket> {
  const socket = connect({ port, host: "127.0.0.1" });
  socket.on("error", () => {});
  socket.on("data", () => {});
  await once(socket, "connect");
  socket.write(text);
  return socket;
}

const GET = "GET /ready HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n";

test("[A-8] an HTTP request has a socket for itself, which is closed behind the answer", async () => {
  await using relay = await start();
  using parsed = requests();
  const socket = await tcp(relay.port);
  let answers = "";
  socket.on("data", (data) => (answers += data.toString()));
  socket.write(GET.repeat(500));
  await once(socket, "close");
  expect(answers.match(/^HTTP.*/gm)).toEqual(["HTTP/1.1 200 OK"]);
  expect(parsed.count).toBe(1);
  expect(answers).toContain("\r\nconnection: close\r\n");
});

/** How many requests Node has parsed since, in this process. */
function requests() {
  const parsed = {
    count: 0,
    [Symbol.dispose]: () => unsubscribe("http.server.request.start", heard),
  };
  const heard = (): void => void (parsed.count += 1);
  subscribe("http.server.request.start", heard);
  return parsed;
}

const UPGRADE = "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const HEARTBEAT = '{"type":"heartbeat","id":"h"}';

test.each([
  ["in one piece", 1, "Connection: Upgrade"],
  ["byte by byte", 400, "connection: keep-alive, Upgrade"],
])("what comes right behind a request for a WebSocket is read: %s", async (_, pieces, connection) => {
  await using relay = await start();
  const frame = Buffer.concat([Buffer.from([0x81, 128 + HEARTBEAT.length, 0, 0, 0, 0]), Buffer.from(HEARTBEAT)]);
  const bytes = Buffer.concat([Buffer.from(`GET /ws HTTP/1.1\r\nHost: x\r\n${connection}\r\n${UPGRADE}\r\n`), frame]);
  const socket = await tcp(relay.port);
  socket.setNoDelay(true);
  let answers = "";
  socket.on("data", (data) => (answers += data.toString("latin1")));
  const size = Math.ceil(bytes.length / pieces);
  for (let at = 0; at < bytes.length; at += size) {
    socket.write(bytes.subarray(at, at + size));
    await new Promise((resolve) => setImmediate(resolve));
  }
  while (!answers.includes('"reply_to":"h"')) await once(socket, "data");
  socket.destroy();
});

test.each([
  "Connection: x-upgrade\r\nUpgrade: websocket",
  "Connection: keep-alive\r\nUpgrade: websocket",
  "Connection: Upgrade",
  "X: Connection: upgrade, Upgrade: x",
  "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA",
  "Connection: Upgrade\r\nUpgrade: h2c\r\nUpgrade: websocket",
  "Connection: Upgrade\r\nUpgrade: websocket, h2c",
  "Connection: Upgrade\r\nUpgrade:",
])(
  "[A-8] requests behind one that is no upgrade of ours are answered alone, the rest is not read: %j",
  async (headers) => {
    await using relay = await start();
    using parsed = requests();
    const socket = await tcp(relay.port);
    let answers = "";
    socket.on("data", (data) => (answers += data.toString()));
    socket.write(`GET /ready HTTP/1.1\r\nHost: x\r\n${headers}\r\n\r\n${GET.repeat(500)}`);
    await once(socket, "close");
    expect(answers.match(/^HTTP.*/gm)).toEqual(["HTTP/1.1 200 OK"]);
    expect(parsed.count).toBe(1);
  },
);

test.each([
  ["nonsense", "nonsense\r\n\r\n", 400],
  ["too many headers", `GET / HTTP/1.1\r\n${"x: y\r\n".repeat(5000)}`, 431],
])("a request that cannot be read is refused: %s", async (_, text, status) => {
  await using relay = await start();
  const socket = await tcp(relay.port);
  let answers = "";
  socket.on("data", (data) => (answers += data.toString()));
  socket.write(text);
  await once(socket, "close");
  expect(answers).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
});

test.each([
  ["of one address", { addressStrangers: 5 }, {}],
  ["behind a proxy", { strangers: 5 }, { trustProxy: true }],
])(
  "[A-8] sockets that ask for nothing give way to newer ones, and a WebSocket comes through: %s",
  async (_, limits, more) => {
    await using relay = await start({ limits, ...more });
    const open = new Set<Socket>();
    for (let count = 0; count < 20; count++) {
      const socket = await tcp(relay.port, count % 2 === 0 ? "" : "GET /health HTTP/1.1\r\n");
      open.add(socket);
      socket.once("close", () => open.delete(socket));
    }
    await eventually("five are left", () => open.size <= 5);
    using client = await RawClient.open(relay.url);
    expect((await client.ask("heartbeat")).data.status).toBe("ok");
    expect((await get(relay.port, "/health")).status).toBe(200);
    expect((await client.ask("heartbeat")).data.status).toBe("ok");
    for (const socket of open) socket.destroy();
  },
);

test("[A-8] WebSockets leave some sockets to the rest, and the rest leaves some to them", async () => {
  await using relay = await start({ limits: { maxConnections: 2, strangers: 10 } });
  using one = await RawClient.open(relay.url);
  using two = await RawClient.open(relay.url);
  const refused = new RawClient(relay.url);
  const [, response] = (await once(refused.socket, "unexpected-response")) as [unknown, IncomingMessage];
  expect(response.statusCode).toBe(503);
  expect((await get(relay.port, "/health")).status).toBe(200);
  for (const client of [one, two]) expect((await client.ask("heartbeat")).data.status).toBe("ok");
});

test("[A-8] requests of one address are limited together, those for WebSockets and the others", async () => {
  await using relay = await start({ limits: { addressConnectionsPerSecond: 1, addressConnectionsBurst: 3 } });
  using client = await RawClient.open(relay.url);
  expect((await client.ask("heartbeat")).data.status).toBe("ok");
  const answers = [await get(relay.port, "/health"), await get(relay.port, "/ready"), await get(relay.port, "/health")];
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 429]);
  expect(answers[2]?.headers.get("retry-after")).toBe("1");
});

test("[A-8] an address that connects far too often gets no answer", async () => {
  await using relay = await start({ limits: { addressConnectionsPerSecond: 1, addressConnectionsBurst: 1 } });
  const sockets = await Promise.all(Array.from({ length: 20 }, () => tcp(relay.port, GET)));
  const answers = await Promise.all(
    sockets.map(async (socket) => {
      let answer = "";
      socket.on("data", (data) => (answer += data.toString()));
      if (!socket.closed) await new Promise((resolve) => socket.once("close", resolve));
      return answer.split("\r\n", 1)[0];
    }),
  );
  expect(answers.filter((answer) => answer === "HTTP/1.1 200 OK")).toHaveLength(1);
  expect(answers.filter((answer) => answer === "").length).toBeGreaterThanOrEqual(15);
});

test.skipIf(process.platform !== "linux")(
  "a relay that may open few files says once that it refuses connections, and what to do",
  async () => {
    const script = 'ulimit -n 64; exec "$0" "$@"';
    const child = spawn("bash", ["-c", script, process.execPath, builtRelay(), "--port", "0", "--db", folder()], {
      env: { PATH: process.env["PATH"], NODE_COMPILE_CACHE: process.env["NODE_COMPILE_CACHE"] },
      stdio: ["ignore", "pipe", "pipe"],
    });
    using killed = new DisposableStack();
    killed.defer(() => child.kill("SIGKILL"));
    let [printed, log] = ["", ""];
    child.stdout.on("data", (data: Buffer) => (printed += data.toString()));
    child.stderr.on("data", (data: Buffer) => (log += data.toString()));
    while (!printed.includes("health")) await once(child.stdout, "data");
    const url = /ws:.*/.exec(printed)?.[0] ?? "";
    const clients: RawClient[] = [];
    const outcomes: number[] = [];
    while (outcomes.length < 60) {
      const client = new RawClient(url);
      clients.push(client);
      const { socket } = client;
      const refused = once(socket, "unexpected-response").then(() => 503);
      outcomes.push(await Promise.race([once(socket, "open").then(() => 101), refused]));
    }
    expect(new Set(outcomes)).toEqual(new Set([101, 503]));
    const metrics = await (await fetch(url.replace(/^ws/, "http").replace(/ws$/, "metrics"))).text();
    const refused = outcomes.filter((outcome) => outcome === 503).length;
    expect(metrics).toContain(`aimessage_connections_without_room_total ${refused}\n`);
    child.kill("SIGTERM");
    expect((await once(child, "exit"))[0]).toBe(0);
    expect(log.match(/connections are refused/g)).toHaveLength(1);
    expect(log).toMatch(/it may open 64 files: raise ulimit -n/);
    expect(log).not.toContain("EMFILE");
    for (const client of clients) client[Symbol.dispose]();
  },
);

const here = { host: "localhost:8080" };
test.each([
  ["a program of this machine", "127.0.0.1", here, true],
  ["one that came by IPv6", "::1", { host: "[::1]:8080" }, true],
  ["one whose socket takes both", "::ffff:127.0.0.1", { host: "127.0.0.1" }, true],
  ["another machine", "10.0.0.2", here, false],
  ["a web page that points its own name here", "127.0.0.1", { host: "evil.example:8080" }, false],
  ["a name below localhost", "127.0.0.1", { host: "evil.localhost" }, false],
  ["no name", "127.0.0.1", {}, false],
  ["a broken name", "127.0.0.1", { host: "localhost evil" }, false],
  ["a proxy on this machine", "127.0.0.1", { ...here, "x-forwarded-for": "10.0.0.2" }, false],
  ["a proxy that says only by which scheme", "127.0.0.1", { ...here, "x-forwarded-proto": "https" }, false],
  ["a proxy by the standard", "127.0.0.1", { ...here, forwarded: "for=10.0.0.2" }, false],
  ["a proxy that names itself", "127.0.0.1", { ...here, via: "1.1 proxy" }, false],
  ["a proxy that names the client alone", "127.0.0.1", { ...here, "x-real-ip": "10.0.0.2" }, false],
])("metrics on the relay's port are for programs of this machine: %s", (_, remoteAddress, headers, allowed) => {
  expect(isOfThisMachine({ socket: { remoteAddress }, headers } as unknown as IncomingMessage)).toBe(allowed);
});

test("metrics are answered on the relay's port, or on one of their own", async () => {
  {
    await using relay = await start();
    expect((await get(relay.port, "/metrics")).status).toBe(200);
    expect((await get(relay.port, "/metrics", { "x-forwarded-for": "10.0.0.1" })).status).toBe(403);
  }
  await using relay = await start({ metrics: { host: "127.0.0.1", port: 0 } });
  const port = relay.metricsPort ?? 0;
  expect(port).not.toBe(relay.port);
  expect((await get(relay.port, "/metrics")).status).toBe(404);
  expect(await (await get(port, "/metrics")).text()).toContain("aimessage_connections 0");
  expect((await get(port, "/metrics", { via: "1.1 proxy" })).status).toBe(403);
  expect((await get(port, "/health")).status).toBe(404);
});
