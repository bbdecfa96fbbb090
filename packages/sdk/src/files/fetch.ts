/** A file is fetched from the relay, opened, and saved, from where that has been left. [P-14.5] */
import type { Offer } from "../crypto/content.ts";
import {
  DamagedError,
  fileAssociatedData,
  HEADER_BYTES,
  opening,
  sealedLength,
  segmentCount,
  segmentOf,
  type Stream,
} from "../crypto/streaming.ts";
import { padme } from "../crypto/content.ts";
import { AgentError } from "../errors.ts";
import { fromBase64, toBase64 } from "../protocol/index.ts";
import { blobUrl } from "./blob-url.ts";
import type { FileHost, FileTarget, Hasher, HttpAnswer } from "./host.ts";
import { pause } from "./pause.ts";
import { isOfRelay, notNow } from "./relay-word.ts";

/** What of a target is written to. */
export type Into = Pick<FileTarget, "bytes" | "read" | "write" | "truncate">;

const SEGMENT_BYTES = 2 ** 20;
/** Requests for one file in a row that bring nothing; and those that the relay puts off for a moment, since too many others fetch. */
const MOST_IN_VAIN = 5;
const MOST_PUT_OFF = 120;
/** What is asked for in vain waits for so long, then twice that; for those put off not longer than the second that a relay names at least. */
const FIRST_WAIT_MS = 200;
const MOST_DOUBLED = 2;
/** Who is to wait for longer comes again by itself. Milliseconds. */
const LONGEST_WAIT_MS = 10_000;

export interface FetchMeans {
  host: FileHost;
  server: string;
  signal?: AbortSignal | undefined;
  /** Told how many bytes of the file are there. */
  onProgress: (done: number) => void;
}

/** What is said of a file that can be fetched. */
export type Fetchable = Pick<Offer, "name" | "bytes" | "blob" | "token" | "key" | "sha256">;

/** The file could not be had, for a reason that its sender hears. */
export class UnfetchedError extends AgentError {
  override readonly reason: "file_expired" | "file_damaged";
  constructor(reason: "file_expired" | "file_damaged", name: string, cause?: unknown) {
    const what = reason === "file_expired" ? "is not at the relay any more" : "is damaged";
    super("file_failed", `${name} ${what}`, {
      reason,
      hint: "its sender hears so, and sends it again if it has it: try again later",
      cause,
    });
    this.reason = reason;
  }

  /** An answer of its sender is owed: where it lies then. */
  override shouldRetry(): boolean {
    return true;
  }
}

/**
 * Brings a file into a target, behind what is there, and verifies all of it.
 * @throws UnfetchedError; AgentError relay_unreachable, aborted: what has come is there
 */
export async function fetchInto(means: FetchMeans, file: Fetchable, target: Into): Promise<void> {
  const fetching = new Fetching(means, file, target);
  await complete(fetching, means.signal);
  if (fetching.isRight) return;
  if (!fetching.hasGoneOn) throw new UnfetchedError("file_damaged", file.name);
  // What lay here may have been damaged here: nothing is said of its sender before all of it has come from the relay.
  await target.truncate(0);
  const again = new Fetching(means, file, target);
  await complete(again, means.signal);
  if (!again.isRight) throw new UnfetchedError("file_damaged", file.name);
}

async function complete(fetching: Fetching, signal: AbortSignal | undefined): Promise<void> {
  for (let [vain, putOff] = [0, 0]; !fetching.isWhole;) {
    const before = fetching.segments;
    try {
      await fetching.go();
    } catch (error) {
      if (!(error instanceof AgentError) || error.code !== "relay_unreachable") throw error;
      const { retryAfterMs } = error;
      if (fetching.segments > before) vain = putOff = 0;
      else if (retryAfterMs === undefined) vain += 1;
      else putOff += 1;
      if (vain >= MOST_IN_VAIN || putOff >= MOST_PUT_OFF || (retryAfterMs ?? 0) > LONGEST_WAIT_MS) throw error;
      // Whoever asks for no pause gets one.
      const least = FIRST_WAIT_MS * 2 ** (vain + Math.min(putOff, MOST_DOUBLED));
      await pause(Math.max(retryAfterMs ?? 0, least), signal);
      if (signal?.aborted === true) throw new AgentError("aborted", "aborted while a file was fetched");
    }
  }
}

class Fetching {
  readonly #means: FetchMeans;
  readonly #file: Fetchable;
  readonly #target: Into;
  readonly #padded: number;
  readonly #hasher: Hasher;
  /** A segment each: one is written while the next comes. */
  readonly #buffers = [new Uint8Array(SEGMENT_BYTES), new Uint8Array(SEGMENT_BYTES)] as const;
  #writing: Promise<void> = Promise.resolve();
  #stream: Stream | undefined;
  #begun = false;
  /** Segments that are in the target, and hashed. */
  segments = 0;
  /** Some of them were there before. */
  hasGoneOn = false;

  constructor(means: FetchMeans, file: Fetchable, target: Into) {
    this.#means = means;
    this.#file = file;
    this.#target = target;
    this.#padded = padme(file.bytes);
    this.#hasher = means.host.hasher();
  }

