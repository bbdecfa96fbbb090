// A client that others have written, at a real relay: tus 1.0.0. [P-14.3]
import { randomBytes } from "node:crypto";
import { type DetailedError, Upload } from "tus-js-client";
import { expect, test } from "vitest";
import { createRelay } from "@aimessage/server";
import { Proxy } from "../lab/shared/proxy.ts";
import { newAgent } from "../packages/server/test/agent.ts";
import { folder } from "../packages/server/test/folder.ts";
import { askRoom, type Blob, fetchBlob, head } from "../packages/server/test/uploader.ts";
import { freePort } from "./processes/processes.ts";

const MIB = 2 ** 20;

/** A relay, what its network is like, and room for a file. */
async function world(bytes: number) {
  const relay = await createRelay({ port: 0, store: "sqlite", db: folder(), noLimits: true });
  const port = await freePort();
  const network = await Proxy.start({ port, to: relay.port });
  using client = await (await newAgent(relay.url, "alice")).connect();
  return {
    url: relay.url,
    blob: await askRoom(client, bytes),
    network,
    at: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      await network[Symbol.asyncDispose]();
      await relay[Symbol.asyncDispose]();
    },
  };
}

interface Course {
  /** Called after each part, with the bytes that the relay has. */
  onPart?: (accepted: number, upload: Upload) => void;
  retryDelays?: number[] | null;
}

/** Resolves when a file is up, or the client gives up. */
async function bringAll(at: string, { blob, token }: Blob, bytes: Buffer, course: Course = {}): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const upload = new Upload(bytes, {
    uploadUrl: `${at}/blobs/${blob}`,
    headers: { authorization: `Bearer ${token}` },
    chunkSize: MIB,
    retryDelays: course.retryDelays ?? null,
    onChunkComplete: (_, accepted) => course.onPart?.(accepted, upload),
    onSuccess: () => resolve(),
    onError: reject,
  });
  upload.start();
  return promise;
}

/** Breaks the connection in the middle of the next part. */
function cutNext(network: Proxy): void {
  network.weather = { kind: "throttle", bytesPerMs: 2_000 };
  setTimeout(() => {
    network.weather = { kind: "fair" };
    network.cut();
  }, 200);
}

test("tus-js-client brings a file in parts, and asks again for what is there when its connection breaks", async () => {
  const bytes = randomBytes(10 * MIB + 321);
  await using w = await world(bytes.length);
  const accepted: number[] = [];
  let breaks = 0;
  await bringAll(w.at, w.blob, bytes, {
    retryDelays: [0, 10, 100],
    onPart: (end) => {
      accepted.push(end);
      if (end < (breaks * 3 + 2) * MIB || breaks === 3) return;
      breaks += 1;
      cutNext(w.network);
    },
  });
  expect(breaks).toBe(3);
  expect(accepted.at(-1)).toBe(bytes.length);
  expect((await fetchBlob(w.url, w.blob)).body.equals(bytes)).toBe(true);
});

test("tus-js-client goes on with what another process of it has begun", async () => {
  const bytes = randomBytes(5 * MIB);
  await using w = await world(bytes.length);
  const stopped = bringAll(w.at, w.blob, bytes, {
    onPart: (end) => {
      if (end === 2 * MIB) cutNext(w.network);
    },
  });
  await expect(stopped).rejects.toThrow(/failed to upload chunk at offset 2097152/);
  const had = Number((await head(w.url, w.blob)).headers["upload-offset"]);
  expect(had).toBeGreaterThanOrEqual(2 * MIB);
  const accepted: number[] = [];
  await bringAll(w.at, w.blob, bytes, { onPart: (end) => accepted.push(end) });
  expect(accepted[0]).toBeGreaterThan(had);
  expect((await fetchBlob(w.url, w.blob)).body.equals(bytes)).toBe(true);
});

test("tus-js-client ends what it has begun, and hears that it is gone", async () => {
  const bytes = randomBytes(3 * MIB);
  await using w = await world(bytes.length);
  const ended = Promise.withResolvers<void>();
  const never = bringAll(w.at, w.blob, bytes, {
    onPart: (_, upload) => void upload.abort(true).then(ended.resolve, ended.reject),
  });
  never.catch(ended.reject);
  await ended.promise;
  expect((await head(w.url, w.blob)).status).toBe(404);
  expect(await bringAll(w.at, w.blob, bytes).catch(statusOf)).toBe(404);
});

function statusOf(error: DetailedError): number | undefined {
  return error.originalResponse?.getStatus();
}
