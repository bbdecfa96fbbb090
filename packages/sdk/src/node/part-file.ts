/** Files that come in pieces: each is whole when it has its name, which is no other file's. */
import { type BigIntStats, close, fdatasync, fsync, ftruncate, read, rmSync, write } from "node:fs";
import { statfs } from "node:fs/promises";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { safeName } from "../files/names.ts";
import { giveName, isSame, newPart, openAgain, openNew, type OpenPart } from "./part-folder.ts";
import { syncFolder } from "./program/files.ts";
import { asOwnerOf } from "./program/owner.ts";
import { systemError } from "./program/system-error.ts";

const closing = promisify(close);
const reading = promisify(read);
const syncing = promisify(fsync);
const flushing = promisify(fdatasync);
const truncating = promisify(ftruncate);
const writing = promisify(write);

/** The disk begins to take what is written when it is so much, so that there is less to wait for at the end. Bytes. */
const AHEAD_BYTES = 2 ** 22;

/**
 * A file of which a part is there, in the folder where it will be, under a name that nobody else uses. Another process can
 * go on with it by that name. Where root is at work in the folder of another user, all of it is that user's.
 */
export class PartFile implements AsyncDisposable {
  /** The part's name in its folder, by which another process opens it again. */
  readonly part: string;
  readonly #folder: string;
  readonly #name: string;
  readonly #found: BigIntStats;
  #fd: number | undefined;
  #bytes: number;
  #finished: string | undefined;
  /** Bytes that the disk was not asked to take yet. */
  #ahead = 0;
  #syncing: Promise<unknown> | undefined;
  #last: Promise<unknown> = Promise.resolve();

  private constructor(folder: string, name: string, opened: OpenPart) {
    this.#folder = folder;
    this.#name = name;
    this.part = opened.part;
    this.#found = opened.found;
    this.#fd = opened.fd;
    this.#bytes = Number(opened.found.size);
    this.#finished = opened.finished;
  }

  /**
   * Begins a file, or goes on with one. Of a part that is gone, or is not the file that was left (it is a link, another
   * user's, or has names elsewhere), nothing is read, and a new one begins: {@link bytes} is 0 then, and {@link part} new.
   * @param folder one that is there
   * @param name as its sender calls it: {@link safeName} is made of it
   * @param options.part The part of before.
   * @param options.orNew What a new one is called, if nothing is: one of {@link newPart}.
   * @throws what the system says: ENOENT, EACCES, ENOSPC, EDQUOT ...
   */
  static async open(
    folder: string,
    name: string,
    options: { part?: string | undefined; orNew?: string | undefined } = {},
  ): Promise<PartFile> {
    const [place, safe] = [resolve(folder), safeName(name)];
    const { part, orNew = newPart(safe) } = options;
    const opened = asOwnerOf(place, () => {
      const before = part === undefined ? undefined : openAgain(place, safe, part);
      return before ?? openNew(place, safe, orNew);
    });
    return new PartFile(place, safe, opened);
  }

  /** How long it is now. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Its whole path, if it has its name: {@link finish} has given it that, in this process, or in one that ended before it
   * could say so. It can be read then, and no longer changed.
   */
  get finished(): string | undefined {
    return this.#finished;
  }

  /** What is in it from one offset up to another, or to its end. `into`: a buffer that holds it; default: a new one. */
  read(from: number, to: number, into?: Uint8Array): Promise<Uint8Array> {
    return this.#inTurn(async (fd) => {
      const length = Math.max(0, Math.min(to, this.#bytes) - from);
      const bytes = into?.subarray(0, length) ?? new Uint8Array(length);
      for (let done = 0; done < bytes.length;) {
        const { bytesRead } = await reading(fd(), bytes, done, bytes.length - done, from + done);
        if (bytesRead === 0) return bytes.subarray(0, done);
        done += bytesRead;
      }
      return bytes;
    });
  }

