// [P-3.6] of docs/protocol.md: files of an account that its operator disables or removes.

import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect } from "node:net";
import { expect, test } from "vitest";
import { newAgent } from "./agent.ts";
import { commandHere as command } from "./console.ts";
import { folder } from "./folder.ts";
import { runningRelay } from "./relay-process.ts";
import { askRoom, bring, drop, fetchBlob, head, uploaded } from "./uploader.ts";

test("[P-3.6] files of an account that is disabled come no further, and those that are whole are fetched still", async () => {
  const db = folder();
  using relay = await runningRelay(db);
  const { url } = relay;
  const [alice, bob] = [await newAgent(url, "Alice"), await newAgent(url, "bob")];
  using a = await alice.connect();
  using b = await bob.connect();
  const whole = await uploaded(url, a, randomBytes(1000));
  const [part, coming] = [await askRoom(a, 1000), await askRoom(a, 1000)];
  const others = await askRoom(b, 1000);
  expect((await bring(url, part, 0, randomBytes(400))).status).toBe(204);
  const socket = connect(Number(new URL(url).port), "127.0.0.1");
  socket.on("error", () => {});
  const closed = once(socket, "close");
  socket.write(
    `PATCH /blobs/${coming.blob} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${coming.token}\r\nTus-Resumable: 1.0.0\r\n` +
      "Content-Type: application/offset+octet-stream\r\nUpload-Offset: 0\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n\r\nsome",
  );
  // That the relay takes it.
  await once(socket, "data");

  expect((await command("user", "disable", "ALICE", "--db", db)).code).toBe(0);
  await closed;
  for (const answer of [await bring(url, part, 400, randomBytes(600)), await head(url, part)])
    expect(answer.status).toBe(403);
  expect((await fetchBlob(url, whole)).status).toBe(200);
  expect((await bring(url, others, 0, randomBytes(1000))).status).toBe(204);
  expect((await drop(url, coming)).status).toBe(204);

  expect((await command("user", "enable", "alice", "--db", db)).code).toBe(0);
  expect((await head(url, part)).headers["upload-offset"]).toBe("400");
  expect((await command("user", "remove", "alice", "--db", db)).code).toBe(0);
  expect((await bring(url, part, 400, randomBytes(600))).status).toBe(404);
  expect((await fetchBlob(url, whole)).status).toBe(200);
});
