/** A file is encrypted and brought to the relay, from where that has been left. [P-14.4] */
import { fileAssociatedData, sealing, segmentAt, segmentOf, type Stream } from "../crypto/streaming.ts";
import { AgentError } from "../errors.ts";
import { fromBase64 } from "../protocol/index.ts";
import type { OutFileRecord } from "../records/file-records.ts";
import { blobLength, endFile, endFiles, fileKey, paddedLength, sendAnew } from "../records/files.ts";
import { isFinal } from "../records/outbox-records.ts";
import { find, pad, put } from "../records/records.ts";
import type { ClientStore, WriteTransaction } from "../store/store.ts";
import { blobUrl } from "./blob-url.ts";
import { type Claimer, claimOf, isTaken, keepClaim, whileOurs } from "./claim.ts";
import type { FileHost, FileProgress } from "./host.ts";
import { BLOCK_SEGMENTS, SegmentReader } from "./reader.ts";
import { fileIsUp } from "./up.ts";

const TUS = { "tus-resumable": "1.0.0" };
/** Sent at once, if the relay does not say how much; and never less. Bytes. */
const PIECE_BYTES = 8 * 2 ** 20;
const LEAST_PIECE_BYTES = 2 ** 16;
/** What is brought again for as long as the relay says that it is elsewhere. */
const MOST_TURNS = 20;

export interface UploadMeans {
  store: ClientStore;
  host: FileHost;
  /** URL of the relay. */
  server: string;
  claimer: Claimer;
  onProgress: (progress: FileProgress) => void;
  signal: AbortSignal;
}

/** It is not this process's any more, or is to be begun anew: what the record says is what is to be done. */
class Over extends Error {}

/**
 * Brings a file to the relay, if it is not another process's. What came of it stands in its record.
 * @throws AgentError relay_unreachable, aborted: to be tried again
 */
export async function upload(means: UploadMeans, at: Pick<OutFileRecord, "seq" | "index">): Promise<void> {
  const { store, claimer } = means;
  const key = fileKey(at);
  const file = await store.write((tx) => take(tx, store, key, claimer));
  if (file === undefined) return;
  const stop = keepClaim(store, { table: "out-file/", key, claimer });
  try {
    await new Upload(means, file).run();
  } catch (error) {
    if (!(error instanceof Over)) throw error;
  } finally {
    stop();
  }
}

/** @returns a file that there is room for, and that nobody else brings */
async function take(
  tx: WriteTransaction,
  store: ClientStore,
  key: string,
  claimer: Claimer,
): Promise<OutFileRecord | undefined> {
  const file = await find(tx, "out-file/", key);
  if (file?.state !== "waits") {
    await tx.delete(`blob/up/${key}`);
    return undefined;
  }
  if (file.token === undefined || isTaken(store, file.claim, claimer)) return undefined;
  const taken = { ...file, claim: claimOf(claimer) };
  await put(tx, "out-file/", key, taken);
  return taken;
}

class Upload {
  readonly #means: UploadMeans;
  readonly #key: string;
  readonly #total: number;
  #file: OutFileRecord;
  /** Segments that may leave; and those behind them, which are read while others leave. */
  #ready = 0;
  #ahead: Promise<void> = Promise.resolve();

  constructor(means: UploadMeans, file: OutFileRecord) {
    this.#means = means;
    this.#file = file;
    this.#key = fileKey(file);
    this.#total = blobLength(file);
  }

