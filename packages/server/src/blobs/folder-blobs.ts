import { type FileHandle, open, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import type { BlobStore, Kept } from "../store/blob-store.ts";
import { blobPath, syncNames } from "../store/blob-layout.ts";
import { filesIn, FolderMark, freeIn, openPart, piecesOf, READ, unlessGone, WRITE, writeAll } from "./folder-files.ts";
import { Lane } from "./lane.ts";

/** Files that are kept open between two parts. */
const KEPT_OPEN = 64;
/**
 * Calls that read or write at a time. Node has four threads for all files: of those the database needs one for each commit, and messages
 * wait for that.
 */
const AT_A_TIME = 2;
/** What is written so far ahead of the disk that it begins to take it: a commit of the database would have to wait for more. Bytes. */
const AHEAD_BYTES = 2 ** 22;

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
  readonly #onError: (error: unknown) => void;
  readonly #mark: FolderMark;
  readonly #lane = new Lane(AT_A_TIME);
  /** The disk takes of one file at a time: what the database commits waits for no more than that. */
  readonly #disk = new Lane(1);
  /** Those that were used least lately stand first. */
  readonly #open = new Map<string, OpenFile>();
  /** Those of which the disk did not take something. Asked again the system says nothing of it, and what is read may be anything. */
  readonly #damaged = new Set<string>();

  /** @param onError Told of what a disk did not take where nobody waits to hear so: that file is brought anew. */
  constructor(folder: string, keptOpen = KEPT_OPEN, onError: (error: unknown) => void = () => {}) {
    this.#folder = folder;
    this.#mark = new FolderMark(folder);
    this.#keptOpen = keptOpen;
    this.#onError = onError;
  }

  async putPart(id: string, offset: number, bytes: readonly Uint8Array[]): Promise<void> {
    if (this.#damaged.has(id)) await this.remove(id);
    const file = this.#forWriting(id, offset === 0);
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
    if (this.#damaged.has(id)) return 0;
    return (await unlessGone(stat(this.#path(id))))?.size ?? 0;
  }

  async seal(id: string, bytes: number): Promise<boolean> {
    await this.#close(id);
    if (this.#damaged.has(id) || !(await this.#syncWhole(id, bytes))) return false;
    // Also of what an earlier part had begun to sync.
    if (this.#damaged.has(id)) return false;
    for (const folder of [dirname(this.#path(id)), this.#folder]) await syncNames(folder);
    return true;
  }

  async *read(id: string, start: number, end: number): AsyncIterable<Uint8Array> {
    const handle = await open(this.#path(id), READ);
    try {
      yield* piecesOf(handle, { start, end, inTurn: (call) => this.#lane.run(call) });
    } finally {
      await handle.close();
    }
  }

  async remove(id: string): Promise<void> {
    await this.#close(id);
    await rm(this.#path(id), { force: true });
    this.#damaged.delete(id);
  }

  list(): AsyncIterable<Kept> {
    return filesIn(this.#folder);
  }

  owner(): Promise<string | undefined> {
    return this.#mark.owner();
  }

  async claim(owner: string): Promise<void> {
    this.#mark.claim(owner);
  }

  free(): Promise<number> {
    return freeIn(this.#folder);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#open.keys()].map((id) => this.#close(id)));
  }

  #path(id: string): string {
    return blobPath(this.#folder, id);
  }

  #forWriting(id: string, isFirst: boolean): OpenFile {
    const file = this.#open.get(id) ?? {
      handle: openPart(this.#path(id), isFirst),
      parts: 0,
      ahead: 0,
      syncing: undefined,
    };
    this.#open.delete(id);
    this.#open.set(id, file);
    file.handle.catch(() => this.#open.delete(id));
    return file;
  }

  /** Has the disk begin to take what was written. */
  #sync(id: string, file: OpenFile, handle: FileHandle): void {
    file.ahead = 0;
    file.syncing = this.#disk
      .run(() => handle.datasync())
      .catch((error: unknown) => this.#giveUp(id, error))
      .finally(() => (file.syncing = undefined));
  }

  /** Gives up a file of which the disk did not take something: its uploader begins anew, also at a relay that was started again. */
  async #giveUp(id: string, error?: unknown): Promise<void> {
    this.#damaged.add(id);
    if (error !== undefined) this.#onError(error);
    await rm(this.#path(id), { force: true }).catch(this.#onError);
  }

  /** @returns whether it has so many bytes */
  async #syncWhole(id: string, bytes: number): Promise<boolean> {
    const handle = await unlessGone(open(this.#path(id), WRITE));
    if (handle === undefined) return false;
    try {
      try {
        if ((await handle.stat()).size !== bytes) return false;
        await this.#disk.run(() => handle.sync());
        return true;
      } finally {
        await handle.close();
      }
    } catch (error) {
      await this.#giveUp(id);
      throw error;
    }
  }

  async #closeOldest(): Promise<void> {
    if (this.#open.size <= this.#keptOpen) return;
    const [oldest] = [...this.#open].find(([, { parts }]) => parts === 0) ?? [];
    if (oldest !== undefined) await this.#close(oldest);
  }

  async #close(id: string): Promise<void> {
    const file = this.#open.get(id);
    this.#open.delete(id);
    if (file === undefined) return;
    const handle = await file.handle.catch(() => undefined);
    await file.syncing;
    // Some file systems tell only now that they had no room, or lost something.
    await handle?.close().catch((error: unknown) => this.#giveUp(id, error));
  }
}
