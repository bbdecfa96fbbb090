import type { BlobStore, Kept } from "../store/blob-store.ts";

interface Parts {
  pieces: Buffer[];
  bytes: number;
  writtenAt: number;
}

/** Handed out at once. Bytes. */
const PIECE_BYTES = 2 ** 20;

/** All that may be kept: of that a relay takes 256 MiB, and leaves the rest to mail, as of a disk. Bytes. */
const MOST_BYTES = 576 * 2 ** 20;

/** Files that are gone with their process. */
export class MemoryBlobs implements BlobStore {
  readonly #files = new Map<string, Parts>();
  #owner: string | undefined;

  async putPart(id: string, offset: number, bytes: readonly Uint8Array[]): Promise<void> {
    const file = this.#files.get(id) ?? { pieces: [], bytes: 0, writtenAt: 0 };
    if (offset > file.bytes) throw new RangeError(`${id} has ${file.bytes} bytes, none can be put at ${offset}`);
    const fresh = Buffer.concat(bytes);
    const [before, behind] = [upTo(file, offset), from(file, offset + fresh.length)];
    const pieces = [...before, fresh, ...behind];
    this.#files.set(id, { pieces, bytes: Math.max(file.bytes, offset + fresh.length), writtenAt: Date.now() });
  }

  async size(id: string): Promise<number> {
    return this.#files.get(id)?.bytes ?? 0;
  }

  async seal(id: string, bytes: number): Promise<boolean> {
    return (await this.size(id)) === bytes;
  }

  async *read(id: string, start: number, end: number): AsyncIterable<Uint8Array> {
    const file = this.#files.get(id);
    if (file === undefined || end > file.bytes) throw new RangeError(`${id} has fewer than ${end} bytes`);
    let at = 0;
    for (const piece of file.pieces) {
      const part = piece.subarray(Math.max(0, start - at), Math.max(0, end - at));
      for (let offset = 0; offset < part.length; offset += PIECE_BYTES)
        yield part.subarray(offset, offset + PIECE_BYTES);
      at += piece.length;
    }
  }

  async remove(id: string): Promise<void> {
    this.#files.delete(id);
  }

  async *list(): AsyncIterable<Kept> {
    for (const [id, { bytes, writtenAt }] of this.#files) yield { id, bytes, writtenAt };
  }

  async owner(): Promise<string | undefined> {
    return this.#owner;
  }

  async claim(owner: string): Promise<void> {
    this.#owner = owner;
  }

  async free(): Promise<number> {
    let left = MOST_BYTES;
    for (const { bytes } of this.#files.values()) left -= bytes;
    return Math.max(0, left);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#files.clear();
  }
}

function upTo({ pieces, bytes }: Parts, end: number): Buffer[] {
  if (end === bytes) return pieces;
  const kept = Buffer.concat(pieces).subarray(0, end);
  return kept.length === 0 ? [] : [kept];
}

function from({ pieces, bytes }: Parts, start: number): Buffer[] {
  return start >= bytes ? [] : [Buffer.concat(pieces).subarray(start)];
}
