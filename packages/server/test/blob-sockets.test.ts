// [P-14.3], [P-14.6] of docs/protocol.md: sockets that ask for files.

import { spawnSync } from "node:child_process";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { expect, test, vi } from "vitest";
import { eventually } from "../../../test/waiting.ts";
import { createRelay } from "../src/index.ts";
import { newAgent } from "./agent.ts";
import { folder } from "./folder.ts";
import { askRoom } from "./uploader.ts";

/** A socket, and what was said to it. */
class Raw {
  readonly socket: Socket;
  said = "";

  constructor(port: number, isTls = false) {
    const host = "127.0.0.1";
    this.socket = isTls ? connectTls({ port, host, rejectUnauthorized: false }) : connect(port, host);
    this.socket.on("error", () => {});
    this.socket.on("data", (data: Buffer) => (this.said += data.toString("latin1")));
  }

  get statuses(): string[] {
    return [...this.said.matchAll(/^HTTP\/1\.1 (\d+)/gm)].map(([, status]) => status ?? "");
  }

  get isClosed(): boolean {
    return this.socket.closed;
  }
}

/** A request for a file, without its last line break. */
const OPTIONS = "OPTIONS /blobs/x HTTP/1.1\r\nHost: x\r\n";

/** A certificate for this machine; undefined if there is no openssl to make it. */
function certificate(): { cert: string; key: string } | undefined {
  const shelf = folder();
  const files = { cert: join(shelf, "cert.pem"), key: join(shelf, "key.pem") };
  const how = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost".split(
    " ",
  );
  const args = [...how, "-keyout", files.key, "-out", files.cert];
  return spawnSync("openssl", args, { stdio: "ignore" }).status === 0 ? files : undefined;
}

test.each([
  ["without TLS", false],
  ["with TLS", true],
])(
  "[A-8] [P-14.6] sockets that have brought a part count with the others again when it was answered: %s",
  { tags: ["long"] },
  async (_, isTls) => {
    const tls = isTls ? certificate() : undefined;
    if (isTls && tls === undefined) return;
    vi.stubEnv("NODE_TLS_REJECT_UNAUTHORIZED", "0");
    const limits = { addressStrangers: 3 };
    await using relay = await createRelay({ port: 0, store: "memory", noLimits: true, limits, tls });
    const client = await (await newAgent(relay.url, "alice")).connect();
    const { blob, token } = await askRoom(client, 10);
    client[Symbol.dispose]();
    const all: Raw[] = [];
    for (let count = 0; count < 8; count++) {
      const raw = new Raw(relay.port, isTls);
      all.push(raw);
      const part =
        `PATCH /blobs/${blob} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nTus-Resumable: 1.0.0\r\n` +
        "Content-Type: application/offset+octet-stream\r\nUpload-Offset: 0\r\nContent-Length: 0\r\n\r\n";
      for (const answers of [1, 2]) {
        raw.socket.write(part);
        await eventually("it is answered", () => raw.statuses.length === answers);
      }
      // The head of another one comes, and never whole.
      raw.socket.write("OPTIONS /blobs/x HTTP/1.1\r\nX: x");
    }
    const drip = setInterval(() => all.forEach(({ socket }) => socket.write("x")), 200);
    await new Promise((resolve) => setTimeout(resolve, 3000));
    clearInterval(drip);
    expect(all.filter(({ isClosed }) => !isClosed).length).toBe(3);
    for (const { socket } of all) socket.destroy();
    vi.unstubAllEnvs();
  },
);

test.each([
  ["a body where none belongs", `${OPTIONS}Content-Length: 61\r\n\r\n`, "400"],
  ["chunks where none belong", `${OPTIONS}Transfer-Encoding: chunked\r\n\r\n`, "400"],
  ["an expectation that is none of HTTP", `${OPTIONS}Expect: cake\r\n\r\n`, "417"],
])("[A-8] [P-14.3] behind a request with %s nothing is read", async (_, head, status) => {
  await using relay = await createRelay({ port: 0, store: "memory" });
  const raw = new Raw(relay.port);
  raw.socket.write(head);
  await eventually("it is answered", () => raw.statuses.length === 1);
  // What would be the head of a request with a long body, if the one before had none.
  raw.socket.write("PATCH /blobs/x HTTP/1.1\r\nContent-Length: 99999999999999\r\n\r\n");
  raw.socket.write(`${OPTIONS}\r\n`.repeat(50));
  await eventually("it is closed", () => raw.isClosed);
  expect(raw.statuses).toEqual([status]);
});

test("[A-8] [P-14.3] a head that is longer than is looked at is followed by nothing", async () => {
  await using relay = await createRelay({ port: 0, store: "memory" });
  const raw = new Raw(relay.port);
  raw.socket.write(`${OPTIONS}X:${" ".repeat(20_000)}y\r\n\r\n`);
  raw.socket.write(`${OPTIONS}\r\n`.repeat(50));
  await eventually("it is closed", () => raw.isClosed);
  expect(raw.statuses.length).toBeLessThan(2);
});

test("[P-10.4] [P-14.3] requests for files without a token count for their address, OPTIONS too", async () => {
  const limits = { addressConnectionsPerSecond: 0.01, addressConnectionsBurst: 3 };
  await using relay = await createRelay({ port: 0, store: "memory", noLimits: true, limits });
  const raw = new Raw(relay.port);
  for (let count = 1; count <= 4; count++) {
    raw.socket.write(`${OPTIONS}\r\n`);
    await eventually("it is answered", () => raw.statuses.length === count);
  }
  await eventually("it is closed", () => raw.isClosed);
  expect(raw.statuses).toEqual(["204", "204", "204", "429"]);
});
