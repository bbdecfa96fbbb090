/** Relays that an agent reaches by way of what stands in between: proxies of its environment, and those before the relay. */
import { once } from "node:events";
import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import { type AddressInfo, createServer as createTcpServer, type Socket } from "node:net";
import { createRelay } from "@aimessage/server";
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { connect } from "../../src/wire/connect.ts";
import { Agent } from "../../src/node/index.ts";
import { explainUnreachable } from "../../src/node/probe.ts";
import { throughProxy } from "../../src/node/proxy.ts";
import { nodeTransport } from "../../src/node/transport.ts";
import { connectProxy } from "./connect-proxy.ts";
import { eventually, rejection, temporaryFolder } from "./world.ts";

const home = () => temporaryFolder();

const RELAY = "ws://relay.example/ws";

beforeEach(() => {
  for (const name of ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY"])
    vi.stubEnv(name, undefined);
});
afterEach(() => void vi.unstubAllEnvs());

/** A relay that is known as relay.example, a name that nobody resolves. */
async function relayExample() {
  const relay = await createRelay({ port: 0, store: "memory", publicUrls: ["ws://relay.example", "ws://localhost:1"] });
  onTestFinished(() => relay[Symbol.asyncDispose]());
  return relay;
}

describe("a proxy of the environment", () => {
  test.each([
    ["HTTP_PROXY", (url: string) => url, ""],
    ["http_proxy", (url: string) => url.replace("http://", ""), ""],
    ["HTTP_PROXY", (url: string) => url.replace("//", "//us%40er:pass%3Aword@"), " Basic dXNAZXI6cGFzczp3b3Jk"],
    ["HTTP_PROXY", (url: string) => url.replace("//", "//user:5%of%3Aall@"), " Basic dXNlcjo1JW9mOmFsbA=="],
  ])("carries an agent to its relay, by CONNECT (%s)", async (variable, value, authorization) => {
    const relay = await relayExample();
    const proxy = await connectProxy({ port: relay.port });
    vi.stubEnv(variable, value(proxy.url));
    await using alice = await Agent.open({ home: home(), username: "alice", server: RELAY, insecure: true });
    expect(await alice.users()).toEqual([]);
    expect(new Set(proxy.asked)).toEqual(new Set([`CONNECT relay.example:80${authorization}`]));
  });

  test("is not asked for a relay on this machine, nor for what NO_PROXY names", async () => {
    const relay = await createRelay({ port: 0, store: "memory" });
    onTestFinished(() => relay[Symbol.asyncDispose]());
    const proxy = await connectProxy({ port: relay.port });
    vi.stubEnv("HTTP_PROXY", proxy.url);
    await using alice = await Agent.open({ home: home(), username: "alice", server: relay.url });
    expect(await alice.users()).toEqual([]);
    for (const list of [
      "*",
      "relay.example",
      "example",
      ".example",
      "*.example",
      "x,relay.example:80",
      "RELAY.EXAMPLE other",
    ]) {
      vi.stubEnv("NO_PROXY", list);
      const { why } = (await explainUnreachable(new URL(RELAY))) ?? {};
      expect({ list, why }).toMatchObject({
        list,
        why: expect.stringContaining("the name relay.example is not known"),
      });
    }
    expect(proxy.asked).toEqual([]);
    for (const list of ["elay.example", "relay.example:1", "relay.example.org", "", ","]) {
      vi.stubEnv("NO_PROXY", list);
      expect({ list, why: await explainUnreachable(new URL(RELAY)) }).toEqual({ list, why: undefined });
    }
    expect(proxy.asked).toHaveLength(5);
  });

  test.each([
    ["10.1.2.3", "10.0.0.0/8"],
    ["10.1.2.3", "10.1.2.3"],
    ["10.1.2.3", "10.1.2.3:9"],
    ["[fd00::1]", "fd00::/8"],
    ["[fd00::1]", "[fd00::1]:9"],
  ])("is not asked for the address %s if NO_PROXY names %s", (host, list) => {
    const asks = (NO_PROXY: string) =>
      throughProxy(new URL(`ws://${host}:9/ws`), { HTTP_PROXY: "http://p", NO_PROXY }, AbortSignal.abort()) !==
      undefined;
    expect(asks("10.2.0.0/16, fe00::/8, 10.0.0.0/99, 10.1.2.3:10, fd00::2, 0.1.2.3, /8")).toBe(true);
    expect(asks(list)).toBe(false);
  });

  test.each([
    [407, /wants a login \(HTTP 407\)$/, /HTTP_PROXY=http:\/\/USER:PASSWORD@HOST:PORT/],
    [403, /does not let through to relay\.example:9 \(HTTP 403\)$/, /NO_PROXY/],
    [502, /cannot reach relay\.example:9 \(HTTP 502\)$/, /relay runs/],
  ])("that refuses with %i is named as the cause", async (status, why, hint) => {
    const proxy = await connectProxy({ refuse: status });
    vi.stubEnv("HTTP_PROXY", proxy.url.replace("//", "//user:secret@"));
    const error = await rejection(
      Agent.open({ home: home(), username: "alice", server: "ws://relay.example:9", insecure: true }),
    );
    expect(error).toMatchObject({
      code: "relay_unreachable",
      message: expect.stringMatching(why),
      hint: expect.stringMatching(hint),
    });
    expect(error.message).toContain(`the proxy ${new URL(proxy.url).host} (HTTP_PROXY)`);
    expect(error.message + error.hint).not.toContain("secret");
  });

  test.each([
    [
      "that is not there",
      "http://127.0.0.1:1",
      /the proxy 127\.0\.0\.1:1 \(HTTP_PROXY\) cannot be used \(ECONNREFUSED\)$/,
    ],
    ["of another kind", "socks5://user:secret@127.0.0.1:1", /HTTP_PROXY is no URL of a proxy that can be used$/],
    ["that is no URL", "http://user:secret@:::", /HTTP_PROXY is no URL of a proxy that can be used$/],
  ])("%s is named as the cause, and not gone past", async (_what, value, why) => {
    vi.stubEnv("HTTP_PROXY", value);
    const error = await rejection(
      Agent.open({ home: home(), username: "alice", server: "ws://relay.example:9", insecure: true }),
    );
    expect(error).toMatchObject({ code: "relay_unreachable", message: expect.stringMatching(why) });
    expect(error.message + error.hint).not.toContain("secret");
  });
});

test.skipIf(process.versions["bun"] !== undefined)(
  "a proxy that does not answer is let go of by whoever gives up",
  async () => {
    const sockets = new Set<Socket>();
    const server = createTcpServer((socket) => {
      sockets.add(socket.resume());
      socket.on("error", () => undefined).on("close", () => sockets.delete(socket));
    });
    onTestFinished(() => void server.close());
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    vi.stubEnv("HTTP_PROXY", `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    const stopping = new AbortController();
    const opening = connect(nodeTransport, new URL(RELAY), () => undefined, stopping.signal);
    await eventually("it was asked", () => sockets.size === 1);
    stopping.abort();
    await expect(opening).rejects.toMatchObject({ code: "aborted" });
    await eventually("the socket is closed", () => sockets.size === 0);
  },
);

/** A proxy before the relay that passes requests on without what asks for a WebSocket, as nginx does unless it is told otherwise. */
async function withoutUpgrade(port: number): Promise<string> {
  const server = createServer((asking: IncomingMessage, response: ServerResponse) => {
    request({ host: "127.0.0.1", port, path: asking.url }, (answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(response);
    }).end();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  return `ws://127.0.0.1:${(server.address() as AddressInfo).port}/ws`;
}

test("a proxy before the relay that drops the upgrade is named as the cause, with what to tell it", async () => {
  const relay = await relayExample();
  const server = await withoutUpgrade(relay.port);
  expect(await rejection(Agent.open({ home: home(), username: "alice", server }))).toMatchObject({
    code: "relay_unreachable",
    message: `no relay answers at ${server}: a proxy in front of it drops the WebSocket upgrade (HTTP 426)`,
    hint: expect.stringContaining("proxy_set_header Upgrade $http_upgrade"),
  });
});