  get isWhole(): boolean {
    return this.segments === segmentCount(this.#padded);
  }

  /** Brings more, up to the end if nothing happens. */
  async go(): Promise<void> {
    if (!this.#begun) await this.#begin();
    try {
      if (!this.isWhole) await this.#bring();
    } finally {
      await this.#writing;
    }
  }

  async #bring(): Promise<void> {
    const from = this.#stream === undefined ? 0 : segmentOf(this.#padded, this.segments).sealed.from;
    const answer = await this.#request(from);
    let index = this.segments;
    const gather = new Gather(this.#stream === undefined ? new Uint8Array(HEADER_BYTES) : this.#roomFor(index));
    for await (const chunk of answer.body)
      for (let rest = gather.add(chunk); gather.isFull; rest = gather.add(rest)) {
        if (this.#stream === undefined) {
          this.#stream = await this.#open(gather.bytes);
          if (index > 0) return;
        } else await this.#keep(index++, gather.bytes);
        // Whoever sends more is not listened to.
        if (this.isWhole) return;
        gather.expect(this.#roomFor(index));
      }
    throw lost();
  }

  #roomFor(index: number): Uint8Array {
    const { sealed } = segmentOf(this.#padded, index);
    return (this.#buffers[index % 2] as Uint8Array).subarray(0, sealed.to - sealed.from);
  }

  /** Whether the file is what its sender says that it is. */
  get isRight(): boolean {
    return toBase64(this.#hasher.digest()) === this.#file.sha256;
  }

  /** What whole segments are there is hashed; the rest of it goes. */
  async #begin(): Promise<void> {
    const { bytes } = this.#file;
    const there = Math.min(this.#target.bytes, bytes);
    let whole = 0;
    const count = segmentCount(this.#padded);
    while (whole < count && segmentOf(this.#padded, whole).plain.to <= there) whole += 1;
    const end = whole === 0 ? 0 : segmentOf(this.#padded, whole - 1).plain.to;
    await this.#target.truncate(end);
    for (let at = 0; at < end; at += SEGMENT_BYTES)
      this.#hasher.update(await this.#target.read(at, Math.min(at + SEGMENT_BYTES, end), this.#buffers[0]));
    this.segments = whole;
    this.hasGoneOn = whole > 0;
    this.#begun = true;
    this.#means.onProgress(end);
  }

  async #open(header: Uint8Array): Promise<Stream> {
    const { key, blob, name } = this.#file;
    try {
      const { cipherOf } = this.#means.host;
      return await opening({ key: fromBase64(key), header, aad: fileAssociatedData(blob), cipherOf });
    } catch (error) {
      throw asDamaged(error, name);
    }
  }

  async #keep(index: number, bytes: Uint8Array): Promise<void> {
    const { plain, isLast } = segmentOf(this.#padded, index);
    let opened: Uint8Array;
    try {
      // In its own place: what was encrypted is not needed any more.
      opened = await (this.#stream as Stream).open(index, bytes, isLast, bytes);
    } catch (error) {
      throw asDamaged(error, this.#file.name);
    }
    const real = opened.subarray(0, Math.max(0, Math.min(plain.to, this.#file.bytes) - plain.from));
    const before = this.#writing;
    this.#writing = real.length === 0 ? before : before.then(() => this.#target.write(plain.from, real));
    this.#writing.catch(() => undefined);
    this.#hasher.update(real);
    await before;
    this.segments = index + 1;
    this.#means.onProgress(Math.min(plain.to, this.#file.bytes));
  }

  async #request(from: number) {
    const { host, server, signal } = this.#means;
    const { blob, token, name } = this.#file;
    // Of a file that was begun by another process the header is not known: it stands at the beginning.
    const isHeader = this.#stream === undefined && this.segments > 0;
    const range = isHeader ? `bytes=0-${HEADER_BYTES - 1}` : `bytes=${from}-`;
    const answer = await host.request(blobUrl(server, blob), {
      method: "GET",
      headers: { authorization: `Bearer ${token}`, range },
      signal,
    });
    const { status } = answer;
    const isFile = status === 206 || (status === 200 && from === 0);
    if (isOfRelay(answer) && isFile && this.#isAsked(answer, isHeader ? 0 : from)) return answer;
    await leave(answer);
    if (!isOfRelay(answer)) throw notNow(answer);
    if (status === 404 || status === 410) throw new UnfetchedError("file_expired", name);
    if (isFile || status === 416) throw new UnfetchedError("file_damaged", name);
    throw notNow(answer);
  }

  /** Whether it is of a blob of this file's length, from the offset on that was asked for. */
  #isAsked({ headers }: HttpAnswer, from: number): boolean {
    const [, start, total] = /^bytes (\d+)-\d+\/(\d+)$/.exec(headers["content-range"] ?? "") ?? [];
    const length = Number(total ?? headers["content-length"] ?? Number.NaN);
    return Number(start ?? 0) === from && length === sealedLength(this.#padded);
  }
}

/** Nothing of an answer is read. Its connection is let go of when somebody has begun to. */
async function leave({ body }: HttpAnswer): Promise<void> {
  const reading = body[Symbol.asyncIterator]();
  await reading.next().catch(() => undefined);
  await reading.return?.();
}

/** Bytes that come in pieces, and are wanted in others. */
class Gather {
  bytes: Uint8Array;
  #come = 0;

  /** @param bytes What is to be filled first. */
  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  get isFull(): boolean {
    return this.#come === this.bytes.length;
  }

  expect(bytes: Uint8Array): void {
    this.bytes = bytes;
    this.#come = 0;
  }

  /** Takes what is missing of a piece. @returns the rest of that */
  add(piece: Uint8Array): Uint8Array {
    const part = piece.subarray(0, this.bytes.length - this.#come);
    this.bytes.set(part, this.#come);
    this.#come += part.length;
    return piece.subarray(part.length);
  }
}

function asDamaged(error: unknown, name: string): unknown {
  return error instanceof DamagedError ? new UnfetchedError("file_damaged", name, error) : error;
}

function lost(): AgentError {
  return new AgentError("relay_unreachable", "the connection to the relay was lost");
}