  /** @throws ENOSPC, EDQUOT ...: {@link bytes} says how much is there; RangeError if it would leave a hole */
  write(at: number, bytes: Uint8Array): Promise<void> {
    return this.#inTurn(async (fd) => {
      this.#mayChange(at);
      for (let done = 0; done < bytes.length;) {
        const { bytesWritten } = await writing(fd(), bytes, done, bytes.length - done, at + done);
        done += bytesWritten;
        this.#bytes = Math.max(this.#bytes, at + done);
      }
      this.#ahead += bytes.length;
      if (this.#ahead < AHEAD_BYTES || this.#syncing !== undefined) return;
      this.#ahead = 0;
      // What goes wrong is said when it gets its name.
      this.#syncing = flushing(fd())
        .catch(() => undefined)
        .finally(() => (this.#syncing = undefined));
    });
  }

  /** Cuts off what is behind so many bytes. @throws RangeError if there are fewer */
  truncate(bytes: number): Promise<void> {
    return this.#inTurn(async (fd) => {
      this.#mayChange(bytes);
      await truncating(fd(), bytes);
      this.#bytes = bytes;
    });
  }

  /**
   * Gives it the first name that is free of `NAME`, `NAME (2)` ..., when all of it is on disk, and closes it.
   * @param record Called with its path when it has its name and before the part is gone: what is committed there is true, and
   * if the process ends before, another one that opens the part finds it {@link finished}.
   * @returns its whole path
   * @throws what the system says, and what `record` throws; its part stays
   */
  async finish(record?: (path: string) => unknown): Promise<string> {
    const path = await this.#inTurn(async (fd) => {
      this.#finished ??= await this.#giveName(fd());
      await this.#close();
      return this.#finished;
    });
    await record?.(path);
    this.#removePart();
    return path;
  }

  /** Ends it without a file: its part is deleted. One that is {@link finished} stays under its name. */
  async discard(): Promise<void> {
    await this.close();
    this.#removePart();
  }

  /** Keeps the part. */
  close(): Promise<void> {
    return this.#inTurn(() => this.#close());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** One after the other: what is closed may be another file's number at once, which nobody here must write to. */
  #inTurn<T>(work: (fd: () => number) => Promise<T>): Promise<T> {
    const done = this.#last.then(() =>
      work(() => {
        if (this.#fd === undefined) throw new Error("the part is closed");
        return this.#fd;
      }),
    );
    this.#last = done.catch(() => undefined);
    return done;
  }

  async #close(): Promise<void> {
    const fd = this.#fd;
    this.#fd = undefined;
    await this.#syncing;
    if (fd !== undefined) await closing(fd);
  }

  async #giveName(fd: number): Promise<string> {
    await syncing(fd);
    const isThere = asOwnerOf(this.#folder, () => this.#isThere());
    // Some file systems tell only now that there was no room.
    await this.#close();
    if (!isThere) throw systemError("EFTYPE", "another file has taken its place", { path: this.#path });
    return asOwnerOf(this.#folder, () => {
      const path = giveName(this.#folder, this.#name, this.part);
      syncFolder(this.#folder);
      return path;
    });
  }

  #mayChange(at: number): void {
    if (this.#finished !== undefined) throw new Error("the file has its name already");
    if (at > this.#bytes) throw new RangeError("there would be a hole in the file");
  }

  get #path(): string {
    return join(this.#folder, this.part);
  }

  /** Whether the part's name still leads to what is open, or was. */
  #isThere(): boolean {
    return isSame(this.#path, this.#found);
  }

  #removePart(): void {
    asOwnerOf(this.#folder, () => {
      if (!this.#isThere()) return;
      rmSync(this.#path, { force: true });
      syncFolder(this.#folder);
    });
  }
}

/** A twentieth of a disk is left to others, the agent's own store among them: peers choose how much they send. At most so many bytes. */
const MOST_LEFT = 2 ** 28;

/** Bytes of files that a folder has room for, quotas aside; infinite where the file system does not say. */
export async function roomIn(folder: string): Promise<number> {
  const { blocks, bavail, bsize } = await statfs(folder, { bigint: true });
  if (blocks === 0n) return Infinity;
  return Number(bavail * bsize) - Math.min(MOST_LEFT, Number(blocks * bsize) / 20);
}
