/** Relays with TLS whose certificate is of a private authority. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRelay } from "@aimessage/server";
import { expect, onTestFinished, test, type TestContext } from "vitest";
import { connectProxy } from "../../sdk/test/scenario/connect-proxy.ts";
import { startCli } from "./process.ts";

/** It says in its own words what is wrong with a certificate. */
const onBun = process.versions["bun"] !== undefined;

const RELAY = "wss://relay.example/ws";

/** A relay that is known as relay.example, and its certificate. */
async function privateRelay({ skip }: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), "tls "));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const [cert, key] = [join(folder, "cert.pem"), join(folder, "key.pem")];
  const made = spawnSync("openssl", [
    ..."req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=relay.example".split(" "),
    ..."-addext subjectAltName=DNS:relay.example,DNS:localhost".split(" "),
    "-keyout",
    key,
    "-out",
    cert,
  ]);
  if (made.status !== 0) skip("no openssl");
  const relay = await createRelay({ port: 0, store: "memory", tls: { cert, key }, publicUrls: [RELAY] });
  onTestFinished(() => relay[Symbol.asyncDispose]());
  return { cert, port: relay.port, env: { AIMESSAGE_HOME: join(folder, "home") } };
}

test.skipIf(onBun)(
  "an agent reaches a relay with TLS by the proxy of its environment, and checks the relay's certificate",
  async (context) => {
    const { cert, port, env } = await privateRelay(context);
    const proxy = await connectProxy({ port });
    const words = ["register", "-u", "alice", "-s", RELAY];
    const untrusted = startCli(words, { ...env, HTTPS_PROXY: proxy.url });
    expect(await untrusted.exit).toBe(4);
    expect(untrusted.stderr.text).toContain("its certificate is not trusted (DEPTH_ZERO_SELF_SIGNED_CERT)");
    const { exit, stderr } = startCli(words, { ...env, HTTPS_PROXY: proxy.url, NODE_EXTRA_CA_CERTS: cert });
    expect({ exit: await exit, stderr: stderr.text }).toEqual({ exit: 0, stderr: "" });
    expect(new Set(proxy.asked)).toEqual(new Set(["CONNECT relay.example:443"]));
  },
);

test.skipIf(onBun)(
  "NODE_TLS_REJECT_UNAUTHORIZED=0 opens no way to a relay whose certificate is not trusted",
  async (context) => {
    const { port, env } = await privateRelay(context);
    const server = `wss://localhost:${port}`;
    const asked = startCli(["register", "-u", "alice", "-s", server], { ...env, NODE_TLS_REJECT_UNAUTHORIZED: "0" });
    expect(await asked.exit).toBe(4);
    expect(asked.stderr.text).toContain("its certificate is not trusted (DEPTH_ZERO_SELF_SIGNED_CERT)");
    expect(asked.stderr.text).toMatch(/Hint: .*NODE_EXTRA_CA_CERTS=authority\.pem.*NODE_TLS_REJECT_UNAUTHORIZED/);
  },
);
