/** A file as it is encrypted: in segments, which are read once, and hashed and encrypted from the same memory. */
import { segmentCount, segmentOf } from "../crypto/streaming.ts";
import { toBase64 } from "../protocol/index.ts";
import type { OutFileRecord } from "../records/file-records.ts";
import { paddedLength } from "../records/files.ts";
import type { FileHost, FileSource, Hasher } from "./host.ts";

/** Segments in a block: the end of each is committed before it leaves. As many as a piece has, so that the next is read meanwhile. */
export const BLOCK_SEGMENTS = 8;
/** Segments that are kept of what was read: a block that leaves, the next, and what a relay may have lost of the one before. */
const KEPT_SEGMENTS = 3 * BLOCK_SEGMENTS;

/** Reads a file from its beginning, segment by segment. Behind its end are zeros. */
export class SegmentReader {
  /** All of it, in segments. */
  readonly count: number;
  readonly #source: FileSource;
  readonly #bytes: number;
  readonly #padded: number;
  readonly #hasher: Hasher;
  /** By index; those that are used no more are used again. */
  readonly #kept = new Map<number, Uint8Array>();
  readonly #spare: Uint8Array[] = [];
  #next = 0;

  constructor(host: FileHost, source: FileSource, file: OutFileRecord) {
    this.#source = source;
    this.#bytes = file.bytes;
    this.#padded = paddedLength(file);
    this.#hasher = host.hasher();
    this.count = segmentCount(this.#padded);
  }

  /** How many were read. */
  get next(): number {
    return this.#next;
  }

  /** SHA-256 of what was read of the file: base64. */
  get digest(): string {
    return toBase64(this.#hasher.digest());
  }

  /** One that was read lately; undefined if it is not kept any more. */
  segment(index: number): Uint8Array | undefined {
    return this.#kept.get(index);
  }

  /** Whether all segments from `from` on are kept that were read. */
  keeps(from: number): boolean {
    return from >= this.#next || this.#kept.has(from);
  }

  /** Reads up to a segment. @returns false if the file ends before */
  async readTo(end: number): Promise<boolean> {
    while (this.#next < end) if (!(await this.#readOne())) return false;
    return true;
  }

  async #readOne(): Promise<boolean> {
    const { plain } = segmentOf(this.#padded, this.#next);
    const length = plain.to - plain.from;
    const into = this.#buffer(length);
    const wanted = Math.max(0, Math.min(plain.to, this.#bytes) - plain.from);
    for (let at = 0; at < wanted;) {
      const bytes = await this.#source.read(plain.from + at, into.subarray(at, wanted));
      if (bytes === 0) return false;
      at += bytes;
    }
    into.fill(0, wanted);
    this.#hasher.update(into.subarray(0, wanted));
    this.#kept.set(this.#next, into);
    this.#next += 1;
    return true;
  }

  #buffer(length: number): Uint8Array {
    const old = this.#next - KEPT_SEGMENTS;
    const gone = this.#kept.get(old);
    this.#kept.delete(old);
    if (gone !== undefined) this.#spare.push(gone);
    const spare = this.#spare.at(-1);
    if (spare?.length !== length) return new Uint8Array(length);
    this.#spare.pop();
    return spare;
  }
}
