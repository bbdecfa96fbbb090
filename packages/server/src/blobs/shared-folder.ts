import { type FileHandle, open, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { BlobStore, Kept } from "../store/blob-store.ts";
import { blobPath, MARK, syncNames } from "../store/blob-layout.ts";
import { filesIn, FolderMark, freeIn, openPart, piecesOf, READ, unlessGone, writeAll } from "./folder-files.ts";
import { Lane } from "./lane.ts";

/** Calls at a time. Of Node's four threads for all files a network's disk that hangs must leave some. */
const AT_A_TIME = 2;

/**
 * A file each in a folder that several relays have, by a network or on one machine. Nothing is kept open between two calls, and a part
 * counts when the disk has it: so another relay can go on from there at any time, finds what this one has acknowledged, and what a disk did
 * not take is heard of by whoever brings it. That costs a wait for the disk with each part.
 */
export class SharedFolder implements BlobStore {
  readonly markedBy: string;
  readonly #folder: string;
  readonly #mark: FolderMark;
  readonly #lane = new Lane(AT_A_TIME);

  constructor(folder: string) {
    this.#folder = folder;
    this.#mark = new FolderMark(folder);
    this.markedBy = join(folder, MARK);
  }

  putPart(id: string, offset: number, bytes: readonly Uint8Array[]): Promise<void> {
    return this.#lane.run(async () => {
      const handle = await openPart(this.#path(id), offset === 0);
      await using closing = closed(handle);
      await writeAll(handle, bytes, offset);
      await handle.datasync();
      await closing.now();
    });
  }

  async size(id: string): Promise<number> {
    return this.#lane.run(async () => {
      const handle = await this.#find(id);
      if (handle === undefined) return 0;
      await using _ = closed(handle);
      return (await handle.stat()).size;
    });
  }

  seal(id: string, bytes: number): Promise<boolean> {
    return this.#lane.run(async () => {
      const handle = await this.#find(id);
      if (handle === undefined) return false;
      await using closing = closed(handle);
      if ((await handle.stat()).size !== bytes) return false;
      await handle.sync();
      await closing.now();
      for (const folder of [dirname(this.#path(id)), this.#folder]) await syncNames(folder);
      return true;
    });
  }

  async *read(id: string, start: number, end: number): AsyncIterable<Uint8Array> {
    const handle = await this.#lane.run(() => open(this.#path(id), READ));
    await using _ = closed(handle);
    yield* piecesOf(handle, { start, end, inTurn: (call) => this.#lane.run(call) });
  }

  async remove(id: string): Promise<void> {
    await this.#lane.run(() => rm(this.#path(id), { force: true }));
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
    // Nothing is open.
  }

  #path(id: string): string {
    return blobPath(this.#folder, id);
  }

  /**
   * Opens a file as it is now. A machine remembers for a while how long files of a network are, and which are not there: that of one which is
   * opened is asked anew, and the names of a folder are when that is opened. A file that another relay has just made whole must not seem lost.
   */
  async #find(id: string): Promise<FileHandle | undefined> {
    const path = this.#path(id);
    const found = await unlessGone(open(path, READ));
    if (found !== undefined) return found;
    for (const folder of [this.#folder, dirname(path)]) await (await unlessGone(open(folder, "r")))?.close();
    return unlessGone(open(path, READ));
  }
}

interface Closing extends AsyncDisposable {
  /** Closes it where it matters that this fails: file systems of networks tell of what was not written only then. */
  now: () => Promise<void>;
}

function closed(handle: FileHandle): Closing {
  let isClosed = false;
  const now = async (): Promise<void> => {
    if (isClosed) return;
    isClosed = true;
    await handle.close();
  };
  return { now, [Symbol.asyncDispose]: () => now().catch(() => {}) };
}
