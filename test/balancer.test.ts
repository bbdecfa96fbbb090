import { once } from "node:events";
import { createServer as createHttpServer, type Server } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { Balancer } from "../lab/shared/balancer.ts";
import { eventually } from "./waiting.ts";

/** A server that says whether it is ready, and its number to whoever asks for anything else. */
async function backend(number: number) {
  const state = { status: 200 };
  const server = createHttpServer((request, response) => {
    if (request.url === "/ready") response.writeHead(state.status).end();
    else response.end(String(number));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => stop(server));
  return { server, state, port: (server.address() as AddressInfo).port };
}

function stop(server: Server): void {
  server.close();
  server.closeAllConnections();
}

/** Two of them behind a balancer, once both are known to be ready. */
async function balanced() {
  const backends = [await backend(0), await backend(1)] as const;
  const balancer = await Balancer.start({ port: 0, to: backends.map(({ port }) => port) });
  onTestFinished(() => balancer[Symbol.asyncDispose]());
  await eventually("both are ready", () => balancer.ready.length === 2);
  return { backends, balancer, ask: () => answerOf(balancer.port) };
}

async function answerOf(port: number): Promise<string> {
  return (await fetch(`http://127.0.0.1:${port}/`, { headers: { connection: "close" } })).text();
}

async function stays(port: number): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  await once(socket, "connect");
  return socket;
}

test("a balancer leads connections to its servers in turn", async () => {
  const { ask } = await balanced();
  const answers = [await ask(), await ask(), await ask(), await ask()];
  expect(answers.toSorted()).toEqual(["0", "0", "1", "1"]);
});

test("a server that is not ready gets nothing new, and keeps what it has", async () => {
  const { backends, balancer, ask } = await balanced();
  const [first] = backends;
  const sockets = [await stays(balancer.port), await stays(balancer.port)];
  await eventually("each has one", () => backends.every(({ port }) => balancer.connectionsOf(port) === 1));
  first.state.status = 503;
  await eventually("it is known", () => balancer.ready.length === 1);
  expect([await ask(), await ask()]).toEqual(["1", "1"]);
  expect(balancer.connectionsOf(first.port)).toBe(1);
  for (const socket of sockets) socket.destroy();
});

test("connections of a server that is gone are cut, and where none is left there are none", async () => {
  const { backends, balancer, ask } = await balanced();
  const socket = await stays(balancer.port);
  socket.on("error", () => undefined);
  const closed = new Promise((resolve) => socket.once("close", resolve));
  for (const { server } of backends) stop(server);
  await closed;
  await eventually("it is known", () => balancer.ready.length === 0);
  await expect(ask()).rejects.toThrow("fetch failed");
});
