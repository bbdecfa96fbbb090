/** A file is encrypted and brought to the relay, from where that has been left. [P-14.4] */
import { DamagedError, fileAssociatedData, sealing, segmentAt, segmentOf, type Stream } from "../crypto/streaming.ts";
import { AgentError } from "../errors.ts";
import { fromBase64 } from "../protocol/index.ts";
import type { OutFileRecord } from "../records/file-records.ts";
import { blobLength, fileKey, paddedLength } from "../records/files.ts";
import type { ClientStore } from "../store/store.ts";
import { blobUrl } from "./blob-url.ts";
import { type Claimer, keepClaim } from "./claim.ts";
import type { FileHost, FileProgress, FileSource, HttpAnswer } from "./host.ts";
import { type OutFile, Over, takeFile } from "./out-file.ts";
import { BLOCK_SEGMENTS, SegmentReader } from "./reader.ts";
import { isOfRelay, notNow } from "./relay-word.ts";
import { fileIsUp } from "./up.ts";

const TUS = { "tus-resumable": "1.0.0" };
/** Sent at once, whatever the relay says; and never less. More would be lost at a time than is kept to be sent again. Bytes. */
const PIECE_BYTES = 8 * 2 ** 20;
const LEAST_PIECE_BYTES = 2 ** 16;
/** What is brought again while the relay says that it is elsewhere, or takes smaller pieces: in all, and in a row. */
const MOST_TURNS = 20;
const MOST_IN_VAIN = 10;

export interface UploadMeans {
  store: ClientStore;
  host: FileHost;
  /** URL of the relay. */
  server: string;
  claimer: Claimer;
  onProgress: (progress: FileProgress) => void;
  /** Told when the relay has said that it has more than ever. */
  onReached: () => void;
  signal: AbortSignal;
}

/** What is read of a file, and how it is encrypted. */
interface Reading {
  reader: SegmentReader;
  stream: Stream;
  /** What tells whether the file has changed, now. */
  stamp: () => Promise<string>;
}

/**
 * Brings a file to the relay, if it is not another process's. What came of it stands in its record.
 * @returns whether anything did: it is up, or nothing is to be done for it
 * @throws AgentError relay_unreachable, aborted: to be tried again
 */
export async function upload(means: UploadMeans, at: Pick<OutFileRecord, "seq" | "index">): Promise<boolean> {
  const { store, claimer } = means;
  const file = await takeFile(means, fileKey(at));
  if (file === undefined) return true;
  const stop = keepClaim(store, { table: "out-file/", key: file.key, claimer });
  try {
    await new Upload(means, file).run().catch(async (error: unknown) => {
      // What a stream gave, which is here and nowhere else.
      if (error instanceof DamagedError) return file.fail("file_damaged");
      if (!(error instanceof Over)) await file.note();
      throw error;
    });
    return true;
  } catch (error) {
    if (!(error instanceof Over)) throw error;
    return false;
  } finally {
    stop();
  }
}

class Upload {
  readonly #means: UploadMeans;
  readonly #file: OutFile;
  readonly #total: number;
  /** A segment each: two may be under way while the next is encrypted. */
  readonly #buffers = [new Uint8Array(2 ** 20), new Uint8Array(2 ** 20), new Uint8Array(2 ** 20)];
  /** Segments that may leave; and those behind them, which are read while others leave. */
  #ready = 0;
  #ahead: Promise<void> = Promise.resolve();
  /** Of what may have left: the digest of the file up to the end of each block, by its segments. */
  readonly #left = new Map<number, string>();

  constructor(means: UploadMeans, file: OutFile) {
    this.#means = means;
    this.#file = file;
    this.#total = blobLength(file.record);
  }

