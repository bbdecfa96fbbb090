// Files of a relay that is killed again and again while they come.
import { createHash, randomBytes, randomInt } from "node:crypto";
import { utimesSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { random } from "../../../test/processes/processes.ts";
import { eventually } from "../../../test/waiting.ts";
import { blobsIn } from "../src/admin/blob-files.ts";
import { check } from "../src/admin/check.ts";
import { blobPath } from "../src/store/blob-layout.ts";
import { newAgent } from "./agent.ts";
import { folder } from "./folder.ts";
import type { RawClient } from "./raw-client.ts";
import { runningRelay } from "./relay-process.ts";
import { askRoom, type Blob, bring, drop, fetchBlob, head } from "./uploader.ts";

const MIB = 2 ** 20;
const CYCLES = 20;
const AT_A_TIME = 3;
const seed = Number(process.env["SEED"] ?? randomInt(2 ** 31));
const next = random(seed);

/** A file, as its uploader knows it over all crashes. */
interface Upload {
  requestId: string;
  readToken: Buffer;
  content: Buffer;
  blob: Blob | undefined;
}

function newUpload(): Upload {
  const content = randomBytes(1 + Math.floor(next() * 6 * MIB));
  return { requestId: randomBytes(8).toString("hex"), readToken: randomBytes(32), content, blob: undefined };
}

/** Asks for room again, since the answer of before may be lost: the same request is the same file. */
async function room(client: RawClient, upload: Upload): Promise<Blob> {
  const read_hash = createHash("sha256").update(upload.readToken).digest("base64");
  const asked = await askRoom(client, upload.content.length, { request_id: upload.requestId, read_hash });
  expect([undefined, asked.blob]).toContain(upload.blob?.blob);
  return (upload.blob = { ...asked, readToken: upload.readToken.toString("base64") });
}

async function offsetOf(url: string, blob: Blob): Promise<number> {
  const { status, headers } = await head(url, blob);
  expect(status).toBe(200);
  return Number(headers["upload-offset"]);
}

/** Brings what is missing of a file, and fetches it. @returns how much of it had come before */
async function finish(url: string, client: RawClient, upload: Upload): Promise<number> {
  const { content } = upload;
  const blob = await room(client, upload);
  const before = await offsetOf(url, blob);
  for (let at = before; at < content.length; at = await offsetOf(url, blob)) {
    const { status } = await bring(url, blob, at, content.subarray(at, at + 1 + Math.floor(next() * MIB)));
    expect(status).toBe(204);
  }
  expect((await fetchBlob(url, blob)).body.equals(content)).toBe(true);
  return before;
}

test(
  `files that come while their relay is killed ${CYCLES} times are whole in the end, and nothing else is there; SEED=${seed}`,
  { tags: ["long"] },
  async () => {
    const db = folder();
    const coming = Array.from({ length: AT_A_TIME }, newUpload);
    const [kept, removed]: [Upload[], Upload[]] = [[], []];
    let resumed = 0;
    const alice = await (async () => {
      using relay = await runningRelay(db);
      return await newAgent(relay.url, "alice");
    })();

    /** Brings one file after another, until the relay is gone. */
    async function work(url: string, client: RawClient, place: number): Promise<never> {
      for (;;) {
        const upload = coming[place] as Upload;
        if ((await finish(url, client, upload)) > 0) resumed += 1;
        coming[place] = newUpload();
        if (next() < 0.5) {
          kept.push(upload);
          continue;
        }
        removed.push(upload);
        await drop(url, upload.blob as Blob);
      }
    }

    async function connect(url: string): Promise<RawClient> {
      Object.assign(alice, { url, relay: new URL(url).host });
      return alice.connect();
    }

    for (let cycle = 0; cycle < CYCLES; cycle++) {
      using relay = await runningRelay(db);
      using client = await connect(relay.url);
      let isKilled = false;
      const ends = coming.map((_, place) =>
        work(relay.url, client, place).catch((error: unknown) => {
          // Only its end is no fault of the relay.
          if (!isKilled || (error as Error).name === "AssertionError") throw error;
        }),
      );
      const ended = Promise.all(ends);
      await Promise.race([delay(10 + next() * 400), ended]);
      isKilled = true;
      await relay.end("SIGKILL");
      await ended;
    }
    expect(resumed).toBeGreaterThan(0);

    // What was removed when the relay died may be there for an hour.
    const blobs = join(db, "blobs");
    const then = new Date(Date.now() - 2 * 3_600_000);
    for (const id of blobsIn(blobs)) utimesSync(blobPath(blobs, id), then, then);
    using relay = await runningRelay(db);
    using client = await connect(relay.url);
    for (const upload of coming) await finish(relay.url, client, upload);
    // Some were asked for when the relay was gone.
    for (const { blob } of removed) expect([204, 404]).toContain((await drop(relay.url, blob as Blob)).status);
    for (const { blob, content } of kept)
      expect((await fetchBlob(relay.url, blob as Blob)).body.equals(content)).toBe(true);
    const wanted = new Set([...coming, ...kept].map(({ blob }) => blob?.blob));
    await eventually("nothing is there but these", () => [...blobsIn(blobs)].every((id) => wanted.has(id)));
    expect(check(db, 0).problems).toEqual([]);
    for (const { blob } of [...coming, ...kept]) await drop(relay.url, blob as Blob);
    expect([...blobsIn(blobs)]).toEqual([]);
    await relay.end("SIGTERM");
    expect(check(db, 0).problems).toEqual([]);
  },
);
