/** What an agent on Node says when it cannot reach a relay. */
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { createServer } from "node:http";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import { join } from "node:path";
import { createRelay } from "@aimessage/server";
import { expect, onTestFinished, test } from "vitest";
import { Agent } from "../../src/node/index.ts";
import { explainUnreachable } from "../../src/node/probe.ts";
import { eventually, rejection, temporaryFolder, World } from "./world.ts";

function folder(): string {
  const path = temporaryFolder();
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** What registering at a URL ends with, after the URL; and the hint. */
async function said(server: string): Promise<{ why: string; hint: string | undefined }> {
  const { code, message, hint } = await rejection(Agent.open({ home: folder(), username: "carol", server }));
  expect(code).toBe("relay_unreachable");
  const beginning = `no relay answers at ${server}`;
  expect(message.slice(0, beginning.length)).toBe(beginning);
  return { why: message.slice(beginning.length), hint };
}

/** A web server that answers everything with one status. */
async function webServer(status: number): Promise<string> {
  const server = createServer((_request, response) => void response.writeHead(status).end());
  onTestFinished(() => void server.close());
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return `ws://127.0.0.1:${(server.address() as AddressInfo).port}/ws`;
}

/** A certificate that nobody knows; undefined if there is no openssl to make it. */
function selfSigned(): { cert: string; key: string } | undefined {
  const path = folder();
  const files = { cert: join(path, "cert.pem"), key: join(path, "key.pem") };
  const how = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost".split(
    " ",
  );
  const { status } = spawnSync("openssl", [...how, "-keyout", files.key, "-out", files.cert], { stdio: "ignore" });
  return status === 0 ? files : undefined;
}

test("nothing listens there", async () => {
  expect(await said("ws://127.0.0.1:1/ws")).toMatchObject({ why: ": nothing listens there (ECONNREFUSED)" });
});

test("a name that nobody knows", async () => {
  expect((await said("wss://relay.invalid/ws")).why).toMatch(/^: the name relay\.invalid is not known \(/);
});

test("a web server that is no relay, and a relay at another path", async () => {
  const { why, hint } = await said(await webServer(404));
  expect(why).toBe(": what answers there is no relay (HTTP 404)");
  expect(hint).toContain("path");
  await using relay = await createRelay({ port: 0, store: "memory" });
  expect((await said(relay.url.replace("/ws", "/wrong"))).why).toBe(why);
});

test("a proxy whose relay is gone, one that leads elsewhere, and a relay that is full", async () => {
  expect((await said(await webServer(502))).why).toContain("cannot reach the relay (HTTP 502)");
  expect((await said(await webServer(301))).hint).toContain("wss://");
  expect((await said(await webServer(503))).why).toContain("no more connections just now");
});

test.skipIf(process.versions["bun"] !== undefined)(
  "TLS spoken to a relay without, and none to a relay with it, and a certificate that is not trusted",
  async (context) => {
    await using plain = await createRelay({ port: 0, store: "memory" });
    const spoken = await said(plain.url.replace("ws:", "wss:"));
    expect(spoken).toMatchObject({
      why: expect.stringContaining("not speak TLS"),
      hint: expect.stringContaining("ws://"),
    });

    const tls = selfSigned() ?? context.skip("no openssl");
    await using secure = await createRelay({ port: 0, store: "memory", tls });
    expect((await said(secure.url.replace("wss:", "ws:"))).hint).toContain("wss://");
    expect(await said(secure.url)).toEqual({
      why: ": its certificate is not trusted (DEPTH_ZERO_SELF_SIGNED_CERT)",
      hint: expect.stringContaining("NODE_EXTRA_CA_CERTS"),
    });
  },
);

test("an agent that loses its relay says why it does not come back", async () => {
  await using world = await World.create();
  await using alice = await Agent.open({ home: folder(), username: "alice", server: world.server });
  const details: string[] = [];
  alice.onLink(({ detail }) => details.push(detail));
  expect(await alice.users()).toEqual([]);
  await world.proxy[Symbol.asyncDispose]();
  await eventually("it says so", () =>
    details.some((detail) => detail.endsWith("nothing listens there (ECONNREFUSED)")),
  );
});

test("who does not answer is not waited for, once nobody wants to know", async () => {
  const silent = createTcpServer();
  onTestFinished(() => void silent.close());
  silent.listen(0, "127.0.0.1");
  await once(silent, "listening");
  const url = new URL(`ws://127.0.0.1:${(silent.address() as AddressInfo).port}/ws`);
  expect(await explainUnreachable(url, AbortSignal.abort())).toBeUndefined();
  expect(await explainUnreachable(url, undefined, 50)).toMatchObject({
    why: "it takes the connection and says nothing (time-out)",
  });
});
