// [P-14.1], [P-14.4] of docs/protocol.md: room for files on a disk that mail needs, too.

import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, readdirSync, readlinkSync, renameSync, rmSync } from "node:fs";
import { type IncomingMessage, request } from "node:http";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { MemoryBlobs } from "../src/blobs/memory-blobs.ts";
import { createRelay } from "../src/index.ts";
import { newAgent } from "./agent.ts";
import { folder } from "./folder.ts";
import { askRoom, bring, fetchBlob, head, uploaded } from "./uploader.ts";

const MIB = 2 ** 20;

/** Files on a disk of which so much is free. */
class Disk extends MemoryBlobs {
  bytes = 0;

  override async free(): Promise<number> {
    return this.bytes;
  }
}

const hash = Buffer.alloc(32, 7).toString("base64");

test("[A-18] [P-14.1] one account leaves room on a small disk to others, and all of them leave some to mail", async () => {
  await using disk = new Disk();
  disk.bytes = 720 * MIB;
  await using relay = await createRelay({ port: 0, store: "memory", blobStore: disk });
  using alice = await (await newAgent(relay.url, "alice")).connect();
  using bob = await (await newAgent(relay.url, "bob")).connect();
  const ask = async (client: typeof alice, bytes: number) =>
    (await client.ask("blob", { request_id: randomBytes(8).toString("hex"), bytes, readers: 1, read_hash: hash })).data;
  expect((await ask(alice, 401 * MIB)).reason).toBe("storage_full");
  expect((await ask(alice, 101 * MIB)).reason).toBe("blob_quota");
  expect((await ask(alice, 100 * MIB)).status).toBe("blob");
  expect((await ask(alice, MIB)).reason).toBe("blob_quota");
  expect((await ask(bob, 70 * MIB)).status).toBe("blob");
});

test("[A-18] [P-14.4] what was asked for does not come while the rest of the disk is mail's", async () => {
  await using disk = new Disk();
  disk.bytes = 720 * MIB;
  await using relay = await createRelay({ port: 0, store: "memory", blobStore: disk });
  using alice = await (await newAgent(relay.url, "alice")).connect();
  const blob = await askRoom(alice, 1000);
  disk.bytes = 70 * MIB;
  const { status, body } = await bring(relay.url, blob, 0, randomBytes(1000));
  expect([status, (JSON.parse(body.toString()) as { reason: string }).reason]).toEqual([507, "storage_full"]);
  disk.bytes = 720 * MIB;
  expect((await bring(relay.url, blob, 0, randomBytes(1000))).status).toBe(204);
});

test.each(["gone", "empty"])(
  "files whose folder is %s for a while, as one that is not mounted, are not given up",
  async (how) => {
    const db = folder();
    await using relay = await createRelay({ port: 0, store: "sqlite", db });
    using alice = await (await newAgent(relay.url, "alice")).connect();
    const blob = await uploaded(relay.url, alice, randomBytes(1000));
    const [here, elsewhere] = [join(db, "blobs"), join(db, "elsewhere")];
    // One file that is lost, while its folder is there, is known to be.
    const lost = await uploaded(relay.url, alice, randomBytes(1000));
    rmSync(join(here, lost.blob.slice(0, 2), lost.blob));
    expect((await fetchBlob(relay.url, lost)).status).toBe(404);
    renameSync(here, elsewhere);
    if (how === "empty") mkdirSync(here);
    expect((await fetchBlob(relay.url, blob)).status).toBe(507);
    rmSync(here, { recursive: true, force: true });
    renameSync(elsewhere, here);
    expect((await fetchBlob(relay.url, blob)).status).toBe(200);
  },
);

test("[A-18] whoever reads a file that is removed is cut off, so that none of its bytes stay", async () => {
  const db = folder();
  await using relay = await createRelay({ port: 0, store: "sqlite", db });
  using alice = await (await newAgent(relay.url, "alice")).connect();
  const blob = await uploaded(relay.url, alice, randomBytes(16 * MIB));
  const { port } = new URL(relay.url);
  const headers = { authorization: `Bearer ${blob.readToken}` };
  const asked = request({ host: "127.0.0.1", port, path: `/blobs/${blob.blob}`, headers }).end();
  const [answer] = (await once(asked, "response")) as [IncomingMessage];
  // Nobody reads it on.
  answer.on("error", () => {});
  const closed = new Promise((resolve) => answer.once("close", resolve));
  expect((await alice.ask("blob_delete", { blob: blob.blob })).type).toBe("ack");
  answer.resume();
  await closed;
  expect(answer.complete).toBe(false);
  if (process.platform !== "linux") return;
  const open = readdirSync("/proc/self/fd").map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return "";
    }
  });
  expect(open.filter((path) => path.includes(blob.blob))).toEqual([]);
});

test("[P-14.8] a part is not acknowledged whose folder has gone since it began", async () => {
  const db = folder();
  await using relay = await createRelay({ port: 0, store: "sqlite", db });
  using alice = await (await newAgent(relay.url, "alice")).connect();
  await uploaded(relay.url, alice, randomBytes(1000));
  const content = randomBytes(3000);
  const blob = await askRoom(alice, content.length);
  const { port } = new URL(relay.url);
  const sent = request({
    host: "127.0.0.1",
    port,
    method: "PATCH",
    path: `/blobs/${blob.blob}`,
    headers: {
      authorization: `Bearer ${blob.token}`,
      "tus-resumable": "1.0.0",
      "content-type": "application/offset+octet-stream",
      "upload-offset": 0,
      "content-length": content.length,
    },
  });
  const answered = once(sent, "response") as Promise<[IncomingMessage]>;
  sent.write(content.subarray(0, 1000));
  await delay(50);
  const [here, elsewhere] = [join(db, "blobs"), join(db, "elsewhere")];
  renameSync(here, elsewhere);
  mkdirSync(here);
  sent.end(content.subarray(1000));
  expect((await answered)[0].statusCode).not.toBe(204);
  rmSync(here, { recursive: true });
  renameSync(elsewhere, here);
  for (
    let at = Number((await head(relay.url, blob)).headers["upload-offset"]);
    at < content.length;
    at = content.length
  )
    expect((await bring(relay.url, blob, at, content.subarray(at))).status).toBe(204);
  expect((await fetchBlob(relay.url, blob)).body.equals(content)).toBe(true);
});

test("[P-14.8] a file that is not seen for a moment is not given up", async () => {
  let isGone = 0;
  class Flapping extends MemoryBlobs {
    override async size(id: string): Promise<number> {
      return isGone-- > 0 ? 0 : super.size(id);
    }
  }
  await using relay = await createRelay({ port: 0, store: "memory", blobStore: new Flapping() });
  using alice = await (await newAgent(relay.url, "alice")).connect();
  const content = randomBytes(1000);
  const blob = await uploaded(relay.url, alice, content);
  isGone = 1;
  expect((await fetchBlob(relay.url, blob)).body.equals(content)).toBe(true);
});
