/** How files lie in a folder, and are written and read there, whoever else has it open. */
import { constants } from "node:fs";
import { type FileHandle, mkdir, open, opendir, readFile, stat, statfs } from "node:fs/promises";
import { dirname, join } from "node:path";
import { asOwnerOf, syncFolder } from "@aimessage/sdk/program";
import type { Kept } from "../store/blob-store.ts";
import { blobPath, isGone, isIdIn, isPart, MARK, writeMark } from "../store/blob-layout.ts";

/** Read at once. Bytes. */
const PIECE_BYTES = 2 ** 20;

export const WRITE = constants.O_RDWR | constants.O_NOFOLLOW;
export const READ = constants.O_RDONLY | constants.O_NOFOLLOW;

/** Only a first part makes a file: what comes behind one that was removed meanwhile, by any relay, is nobody's. */
export async function openPart(path: string, isFirst: boolean): Promise<FileHandle> {
  if (!isFirst) return open(path, WRITE);
  // The folder above is there, or it is not its disk.
  await mkdir(dirname(path), { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EEXIST") throw error;
  });
  return open(path, WRITE | constants.O_CREAT, 0o600);
}

/** Node writes as much as the system takes at once, which may be less. */
export async function writeAll(handle: FileHandle, bytes: readonly Uint8Array[], offset: number): Promise<void> {
  const length = bytes.reduce((sum, piece) => sum + piece.length, 0);
  const { bytesWritten } = await handle.writev(bytes, offset);
  if (bytesWritten === length) return;
  const rest = Buffer.concat(bytes).subarray(bytesWritten);
  for (let at = 0; at < rest.length;)
    at += (await handle.write(rest, at, rest.length - at, offset + bytesWritten + at)).bytesWritten;
}

interface Range {
  start: number;
  end: number;
  /** Does a call when it may be done. */
  inTurn: <T>(call: () => Promise<T>) => Promise<T>;
}

/** The bytes of a range, each piece until the next is asked for. @throws RangeError if fewer are there */
export async function* piecesOf(handle: FileHandle, { start, end, inTurn }: Range): AsyncIterable<Uint8Array> {
  // One for all: whoever asks for the next piece is done with this one.
  const piece = Buffer.allocUnsafeSlow(Math.min(PIECE_BYTES, end - start));
  for (let at = start; at < end;) {
    const length = Math.min(piece.length, end - at);
    const { bytesRead } = await inTurn(() => handle.read(piece, 0, length, at));
    if (bytesRead === 0) throw new RangeError(`a file has ${at} bytes, not ${end}`);
    at += bytesRead;
    yield piece.subarray(0, bytesRead);
  }
}

/** All files of a folder, in no order. */
export async function* filesIn(folder: string): AsyncIterable<Kept> {
  for await (const { name: part } of entriesOf(folder)) {
    if (!isPart(part)) continue;
    for await (const { name: id } of entriesOf(join(folder, part))) {
      if (!isIdIn(part, id)) continue;
      const found = await unlessGone(stat(blobPath(folder, id)));
      if (found !== undefined) yield { id, bytes: found.size, writtenAt: found.mtimeMs };
    }
  }
}

/** Bytes for which its disk has room, before it is made too. */
export async function freeIn(folder: string): Promise<number> {
  const found = (await unlessGone(statfs(folder))) ?? (await statfs(dirname(folder)));
  return found.bavail * found.bsize;
}

/** The mark of a folder. */
export class FolderMark {
  readonly #folder: string;
  /** What it said when it was read last, and which file that was. */
  #read: { file: string; owner: string } | undefined;

  constructor(folder: string) {
    this.#folder = folder;
  }

  async owner(): Promise<string | undefined> {
    const path = join(this.#folder, MARK);
    const found = await unlessGone(stat(path));
    if (found === undefined) return undefined;
    const file = `${found.dev} ${found.ino} ${found.mtimeMs}`;
    if (this.#read?.file !== file) this.#read = { file, owner: (await readFile(path, "utf8")).trim() };
    return this.#read.owner;
  }

  claim(owner: string): void {
    const above = dirname(this.#folder);
    // A relay that root starts is not yet the user that it will be.
    asOwnerOf(above, () => {
      writeMark(this.#folder, owner);
      syncFolder(above);
    });
  }
}

async function* entriesOf(folder: string): AsyncIterable<{ name: string }> {
  const entries = await unlessGone(opendir(folder));
  if (entries !== undefined) yield* entries;
}

/** What a call finds; undefined if there is no such file. */
export async function unlessGone<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}
