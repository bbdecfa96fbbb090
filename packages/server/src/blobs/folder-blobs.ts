import { constants } from "node:fs";
import { type FileHandle, mkdir, open, opendir, rm, stat, statfs } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { BlobStore, Kept } from "../store/blob-store.ts";
import { Lane } from "./lane.ts";

/** Read at once. Bytes. */
const PIECE_BYTES = 2 ** 20;
/** Files that are kept open between two parts. */
const KEPT_OPEN = 64;
/**
 * Calls that read or write at a time. Node has four threads for all files: of those the database needs one for each commit, and messages
 * wait for that.
 */
const AT_A_TIME = 2;
/** What is written so far ahead of the disk that it begins to take it: a commit of the database would have to wait for more. Bytes. */
const AHEAD_BYTES = 2 ** 22;

const WRITE = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW;
const READ = constants.O_RDONLY | constants.O_NOFOLLOW;
/** Of a folder that is not there, or a file. */
const GONE = new Set(["ENOENT", "ENOTDIR"]);
/** Some file systems of networks sync no folders. */
const NO_SYNC = new Set(["EINVAL", "ENOTSUP", "EOPNOTSUPP"]);

interface OpenFile {
  handle: Promise<FileHandle>;
  /** Parts that are being written: it stays open for them. */
  parts: number;
  /** Bytes that the disk was not asked to take yet. */
  ahead: number;
  syncing: Promise<unknown> | undefined;
}

/** A file each in a folder, below the first two digits of its id. */
export class FolderBlobs implements BlobStore {
  readonly #folder: string;
  readonly #keptOpen: number;
  /** Which folder it was when it was looked at first: where a disk was mounted another one is left. */
  #place: string | undefined;
  readonly #lane = new Lane(AT_A_TIME);
  /** The disk takes of one file at a time: what the database commits waits for no more than that. */
  readonly #disk = new Lane(1);
  /** Those that were used least lately stand first. */
  readonly #open = new Map<string, OpenFile>();
  /** Those of which the disk did not take something. Asked again the system says nothing of it, and what is read may be anything. */
  readonly #damaged = new Set<string>();

  constructor(folder: string, keptOpen = KEPT_OPEN) {
    this.#folder = folder;
    this.#keptOpen = keptOpen;
  }

  async putPart(id: string, offset: number, bytes: readonly Uint8Array[]): Promise<void> {
    const file = this.#forWriting(id);
    file.parts += 1;
    try {
      const handle = await file.handle;
      await this.#lane.run(() => writeAll(handle, bytes, offset));
      for (const { length } of bytes) file.ahead += length;
      if (file.ahead >= AHEAD_BYTES && file.syncing === undefined) this.#sync(id, file, handle);
    } finally {
      file.parts -= 1;
      await this.#closeOldest();
    }
  }

