// A relay behind Debian's nginx, by what README says of it.
import { spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { createRelay } from "@aimessage/server";
import { Agent } from "../packages/server/test/agent.ts";
import { folder } from "../packages/server/test/folder.ts";
import { RawClient } from "../packages/server/test/raw-client.ts";
import { askRoom, bring, drop, fetchBlob, head } from "../packages/server/test/uploader.ts";
import { freePort } from "./processes/processes.ts";
import { eventually } from "./waiting.ts";

const MIB = 2 ** 20;
const NGINX = ["nginx", "/usr/sbin/nginx"].find((name) => spawnSync(name, ["-v"]).status === 0);
const readme = readFileSync(fileURLToPath(new URL("../README.md", import.meta.url)), "utf8");
if (NGINX === undefined) console.log("There is no nginx: what a relay does behind it is not tested");

/** What README has an operator write. */
function locations(port: number): string {
  const [, text = ""] = /^```nginx\n([^]*?)^```/m.exec(readme) ?? [];
  return text.replaceAll("127.0.0.1:8080", `127.0.0.1:${port}`);
}

/** nginx before a relay, with a folder of its own. @param change What is different from what README says. */
async function behindNginx(change: (locations: string) => string = (text) => text) {
  await using parts = new AsyncDisposableStack();
  const port = await freePort();
  const publicUrls = [`http://127.0.0.1:${port}`];
  const relay = parts.use(await createRelay({ port: 0, store: "memory", trustProxy: true, publicUrls }));
  const place = folder();
  mkdirSync(join(place, "temp"));
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (name) => `${name}_temp_path temp/${name};`,
  );
  writeFileSync(
    join(place, "nginx.conf"),
    `daemon off; master_process off; pid nginx.pid; error_log errors.log;
    events { worker_connections 256; }
    http { access_log off; ${temporary.join(" ")}
    server { listen 127.0.0.1:${port}; ${change(locations(relay.port))} } }`,
  );
  const nginx = spawn(NGINX ?? "", ["-p", place, "-e", "errors.log", "-c", "nginx.conf"], { stdio: "ignore" });
  parts.defer(async () => {
    const ended = once(nginx, "exit");
    if (nginx.exitCode === null && nginx.kill("SIGKILL")) await ended;
  });
  await eventually("nginx listens", () => isOpen(port));
  const url = `ws://127.0.0.1:${port}/ws`;
  const agent = new Agent(url, "alice");
  using stranger = await RawClient.open(url);
  expect((await stranger.ask("register", agent.registration())).type).toBe("registered");
  const client = parts.use(await agent.connect());
  const all = parts.move();
  return { url, client, [Symbol.asyncDispose]: () => all.disposeAsync() };
}

function isOpen(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  return new Promise((resolve) => {
    socket.on("connect", () => resolve(true));
    socket.on("error", () => resolve(false));
  }).finally(() => socket.destroy()) as Promise<boolean>;
}

test.skipIf(NGINX === undefined)(
  "nginx that takes bodies of 1 MiB answers 413 to a part of 8, lets parts of 1 pass, and fetches of ranges and WebSockets",
  async () => {
    const bytes = randomBytes(9 * MIB);
    await using w = await behindNginx((text) => text.replace("client_max_body_size 8m", "client_max_body_size 1m"));
    const blob = await askRoom(w.client, bytes.length);
    expect((await bring(w.url, blob, 0, bytes.subarray(0, 8 * MIB))).status).toBe(413);
    expect((await head(w.url, blob)).headers).toMatchObject({ "upload-offset": "0", "tus-resumable": "1.0.0" });
    for (let at = 0; at < bytes.length; at += MIB) {
      const { status, headers } = await bring(w.url, blob, at, bytes.subarray(at, at + MIB));
      expect([status, headers["upload-offset"]]).toEqual([204, `${at + MIB}`]);
    }
    expect((await fetchBlob(w.url, blob)).body.equals(bytes)).toBe(true);
    const part = await fetchBlob(w.url, blob, "bytes=1000000-5999999");
    expect([part.status, part.headers["content-range"]]).toEqual([206, `bytes 1000000-5999999/${bytes.length}`]);
    expect(part.body.equals(bytes.subarray(1_000_000, 6_000_000))).toBe(true);
    expect((await drop(w.url, blob)).status).toBe(204);
    expect((await fetchBlob(w.url, blob)).status).toBe(404);
  },
);

test.skipIf(NGINX === undefined)(
  "with what README says whole parts pass, and what came before a break is kept",
  async () => {
    const bytes = randomBytes(16 * MIB);
    await using w = await behindNginx();
    const blob = await askRoom(w.client, bytes.length);
    const { token } = blob;
    const socket = connect(Number(new URL(w.url).port), "127.0.0.1");
    const lines = [
      `PATCH /blobs/${blob.blob} HTTP/1.1`,
      "Host: localhost",
      `Authorization: Bearer ${token}`,
      "Tus-Resumable: 1.0.0",
      "Content-Type: application/offset+octet-stream",
      "Upload-Offset: 0",
      `Content-Length: ${8 * MIB}`,
      "\r\n",
    ];
    socket.write(lines.join("\r\n"));
    socket.write(bytes.subarray(0, 3 * MIB), () => socket.destroy());
    const had = async (): Promise<number> => Number((await head(w.url, blob)).headers["upload-offset"]);
    await eventually("what has come is kept", async () => (await had()) > 0);
    for (let at = await had(); at < bytes.length; at = await had()) {
      const { status } = await bring(w.url, blob, at, bytes.subarray(at, at + 8 * MIB));
      // More of what came before the break may have come meanwhile.
      expect([204, 409]).toContain(status);
    }
    expect((await fetchBlob(w.url, blob)).body.equals(bytes)).toBe(true);
  },
);
