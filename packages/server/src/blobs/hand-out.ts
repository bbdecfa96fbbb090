import type { IncomingMessage, ServerResponse } from "node:http";
import type { Blob } from "../store/blob-rows.ts";
import type { Blobs } from "./blobs.ts";
import { wholeNumber } from "./receive.ts";
import { answerEmpty, beginFile, refuseBy, retryAfter } from "./respond.ts";

/** Sends a file, or a part of it: `GET`, and `HEAD` without its bytes. [P-14.5] */
export async function handOut(
  blobs: Blobs,
  blob: Blob,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (!blob.sealed) return refuseBy(response, "unknown_blob");
  // What the disk has not kept whole can be fetched by nobody: its uploader hears so from its reader, and sends it again.
  const where = await blobs.whereIs(blob);
  if (where === "away") return refuseBy(response, "storage_lost");
  if (where === "lost") {
    await blobs.remove(blob.id);
    return refuseBy(response, "unknown_blob");
  }
  const range = rangeOf(request.method === "GET" ? request.headers.range : undefined, blob.bytes);
  if (range === undefined) return answerEmpty(response, 416, { "content-range": `bytes */${blob.bytes}` });
  const { start, end, isPart } = range;
  const headers = {
    "content-length": end - start,
    ...(isPart ? { "content-range": `bytes ${start}-${end - 1}/${blob.bytes}` } : {}),
  };
  if (request.method === "HEAD") {
    beginFile(response, 200, headers);
    return void response.end();
  }
  const { wait, unsent } = blobs.send(blob, end - start);
  if (wait > 0) return refuseBy(response, "rate_limited", { headers: retryAfter(wait) });
  let left = end - start;
  const done = blobs.beginReading(blob.id, () => response.destroy());
  try {
    for await (const piece of blobs.store.read(blob.id, start, end)) {
      if (!response.headersSent) beginFile(response, isPart ? 206 : 200, headers);
      if (response.destroyed) break;
      left -= piece.length;
      await sent(response, piece);
      // Others get in between also where everything is taken at once.
      await blobs.carried(piece.length);
    }
  } catch (error) {
    // It may have been removed, by another relay too.
    if ((await blobs.rows.find(blob.id)) !== undefined) throw error;
    if (response.headersSent) response.destroy();
    else refuseBy(response, "unknown_blob");
    return;
  } finally {
    unsent(left);
    done();
  }
  if (left === 0) response.end();
  else response.destroy();
}

/** Resolves when the system has a piece, or nobody reads any more. */
async function sent(response: ServerResponse, piece: Uint8Array): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  response.once("close", resolve);
  response.write(piece, () => resolve());
  await promise;
  response.off("close", resolve);
}

/** The one range of a request (RFC 9110, section 14.1.2), or all; undefined if it cannot be had. Several ranges are answered by all. */
function rangeOf(text: string | undefined, bytes: number): { start: number; end: number; isPart: boolean } | undefined {
  const all = { start: 0, end: bytes, isPart: false };
  const [, first, last] = /^bytes=(\d*)-(\d*)$/.exec(text ?? "") ?? [];
  if (first === undefined || last === undefined || (first === "" && last === "")) return all;
  const [from, to] = [wholeNumber(first), wholeNumber(last)];
  if (first === "")
    return to === 0 ? undefined : { start: Math.max(0, bytes - (to ?? bytes)), end: bytes, isPart: true };
  if (from === undefined || from >= bytes) return undefined;
  if (last !== "" && to !== undefined && to < from) return all;
  return { start: from, end: Math.min((to ?? bytes - 1) + 1, bytes), isPart: true };
}
