import { spawnSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { copyFileSync, cpSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:https";
import { type AddressInfo, connect as connectTcp } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "node:tls";
import { afterAll, expect, test, vi } from "vitest";
import { eventually } from "../../../test/waiting.ts";
import { createRelay } from "../src/index.ts";
import { keepCertificate } from "../src/socket/certificate.ts";
import { createLogTo } from "../src/log.ts";
import { folder } from "./folder.ts";
import { RawClient } from "./raw-client.ts";
import { relayProcess } from "./relay-process.ts";

interface Files {
  cert: string;
  key: string;
}

const shelf = mkdtempSync(join(tmpdir(), "certificates "));
afterAll(() => rmSync(shelf, { recursive: true }));

/** A certificate for `name`; undefined if there is no openssl to make it. */
function certificateFor(name: string): Files | undefined {
  const files = { cert: join(shelf, `${name}.crt`), key: join(shelf, `${name}.key`) };
  const how = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj".split(" ");
  const args = [...how, `/CN=${name}`, "-keyout", files.key, "-out", files.cert];
  return spawnSync("openssl", args, { stdio: "ignore" }).status === 0 ? files : undefined;
}

const made = [certificateFor("first"), certificateFor("second")];
const [first, second] = made as [Files, Files];
const without = made.includes(undefined);

/** The name in the certificate that a port shows to a new connection. */
async function shown(port: number): Promise<string> {
  const socket = connect({ port, host: "127.0.0.1", rejectUnauthorized: false });
  socket.on("error", () => {});
  await once(socket, "secureConnect");
  const { subject } = socket.getPeerX509Certificate() as X509Certificate;
  socket.destroy();
  return subject.replace("CN=", "");
}

/** A server whose files are looked at every few milliseconds. */
async function serving() {
  const path = folder();
  const files = { cert: join(path, "cert.pem"), key: join(path, "key.pem") };
  copy(first, files);
  const lines: string[] = [];
  const server = createServer((_, response) => void response.end());
  const kept = keepCertificate(server, files, createLogTo("json", { write: (line) => lines.push(line) }), 5);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    files,
    port,
    kept,
    said: () => lines.map((line) => (JSON.parse(line) as { msg: string }).msg),
    [Symbol.dispose]() {
      kept[Symbol.dispose]();
      server.close();
    },
  };
}

function copy(from: Files, to: Files): void {
  copyFileSync(from.cert, to.cert);
  copyFileSync(from.key, to.key);
}

const REFUSED = "the TLS certificate or its key cannot be used: the one before stays in use";

test.skipIf(without)(
  "a certificate that has changed is used for new connections, however it was put there",
  async () => {
    using server = await serving();
    expect(await shown(server.port)).toBe("first");
    copy(second, server.files);
    await eventually("the second is shown", async () => (await shown(server.port)) === "second");
    expect(server.said()).toEqual([expect.stringMatching(/^the TLS certificate is renewed, and valid until 20/)]);

    // As certbot does it: a link that leads to another file.
    for (const name of ["cert", "key"] as const) {
      symlinkSync(first[name], `${server.files[name]}.new`);
      renameSync(`${server.files[name]}.new`, server.files[name]);
    }
    await eventually("the first is shown", async () => (await shown(server.port)) === "first");
  },
);

test.skipIf(without).each<[string, (files: Files) => void]>([
  ["no certificate", ({ cert }) => writeFileSync(cert, "nonsense")],
  ["empty", ({ cert }) => writeFileSync(cert, "")],
  ["gone", ({ key }) => rmSync(key)],
  ["of another key", ({ cert }) => cpSync(second.cert, cert)],
  [
    "expired",
    (files) => {
      vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 10 * 24 * 3600 * 1000 });
      copy(second, files);
    },
  ],
])("a certificate that cannot be used is refused in one line, and the one before stays: %s", async (_, spoil) => {
  using server = await serving();
  spoil(server.files);
  await eventually("it is refused", () => server.said().length > 0);
  expect(server.said()).toEqual([REFUSED]);
  expect(await shown(server.port)).toBe("first");
  vi.useRealTimers();
  copy(second, server.files);
  await eventually("the second is shown", async () => (await shown(server.port)) === "second");
  expect(server.said()[0]).toBe(REFUSED);
});

test.skipIf(without)(
  "[A-8] sockets with TLS are bounded as others are, and WebSockets among them are left alone",
  async () => {
    const limits = { addressStrangers: 2 };
    await using relay = await createRelay({ port: 0, store: "memory", noLimits: true, limits, tls: first });
    const trusting = { rejectUnauthorized: false };
    const clients = [await RawClient.open(relay.url, trusting), await RawClient.open(relay.url, trusting)];
    const idle = Array.from({ length: 5 }, () => connectTcp({ port: relay.port, host: "127.0.0.1" }));
    await Promise.race(idle.map((socket) => once(socket, "close")));
    for (let count = 0; count < 5; count++) expect(await shown(relay.port)).toBe("first");
    for (const client of clients) expect((await client.ask("heartbeat")).data.status).toBe("ok");
    for (const socket of idle) socket.destroy();
    for (const client of clients) client[Symbol.dispose]();
  },
);

test.skipIf(without)("SIGHUP has a relay read its certificate anew, and ends nothing", async () => {
  const db = folder();
  const files = { cert: join(db, "cert.pem"), key: join(db, "key.pem") };
  copy(first, files);
  const tls = ["--tls-cert", files.cert, "--tls-key", files.key];
  using relay = relayProcess(["--port", "0", "--db", join(db, "data"), ...tls]);
  const url = /wss:.*/.exec((await relay.lines(3)).join("\n"))?.[0] ?? "";
  const port = Number(new URL(url).port);
  using client = await RawClient.open(url, { rejectUnauthorized: false });
  copy(second, files);
  relay.child.kill("SIGHUP");
  await eventually("the second is shown", async () => (await shown(port)) === "second");
  expect((await client.ask("heartbeat")).data.status).toBe("ok");
  using later = await RawClient.open(url, { rejectUnauthorized: false });
  expect((await later.ask("heartbeat")).data.status).toBe("ok");
  relay.child.kill("SIGTERM");
  expect(await relay.exited).toBe(0);
});

test("SIGHUP does not end a relay without TLS", async () => {
  using relay = relayProcess(["--port", "0", "--db", folder()]);
  const url = /ws:.*/.exec((await relay.lines(3)).join("\n"))?.[0] ?? "";
  relay.child.kill("SIGHUP");
  await eventually("it says why", () => relay.output.stderr.includes("there is no certificate to read anew"));
  using client = await RawClient.open(url);
  expect((await client.ask("heartbeat")).data.status).toBe("ok");
  relay.child.kill("SIGTERM");
  expect(await relay.exited).toBe(0);
});
