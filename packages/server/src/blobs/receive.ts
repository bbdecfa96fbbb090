import type { IncomingMessage, ServerResponse } from "node:http";
import { free } from "@aimessage/sdk/program";
import { StorageError } from "../store/store.ts";
import type { Blob } from "../store/blob-rows.ts";
import type { Blobs, Coming } from "./blobs.ts";
import { answerEmpty, refuseBy } from "./respond.ts";

/** Written at once, and gathered meanwhile. Bytes. */
const PART_BYTES = 2 ** 20;
/** So much of a part is taken in before others get in between. Bytes. */
const AT_ONCE = 2 ** 18;
/** What is read of a part that is not taken: as much as clients send at once. Bytes. */
const MOST_DISCARDED = 2 ** 24;
/** How often the row of a file hears how far a part of it has come. Milliseconds. */
const NOTED_MS = 60_000;
/** How often it is asked whether a file is brought to another relay meanwhile. Milliseconds. */
const ASKED_MS = 1_000;
/** Node says so of a request that was not read to its end. */
const LEFT = new Set(["ERR_STREAM_PREMATURE_CLOSE", "ECONNRESET"]);
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
    await takeIn(blobs, { id: blob.id, tokenHash: blob.tokenHash, offset, length }, request, response);
  } finally {
    done();
  }
}

interface Place {
  id: string;
  /** Of the token by which it is brought. */
  tokenHash: Uint8Array;
  offset: number;
  /** Of the part. */
  length: number;
}

async function takeIn(
  blobs: Blobs,
  { id, tokenHash, offset, length }: Place,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const known = await blobs.rows.find(id);
  if (!isBy(known, tokenHash)) return refuseBy(response, "unknown_blob", { close: true });
  const come = await blobs.come(known);
  if (offset !== come) return refuseOffset(response, come);
  if (length > known.bytes - come) return refuseBy(response, "blob_too_large", { close: true });
  if (known.sealed) return answerEmpty(response, 204, { "upload-offset": come });
  using room = await blobs.letCome(length);
  if (room === undefined) {
    // Whoever still sends would lose the answer with the connection.
    await discard(request);
    return refuseBy(response, "storage_full", { close: true });
  }
  const reach = new Reach(blobs, { known, from: come, room });
  try {
    await write(blobs, { id, at: come, request }, (end) => reach.written(end));
  } catch (error) {
    // What had come before a connection was lost is there.
    await reach.note();
    if (isLeft(error) || (request.destroyed && !request.complete)) return void response.destroy();
    // What another relay has removed cannot be written to.
    const isTaken = error instanceof Taken || !isBy(await blobs.rows.find(id), tokenHash);
    if (!isTaken) blobs.failed(error, "a part of a file could not be taken in");
    await discard(request);
    if (isTaken) return refuseTaken(response, blobs, known);
    return refuseBy(response, isFull(error) ? "storage_full" : "internal", { close: true });
  }
  if (!(await reach.note())) return refuseTaken(response, blobs, known);
  if (reach.end === known.bytes && !(await blobs.seal(known))) return refuseBy(response, "internal", { close: true });
  return answerEmpty(response, 204, { "upload-offset": reach.end });
}

function refuseOffset(response: ServerResponse, offset: number): void {
  refuseBy(response, "blob_offset", { headers: { "upload-offset": offset }, close: true });
}

/** Answers who brings a part of a file that somebody else has removed, or brings. */
async function refuseTaken(response: ServerResponse, blobs: Blobs, { id, tokenHash }: Blob): Promise<void> {
  const now = await blobs.rows.find(id);
  // What was written here since another relay has removed it is nobody's.
  if (now === undefined) await blobs.store.remove(id);
  if (!isBy(now, tokenHash)) return refuseBy(response, "unknown_blob", { close: true });
  return refuseOffset(response, await blobs.come(now));
}

/** Whether a file is there still, and its token the same one. */
function isBy(blob: Blob | undefined, tokenHash: Uint8Array): blob is Blob {
  return blob !== undefined && Buffer.compare(blob.tokenHash, tokenHash) === 0;
}

