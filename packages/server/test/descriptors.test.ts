// Files that the relay may open: sockets, blobs, and what administrators ask for.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { expect, test } from "vitest";
import { builtRelay } from "../../../test/built.ts";
import { shareOut } from "../src/socket/descriptors.ts";
import { newAgent } from "./agent.ts";
import { folder } from "./folder.ts";
import { command } from "./relay-process.ts";
import { askRoom } from "./uploader.ts";

test("sockets and files of blobs together leave what is kept", () => {
  for (const left of [20, 100, 1000, 100_000]) {
    const { sockets, transfers, keptOpen } = shareOut(left, { transfers: 256 });
    expect(sockets + transfers + keptOpen).toBe(left);
    expect(Math.min(transfers, keptOpen)).toBeGreaterThan(0);
  }
  expect(shareOut(100_000, { transfers: 256 })).toMatchObject({ transfers: 256, keptOpen: 64 });
});

test.skipIf(process.platform !== "linux")(
  "[A-8] a relay that may open few files does what an administrator asks for, however many files are brought",
  async () => {
    const db = folder();
    const args = [
      "-c",
      'ulimit -n 96; exec "$0" "$@"',
      process.execPath,
      builtRelay(),
      "--port",
      "0",
      "--db",
      db,
      "--no-limits",
    ];
    const child = spawn("bash", args, {
      env: { PATH: process.env["PATH"], NODE_COMPILE_CACHE: process.env["NODE_COMPILE_CACHE"] },
      stdio: ["ignore", "pipe", "ignore"],
    });
    using stack = new DisposableStack();
    stack.defer(() => child.kill("SIGKILL"));
    let printed = "";
    child.stdout.on("data", (data: Buffer) => (printed += data.toString()));
    while (!printed.includes("health")) await once(child.stdout, "data");
    const url = /ws:.*/.exec(printed)?.[0] ?? "";
    const client = await (await newAgent(url, "alice")).connect();
    const blobs = [];
    for (let count = 0; count < 60; count++) blobs.push(await askRoom(client, 2_000_000));
    client[Symbol.dispose]();
    for (const { blob, token } of blobs) {
      const socket = connect(Number(new URL(url).port), "127.0.0.1");
      stack.defer(() => socket.destroy());
      socket.on("error", () => {});
      socket.write(
        `PATCH /blobs/${blob} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nTus-Resumable: 1.0.0\r\n` +
          "Content-Type: application/offset+octet-stream\r\nUpload-Offset: 0\r\nContent-Length: 2000000\r\n\r\n",
      );
      socket.write(Buffer.alloc(1_500_000));
    }
    await new Promise((resolve) => setTimeout(resolve, 1500));
    expect(await command("user", "disable", "alice", "--db", db)).toMatchObject({
      code: 0,
      stdout: "alice is disabled\n",
    });
  },
);
