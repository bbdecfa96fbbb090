import type { IncomingMessage, ServerResponse } from "node:http";
import { setImmediate as nextTurn } from "node:timers/promises";
import { StorageError } from "../store/store.ts";
import type { Blob } from "../store/blob-rows.ts";
import type { Blobs } from "./blobs.ts";
import { answerEmpty, refuseBy } from "./respond.ts";

/** Written at once, and gathered meanwhile. Bytes. */
const PART_BYTES = 2 ** 20;
/** So much of a part is taken in before others get in between. Bytes. */
const AT_ONCE = 2 ** 18;
/** What is read of a part that is not taken: as much as clients send at once. Bytes. */
const MOST_DISCARDED = 2 ** 24;
/** SQLite and the system say so where there is no room. */
const FULL = new Set(["ENOSPC", "EDQUOT", "EFBIG"]);

/** Takes in a part of a file: `PATCH`, as tus 1.0.0 has it. [P-14.4] */
export async function receivePart(
  blobs: Blobs,
  blob: Blob,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const length = wholeNumber(request.headers["content-length"]);
  const offset = wholeNumber(String(request.headers["upload-offset"]));
  const isPart = request.headers["content-type"] === "application/offset+octet-stream";
  if (!isPart || offset === undefined || length === undefined)
    return refuseBy(response, "invalid_data", { status: isPart ? 400 : 415, close: true });
  const done = await blobs.begin(blob, () => request.destroy());
  try {
    await takeIn(blobs, { id: blob.id, offset, length }, request, response);
  } finally {
    done();
  }
}

interface Place {
  id: string;
  offset: number;
  /** Of the part. */
  length: number;
}

async function takeIn(
  blobs: Blobs,
  { id, offset, length }: Place,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const known = await blobs.rows.find(id);
  if (known === undefined) return refuseBy(response, "unknown_blob", { close: true });
  const come = await blobs.come(known);
  if (offset !== come) return refuseBy(response, "blob_offset", { headers: { "upload-offset": come }, close: true });
  if (known.sealed) return answerEmpty(response, 204, { "upload-offset": come });
  if (length > known.bytes - come) return refuseBy(response, "blob_too_large", { close: true });
  if (!(await blobs.hasRoom(length))) {
    // Whoever still sends would lose the answer with the connection.
    await discard(request);
    return refuseBy(response, "storage_full", { close: true });
  }
  let reached = come;
  try {
    await write(blobs, { id: known.id, at: come, request }, (end) => (reached = end));
  } catch (error) {
    // What had come before a connection was lost is there.
    await blobs.rows.advance(known.id, known.come, reached);
    if (request.destroyed && !request.complete) return void response.destroy();
    await discard(request);
    return refuseBy(response, isFull(error) ? "storage_full" : "internal", { close: true });
  }
  if (!(await blobs.rows.advance(known.id, known.come, reached)))
    return refuseBy(response, "blob_offset", { close: true });
  if (reached === known.bytes && !(await blobs.seal(known))) return refuseBy(response, "internal", { close: true });
  return answerEmpty(response, 204, { "upload-offset": reached });
}

interface Part {
  id: string;
  at: number;
  request: IncomingMessage;
}

/** Writes a part while more of it comes, and tells up to where. */
async function write(blobs: Blobs, { id, at, request }: Part, onWritten: (end: number) => void): Promise<void> {
  let next = at;
  let gathered: Buffer[] = [];
  let bytes = 0;
  let since = 0;
  let writing = Promise.resolve();
  const flush = (): void => {
    const [start, end, pieces] = [next, next + bytes, gathered];
    [next, gathered, bytes] = [end, [], 0];
    // Behind the one before: what cannot be written leaves no hole.
    writing = writing.then(() => blobs.store.putPart(id, start, pieces)).then(() => onWritten(end));
    writing.catch(() => undefined);
  };
  try {
    for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      gathered.push(chunk);
      bytes += chunk.length;
      since += chunk.length;
      blobs.carried(chunk.length);
      if (since >= AT_ONCE) {
        since = 0;
        await nextTurn();
      }
      if (bytes < PART_BYTES) continue;
      const before = writing;
      flush();
      await before;
    }
  } finally {
    // Also of a request that was cut off.
    if (bytes > 0) flush();
    await writing;
  }
}

/** Reads the rest of a part that is not taken, if it is not too much. */
async function discard(request: IncomingMessage): Promise<void> {
  let left = MOST_DISCARDED;
  try {
    for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>)
      if ((left -= chunk.length) < 0) return;
  } catch {
    // It is lost: nobody waits for an answer.
  }
}

function isFull(error: unknown): boolean {
  if (error instanceof StorageError) return error.reason !== "internal";
  return FULL.has((error as NodeJS.ErrnoException).code ?? "");
}

/** A number of digits alone, as HTTP has them; undefined if it is none. */
export function wholeNumber(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}