  async run(): Promise<void> {
    const { host } = this.#means;
    await using source = await host.open(this.#file.path);
    if (source === undefined || (await source.stamp()) !== this.#file.stamp) return await this.#changed();
    let offset = await this.#offset();
    const { block } = this.#file;
    const padded = paddedLength(this.#file);
    const mayHaveLeft = block === undefined ? 0 : segmentOf(padded, block.segments - 1).sealed.to;
    // An old copy of the store: under its key something else may have left.
    if (offset > mayHaveLeft) return await this.#anew();
    const reader = new SegmentReader(host, source, this.#file);
    if (block !== undefined) {
      const isSame = (await reader.readTo(block.segments)) && reader.digest === block.sha256;
      if (!isSame) return await this.#changed();
      if (!reader.keeps(segmentAt(offset))) return await this.#anew();
      this.#ready = block.segments;
    }
    this.#tell(offset);
    const stream = await this.#stream();
    const check = async (): Promise<void> => {
      if ((await source.stamp()) !== this.#file.stamp) await this.#changed();
    };
    for (let turns = 0; offset < this.#total; turns++) {
      if (turns > MOST_TURNS + this.#total / LEAST_PIECE_BYTES) throw unreachable("the relay takes nothing");
      offset = await this.#bring(offset, { reader, stream, check });
      this.#tell(offset);
    }
    await this.#ours((tx, file) => fileIsUp(tx, file, reader.digest));
    const { bytes } = this.#file;
    this.#say(bytes);
    await host.letGo(this.#file.path);
  }

  /** How much of it the relay has. */
  async #offset(): Promise<number> {
    const { status, headers } = await this.#request("HEAD", {});
    const offset = Number(headers["upload-offset"]);
    if (status === 200 && Number.isSafeInteger(offset) && offset >= 0 && offset <= this.#total) return offset;
    return this.#refused(status, headers);
  }

  /** Brings a piece. @returns how much the relay has then */
  async #bring(
    offset: number,
    { reader, stream, check }: { reader: SegmentReader; stream: Stream; check: () => Promise<void> },
  ): Promise<number> {
    const { piece_bytes: piece = PIECE_BYTES } = this.#file;
    const end = Math.min(offset + piece, this.#total);
    const body = this.#sealed({ offset, end, reader, stream, check });
    const { status, headers } = await this.#request("PATCH", {
      headers: {
        "content-type": "application/offset+octet-stream",
        "upload-offset": String(offset),
        "content-length": String(end - offset),
      },
      body,
    });
    if (status === 204) return Math.min(this.#total, Number(headers["upload-offset"] ?? end));
    if (status === 409) {
      const there = await this.#offset();
      if (there > offset || !reader.keeps(segmentAt(there))) return this.#anew();
      return there;
    }
    if (status !== 413) return this.#refused(status, headers);
    // A proxy on the way takes less.
    if (piece <= LEAST_PIECE_BYTES) throw unreachable("something before the relay takes no pieces of a file");
    const less = Math.max(LEAST_PIECE_BYTES, Math.floor(piece / 2));
    this.#file = await this.#change({ piece_bytes: less });
    return this.#offset();
  }

  /** The encrypted bytes from `offset` up to `end`. A block's end is committed before any of it leaves. */
  async *#sealed({
    offset,
    end,
    reader,
    stream,
    check,
  }: {
    offset: number;
    end: number;
    reader: SegmentReader;
    stream: Stream;
    check: () => Promise<void>;
  }): AsyncGenerator<Uint8Array> {
    const padded = paddedLength(this.#file);
    const buffers = [new Uint8Array(2 ** 20), new Uint8Array(2 ** 20), new Uint8Array(2 ** 20)];
    for (let at = offset, turn = 0; at < end; turn++) {
      const index = segmentAt(at);
      if (index >= this.#ready) await this.#nextBlock(reader, check);
      const plain = reader.segment(index);
      if (plain === undefined) throw new Over();
      const { isLast, sealed } = segmentOf(padded, index);
      if (at < sealed.from) {
        yield stream.header.slice(at, Math.min(end, sealed.from));
        at = Math.min(end, sealed.from);
      }
      if (at >= end) return;
      const bytes = await stream.seal(index, plain, isLast, buffers[turn % buffers.length]);
      const part = bytes.subarray(at - sealed.from, Math.min(end, sealed.to) - sealed.from);
      yield part;
      at += part.length;
      this.#tell(at);
    }
  }

  /** Lets another block leave, and begins to read the one behind it. */
  async #nextBlock(reader: SegmentReader, check: () => Promise<void>): Promise<void> {
    await this.#ahead;
    if (this.#ready === reader.next) await this.#read(reader, check);
    this.#ready = reader.next;
    if (this.#ready === reader.count) return;
    this.#ahead = this.#read(reader, check);
    // What it throws is heard when it is waited for.
    this.#ahead.catch(() => undefined);
  }

  /** Reads a block, and commits that it may leave. */
  async #read(reader: SegmentReader, check: () => Promise<void>): Promise<void> {
    const segments = Math.min(reader.next + BLOCK_SEGMENTS, reader.count);
    if (!(await reader.readTo(segments))) return this.#changed();
    await check();
    this.#file = await this.#change({ block: { segments, sha256: reader.digest } });
  }

  async #stream(): Promise<Stream> {
    const { key, salt, prefix, blob = "" } = this.#file;
    const start = { salt: fromBase64(salt), prefix: fromBase64(prefix) };
    const { cipherOf } = this.#means.host;
    return sealing({ key: fromBase64(key), start, aad: fileAssociatedData(blob), cipherOf });
  }

  #request(
    method: "HEAD" | "PATCH",
    { headers = {}, body }: { headers?: Record<string, string>; body?: AsyncIterable<Uint8Array> },
  ) {
    const { host, server, signal } = this.#means;
    const { blob = "", token = "" } = this.#file;
    return host.request(blobUrl(server, blob), {
      method,
      headers: { ...TUS, authorization: `Bearer ${token}`, ...headers },
      ...(body === undefined ? {} : { body }),
      signal,
    });
  }

  /** @throws Over if the relay does not know the token any more; else AgentError, and it is tried again */
  async #refused(status: number, headers: Record<string, string | undefined>): Promise<never> {
    if (status === 404 || status === 410) {
      // It may have been given to another process, or the blob has ended: the relay says which when it is asked.
      await this.#ours(async (tx, file) => {
        const { token: _token, ...rest } = file;
        await put(tx, "out-file/", this.#key, rest);
        await tx.put(`blob/ask/${this.#key}`, "");
      });
      throw new Over();
    }
    const after = Number(headers["retry-after"]);
    const retryAfterMs = Number.isFinite(after) ? after * 1000 : undefined;
    throw unreachable(`the relay answered ${status}`, { retryAfterMs, isFull: status === 507 });
  }

  /** Another file is in its place: it is sent as that is, once. */
  async #changed(): Promise<never> {
    const { host } = this.#means;
    const { path, root } = this.#file;
    const [given] = await host.look([{ path, ...(root === undefined ? {} : { root }) }]).catch(() => []);
    await this.#ours(async (tx, file) => {
      if (given === undefined || file.changed === true) return failMessage(tx, file, "file_changed");
      const { bytes, stamp } = given;
      return sendAnew(tx, file, { bytes, stamp, changed: true });
    });
    throw new Over();
  }

  async #anew(): Promise<never> {
    await this.#ours((tx, file) => sendAnew(tx, file));
    throw new Over();
  }

  async #change(more: Partial<OutFileRecord>): Promise<OutFileRecord> {
    return this.#ours(async (tx, file) => {
      const changed = { ...file, ...more, claim: claimOf(this.#means.claimer) };
      await put(tx, "out-file/", this.#key, changed);
      return changed;
    });
  }

  /** Changes the record while it is this process's, and its message has not ended. @throws Over if it is not */
  async #ours<T>(change: (tx: WriteTransaction, file: OutFileRecord) => Promise<T>): Promise<T> {
    const { store, claimer } = this.#means;
    const done = await store.write((tx) =>
      whileOurs(tx, { table: "out-file/", key: this.#key, by: claimer.by }, async (file) => {
        const row = await find(tx, "out/", pad(file.seq));
        const isWanted = file.state === "waits" && row !== undefined && (file.resent === true || !isFinal(row.state));
        const isSame = file.request_id === this.#file.request_id;
        return isWanted && isSame ? { value: await change(tx, file) } : undefined;
      }),
    );
    if (done === undefined) throw new Over();
    return done.value;
  }

  /** All of it are only those that the relay has for good. */
  #tell(offset: number): void {
    if (offset < this.#total && this.#file.bytes > 0) this.#say(Math.floor((offset / this.#total) * this.#file.bytes));
  }

  #say(done: number): void {
    const { seq, index, name, bytes } = this.#file;
    this.#means.onProgress({ message: String(seq), file: index, name, direction: "up", done, bytes });
  }
}

/** A file cannot be sent: its message does not leave without it. */
async function failMessage(tx: WriteTransaction, file: OutFileRecord, reason: string): Promise<void> {
  await endFile(tx, file, { state: "failed", reason });
  const row = await find(tx, "out/", pad(file.seq));
  if (row?.state !== "queued" || file.resent === true) return;
  await endFiles(tx, row);
  await put(tx, "out/", pad(row.seq), { ...row, state: "failed", reason, updated_at: Date.now() });
}

function unreachable(
  message: string,
  { retryAfterMs, isFull = false }: { retryAfterMs?: number | undefined; isFull?: boolean } = {},
): AgentError {
  return new AgentError("relay_unreachable", message, {
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(isFull ? { reason: "storage_full" } : {}),
  });
}