/** A file was removed, or somebody else brings it, perhaps to another relay. */
class Taken extends Error {
  override readonly name = "Taken";
}

interface ReachStart {
  /** The file, as its row had it. */
  known: Blob;
  /** How much of it has come. */
  from: number;
  room: Coming;
}

/** Up to where a file was written, which its row hears when a part ends, and now and then before: it is waited for a day from then. [P-14.1] */
class Reach {
  readonly #blobs: Blobs;
  readonly #known: Blob;
  readonly #from: number;
  readonly #room: Coming;
  #noted: number;
  #notedAt: number;
  #askedAt: number;
  end: number;

  constructor(blobs: Blobs, { known, from, room }: ReachStart) {
    this.#blobs = blobs;
    this.#known = known;
    this.#from = from;
    this.#room = room;
    this.#noted = known.come;
    this.#notedAt = blobs.clock();
    this.#askedAt = this.#notedAt;
    this.end = from;
  }

  /** @throws Taken if the file is not this request's any more */
  async written(end: number): Promise<void> {
    this.#room.written(end - this.end);
    this.end = end;
    const now = this.#blobs.clock();
    if (now - this.#notedAt >= NOTED_MS && !(await this.note())) throw new Taken();
    if (now - this.#askedAt < ASKED_MS) return;
    this.#askedAt = now;
    if ((await this.#find()) === undefined) throw new Taken();
  }

  /** @returns false if somebody else has brought more, or it is gone */
  async note(): Promise<boolean> {
    const { rows, clock } = this.#blobs;
    for (let before: number | undefined = this.#noted; before !== undefined; before = await this.#cameMeanwhile()) {
      if (!(await rows.advance(this.#known.id, before, this.end))) continue;
      [this.#noted, this.#notedAt] = [this.end, clock()];
      return true;
    }
    return false;
  }

  /**
   * Up to where its row says that a file has come, where another relay has said so of what had come there: a connection that is lost is noticed
   * late. What lies between is written here too.
   */
  async #cameMeanwhile(): Promise<number | undefined> {
    const come = (await this.#find())?.come;
    return come === undefined || come < this.#from || come > this.end || come === this.#noted ? undefined : come;
  }

  /** It, if it is this request's still. */
  async #find(): Promise<Blob | undefined> {
    const now = await this.#blobs.rows.find(this.#known.id);
    return isBy(now, this.#known.tokenHash) && !now.sealed ? now : undefined;
  }
}

interface Part {
  id: string;
  at: number;
  request: IncomingMessage;
}

/** Writes a part while more of it comes, and tells up to where. */
async function write(
  blobs: Blobs,
  { id, at, request }: Part,
  onWritten: (end: number) => Promise<void>,
): Promise<void> {
  let next = at;
  let gathered: Buffer[] = [];
  let bytes = 0;
  let since = 0;
  let writing = Promise.resolve();
  const flush = (): void => {
    const [start, end, pieces] = [next, next + bytes, gathered];
    [next, gathered, bytes] = [end, [], 0];
    // Behind the one before: what cannot be written leaves no hole.
    writing = writing.then(async () => {
      await blobs.store.putPart(id, start, pieces);
      for (const piece of pieces) free(piece);
      await onWritten(end);
    });
    writing.catch(() => undefined);
  };
  try {
    for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      gathered.push(chunk);
      bytes += chunk.length;
      since += chunk.length;
      if (since >= AT_ONCE) {
        const passed = blobs.carried(since);
        since = 0;
        await passed;
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

/** Whether whoever brings a part has gone, with all of it sent or not. */
function isLeft(error: unknown): boolean {
  return LEFT.has((error as NodeJS.ErrnoException).code ?? "");
}

function isFull(error: unknown): boolean {
  if (error instanceof StorageError) return error.reason !== "internal";
  return FULL.has((error as NodeJS.ErrnoException).code ?? "");
}

/** A number of digits alone, as HTTP has them; undefined if it is none. */
export function wholeNumber(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}