  get #record(): OutFileRecord {
    return this.#file.record;
  }

  async run(): Promise<void> {
    const { host } = this.#means;
    await using source = await host.open(this.#record.path);
    // Awaited, and not only returned: what is thrown while the file is closed would be nobody's.
    if (source === undefined || (await source.stamp()) !== this.#record.stamp) return await this.#file.changed();
    let offset = await this.#offset();
    const reader = await this.#readerAt(offset, source);
    if (reader === undefined) return await this.#file.changed();
    this.#ready = reader.next;
    const reading = { reader, stream: await this.#stream(), stamp: () => source.stamp() };
    for (let [turns, vain] = [0, 0]; offset < this.#total; turns++) {
      if (vain > MOST_IN_VAIN || turns > MOST_TURNS + this.#total / LEAST_PIECE_BYTES)
        throw unreachable("the relay takes nothing");
      this.#tell(offset);
      const before = offset;
      offset = await this.#bring(offset, reading);
      vain = offset >= Math.min(before + LEAST_PIECE_BYTES, this.#total) ? 0 : vain + 1;
      if (this.#file.gains(offset)) this.#means.onReached();
    }
    await this.#file.ours((tx, file) => fileIsUp(tx, file, reader.digest));
    this.#say(this.#record.bytes);
  }

  /**
   * Has read what may have left, which is what it was, or undefined. Where the relay has lost more of that than is kept, it is read once more, from there on: each
   * block has to be the same again before it leaves.
   */
  async #readerAt(offset: number, source: FileSource): Promise<SegmentReader | undefined> {
    const { host } = this.#means;
    const reader = new SegmentReader(host, source, this.#record);
    const { segments, sha256 } = this.#record.block ?? { segments: 0, sha256: reader.digest };
    while (reader.next < segments) {
      if (!(await reader.readTo(Math.min(reader.next + BLOCK_SEGMENTS, segments)))) return undefined;
      this.#left.set(reader.next, reader.digest);
    }
    if (reader.digest !== sha256) return undefined;
    const at = segmentAt(offset);
    if (reader.keeps(at)) return reader;
    const again = new SegmentReader(host, source, this.#record);
    return (await again.readTo(at - (at % BLOCK_SEGMENTS))) ? again : undefined;
  }

  /** How much of it the relay has. @throws Over if that is more than may have left: an old copy of the store has sent it */
  async #offset(): Promise<number> {
    const answer = await this.#request("HEAD", {});
    const { status, headers } = answer;
    const offset = Number(headers["upload-offset"]);
    if (status !== 200 || !Number.isSafeInteger(offset) || offset < 0 || offset > this.#total)
      return this.#refused(answer);
    const { block } = this.#record;
    const mayHaveLeft = block === undefined ? 0 : segmentOf(paddedLength(this.#record), block.segments - 1).sealed.to;
    return offset > mayHaveLeft ? this.#file.anew() : offset;
  }

  /** Brings a piece. @returns how much the relay has then */
  async #bring(offset: number, reading: Reading): Promise<number> {
    const { piece_bytes: asked = PIECE_BYTES, most_bytes: most = PIECE_BYTES } = this.#record;
    const piece = Math.max(LEAST_PIECE_BYTES, Math.min(asked, most, PIECE_BYTES));
    const end = Math.min(offset + piece, this.#total);
    const answer = await this.#request("PATCH", {
      headers: {
        "content-type": "application/offset+octet-stream",
        "upload-offset": String(offset),
        "content-length": String(end - offset),
      },
      body: this.#sealed({ offset, end }, reading),
    });
    const { status, headers } = answer;
    if (status === 204) {
      const reached = Number(headers["upload-offset"]);
      if (!Number.isSafeInteger(reached) || reached <= offset || reached > end)
        throw unreachable("the relay does not say how much it has");
      return reached;
    }
    if (status === 409) {
      // What had left before a connection was lost has come after the relay was asked.
      const there = await this.#offset();
      if (reading.reader.keeps(segmentAt(there))) return there;
      throw unreachable("the relay has lost some of a file");
    }
    if (status !== 413) return this.#refused(answer);
    // A proxy on the way takes less.
    if (piece <= LEAST_PIECE_BYTES) throw unreachable("something before the relay takes no pieces of a file");
    await this.#file.change({ most_bytes: Math.floor(piece / 2) });
    return this.#offset();
  }

  /** The encrypted bytes from `offset` up to `end`. A block's end is committed before any of it leaves. */
  async *#sealed({ offset, end }: { offset: number; end: number }, reading: Reading): AsyncGenerator<Uint8Array> {
    const { reader, stream } = reading;
    const padded = paddedLength(this.#record);
    for (let at = offset, turn = 0; at < end; turn++) {
      const index = segmentAt(at);
      if (index >= this.#ready) await this.#nextBlock(reading);
      const plain = reader.segment(index);
      if (plain === undefined) throw new Over();
      const { isLast, sealed } = segmentOf(padded, index);
      if (at < sealed.from) {
        const header = stream.header.slice(at, Math.min(end, sealed.from));
        yield header;
        at += header.length;
      }
      if (at >= end) return;
      const bytes = await stream.seal(index, plain, isLast, this.#buffers[turn % this.#buffers.length]);
      const part = bytes.subarray(at - sealed.from, Math.min(end, sealed.to) - sealed.from);
      yield part;
      at += part.length;
      this.#tell(at);
    }
  }

  /** Lets another block leave, and begins to read the one behind it. */
  async #nextBlock(reading: Reading): Promise<void> {
    const { reader } = reading;
    await this.#ahead;
    if (this.#ready === reader.next) await this.#read(reading);
    this.#ready = reader.next;
    if (this.#ready === reader.count) return;
    this.#ahead = this.#read(reading);
    // What it throws is heard when it is waited for.
    this.#ahead.catch(() => undefined);
  }

  /** Reads a block, and commits that it may leave; of one that may have left before it is seen that it is the same. */
  async #read({ reader, stamp }: Reading): Promise<void> {
    const end = this.#record.block?.segments ?? 0;
    const segments = Math.min(reader.next + BLOCK_SEGMENTS, reader.next < end ? end : reader.count);
    if (!(await reader.readTo(segments)) || (await stamp()) !== this.#record.stamp) return this.#file.changed();
    const before = this.#left.get(segments);
    if (before !== undefined) return before === reader.digest ? undefined : this.#file.changed();
    await this.#file.change({ block: { segments, sha256: reader.digest } });
  }

  async #stream(): Promise<Stream> {
    const { key, salt, prefix, blob = "" } = this.#record;
    const start = { salt: fromBase64(salt), prefix: fromBase64(prefix) };
    const { cipherOf } = this.#means.host;
    return sealing({ key: fromBase64(key), start, aad: fileAssociatedData(blob), cipherOf });
  }

  /** @throws AgentError relay_unreachable if it is not the relay that answers, nor a proxy that takes less at once */
  async #request(
    method: "HEAD" | "PATCH",
    { headers = {}, body }: { headers?: Record<string, string>; body?: AsyncIterable<Uint8Array> },
  ): Promise<HttpAnswer> {
    const { host, server, signal } = this.#means;
    const { blob = "", token = "" } = this.#record;
    const answer = await host.request(blobUrl(server, blob), {
      method,
      headers: { ...TUS, authorization: `Bearer ${token}`, ...headers },
      ...(body === undefined ? {} : { body }),
      signal,
    });
    if (answer.status === 413 || isOfRelay(answer)) return answer;
    throw notNow(answer);
  }

  /** @throws Over if the relay does not know the token any more; else AgentError, and it is tried again */
  async #refused(answer: HttpAnswer): Promise<never> {
    const { status } = answer;
    if (status === 404 || status === 410) return this.#file.askAgain();
    throw notNow(answer, status === 507 ? "storage_full" : undefined);
  }

  /** All of it are only those that the relay has for good. */
  #tell(offset: number): void {
    const { bytes } = this.#record;
    if (offset < this.#total && bytes > 0) this.#say(Math.floor((offset / this.#total) * bytes));
  }

  #say(done: number): void {
    const { seq, index, name, bytes } = this.#record;
    this.#means.onProgress({ message: String(seq), file: index, name, direction: "up", done, bytes });
  }
}

function unreachable(message: string): AgentError {
  return new AgentError("relay_unreachable", message);
}