  async size(id: string): Promise<number> {
    return (await gone(stat(this.#path(id))))?.size ?? 0;
  }

  async seal(id: string, bytes: number): Promise<boolean> {
    await this.#close(id);
    // Its uploader begins anew.
    if (this.#damaged.has(id)) await this.remove(id);
    const handle = await gone(open(this.#path(id), constants.O_RDWR | constants.O_NOFOLLOW));
    if (handle === undefined) return false;
    try {
      if ((await handle.stat()).size !== bytes) return false;
      await this.#disk.run(() => handle.sync());
    } catch (error) {
      this.#damaged.add(id);
      throw error;
    } finally {
      await handle.close();
    }
    for (const folder of [dirname(this.#path(id)), this.#folder]) await syncFolder(folder);
    return true;
  }

  async *read(id: string, start: number, end: number): AsyncIterable<Uint8Array> {
    const handle = await open(this.#path(id), READ);
    try {
      // One for all: whoever asks for the next piece is done with this one.
      const piece = Buffer.allocUnsafeSlow(Math.min(PIECE_BYTES, end - start));
      for (let at = start; at < end;) {
        const length = Math.min(piece.length, end - at);
        const { bytesRead } = await this.#lane.run(() => handle.read(piece, 0, length, at));
        if (bytesRead === 0) throw new RangeError(`${id} has ${at} bytes, not ${end}`);
        at += bytesRead;
        yield piece.subarray(0, bytesRead);
      }
    } finally {
      await handle.close();
    }
  }

  async remove(id: string): Promise<void> {
    await this.#close(id);
    await rm(this.#path(id), { force: true });
    this.#damaged.delete(id);
  }

  async *list(): AsyncIterable<Kept> {
    for await (const { name: part } of entriesOf(this.#folder)) {
      if (!/^[0-9a-f]{2}$/.test(part)) continue;
      for await (const { name: id } of entriesOf(join(this.#folder, part))) {
        if (!/^[0-9a-f]{32}$/.test(id) || !id.startsWith(part)) continue;
        const found = await gone(stat(this.#path(id)));
        if (found !== undefined) yield { id, bytes: found.size, writtenAt: found.mtimeMs };
      }
    }
  }

  async isThere(): Promise<boolean> {
    const found = await gone(stat(this.#folder));
    if (found === undefined) return false;
    const place = `${found.dev} ${found.ino}`;
    this.#place ??= place;
    return this.#place === place;
  }

  async free(): Promise<number> {
    const found = (await gone(statfs(this.#folder))) ?? (await statfs(dirname(this.#folder)));
    return found.bavail * found.bsize;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#open.keys()].map((id) => this.#close(id)));
  }

  #path(id: string): string {
    return join(this.#folder, id.slice(0, 2), id);
  }

  #forWriting(id: string): OpenFile {
    const file = this.#open.get(id) ?? { handle: this.#create(id), parts: 0, ahead: 0, syncing: undefined };
    this.#open.delete(id);
    this.#open.set(id, file);
    file.handle.catch(() => this.#open.delete(id));
    return file;
  }

  /** Has the disk begin to take what was written. */
  #sync(id: string, file: OpenFile, handle: FileHandle): void {
    file.ahead = 0;
    // What goes wrong is said when it is sealed.
    file.syncing = this.#disk
      .run(() => handle.datasync())
      .catch(() => this.#damaged.add(id))
      .finally(() => (file.syncing = undefined));
  }

  async #closeOldest(): Promise<void> {
    if (this.#open.size <= this.#keptOpen) return;
    const [oldest] = [...this.#open].find(([, { parts }]) => parts === 0) ?? [];
    if (oldest !== undefined) await this.#close(oldest).catch(() => this.#damaged.add(oldest));
  }

  async #create(id: string): Promise<FileHandle> {
    const path = this.#path(id);
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    return open(path, WRITE, 0o600);
  }

  async #close(id: string): Promise<void> {
    const file = this.#open.get(id);
    this.#open.delete(id);
    if (file === undefined) return;
    const handle = await file.handle.catch(() => undefined);
    await file.syncing;
    await handle?.close();
  }
}

/** Node writes as much as the system takes at once, which may be less. */
async function writeAll(handle: FileHandle, bytes: readonly Uint8Array[], offset: number): Promise<void> {
  const length = bytes.reduce((sum, piece) => sum + piece.length, 0);
  const { bytesWritten } = await handle.writev(bytes, offset);
  if (bytesWritten === length) return;
  const rest = Buffer.concat(bytes).subarray(bytesWritten);
  for (let at = 0; at < rest.length;)
    at += (await handle.write(rest, at, rest.length - at, offset + bytesWritten + at)).bytesWritten;
}

async function* entriesOf(folder: string): AsyncIterable<{ name: string }> {
  const entries = await gone(opendir(folder));
  if (entries !== undefined) yield* entries;
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } catch (error) {
    if (!NO_SYNC.has((error as NodeJS.ErrnoException).code ?? "")) throw error;
  } finally {
    await handle.close();
  }
}

/** What a call finds; undefined if there is no such file. */
async function gone<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if (GONE.has((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw error;
  }
}
