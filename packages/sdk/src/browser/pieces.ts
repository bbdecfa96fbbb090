/**
 * Files in the browser's own file system (https://fs.spec.whatwg.org), each in a folder of its own as pieces of one length. What is written there
 * by a page is kept when it is closed, and lost with a page that is gone before: so a file that is long under way is made of many.
 */
import { AgentError } from "../errors.ts";

/** Bytes of each piece but the last: as much is lost at most with a page that is gone. */
const PIECE_BYTES = 4 * 2 ** 20;

/** A folder, by the names on the way to it. */
export type Place = readonly string[];

/** The folder at a place; undefined if it is not there. */
export function folderAt(place: Place, options: { create: true }): Promise<FileSystemDirectoryHandle>;
export function folderAt(place: Place): Promise<FileSystemDirectoryHandle | undefined>;
export async function folderAt(
  place: Place,
  options: { create?: boolean } = {},
): Promise<FileSystemDirectoryHandle | undefined> {
  try {
    let folder = await navigator.storage.getDirectory();
    for (const name of place) folder = await folder.getDirectoryHandle(name, options);
    return folder;
  } catch (error) {
    return goneOnly(error);
  }
}

/** Removes a folder with all that is in it, if it is there. */
export async function removeFolder(place: Place): Promise<void> {
  const name = place.at(-1);
  const above = await folderAt(place.slice(0, -1));
  if (name !== undefined) await above?.removeEntry(name, { recursive: true }).catch(goneOnly);
}

/** Names of the folders in one; none if it is not there. */
export async function foldersIn(place: Place): Promise<string[]> {
  const names: string[] = [];
  const folder = await folderAt(place);
  if (folder !== undefined)
    for await (const { kind, name } of folder.values()) if (kind === "directory") names.push(name);
  return names;
}

/** The pieces that are there, in their order, and whole but for the last. */
async function piecesOf(folder: FileSystemDirectoryHandle): Promise<File[]> {
  const pieces: File[] = [];
  for (let full = true; full;) {
    const handle = await folder.getFileHandle(String(pieces.length)).catch(goneOnly);
    if (handle === undefined) break;
    const piece = await handle.getFile();
    pieces.push(piece);
    full = piece.size === PIECE_BYTES;
  }
  return pieces;
}

/** The file at a place, as one: nothing of it is read. Undefined if there is none. */
export async function wholeAt(place: Place, name: string): Promise<File | undefined> {
  const folder = await folderAt(place);
  if (folder === undefined) return undefined;
  // Without its sender's word for it: what the page opens must be no page of its own origin.
  return new File(await piecesOf(folder), name, { type: "application/octet-stream" });
}

/** When something of the file at a place was written last (Unix ms); undefined if nothing was. */
export async function writtenAt(place: Place): Promise<number | undefined> {
  const folder = await folderAt(place);
  const times = folder === undefined ? [] : (await piecesOf(folder)).map(({ lastModified }) => lastModified);
  return times.length === 0 ? undefined : Math.max(...times);
}

/** A file that is written from its beginning, or on from where it was left. */
export class Pieces {
  readonly #folder: FileSystemDirectoryHandle;
  /** Those that are whole, and written. */
  readonly #whole: File[];
  /** What stands behind them, which is written when it is a whole one, or by {@link flush}. */
  #last = new Uint8Array(PIECE_BYTES);
  #lastBytes = 0;
  #isWritten = true;

  private constructor(folder: FileSystemDirectoryHandle, whole: File[]) {
    this.#folder = folder;
    this.#whole = whole;
  }

  static async open(place: Place): Promise<Pieces> {
    const folder = await folderAt(place, { create: true });
    const found = await piecesOf(folder);
    const rest = found.at(-1)?.size === PIECE_BYTES ? undefined : found.pop();
    const pieces = new Pieces(folder, found);
    if (rest !== undefined) pieces.#fill(await bytesOf(rest));
    return pieces;
  }

  get bytes(): number {
    return this.#whole.length * PIECE_BYTES + this.#lastBytes;
  }

  /** Writes behind what is there. @throws Error with the code ENOSPC: what was written before is there */
  async append(bytes: Uint8Array): Promise<void> {
    for (let rest = bytes; rest.length > 0;) {
      if (this.#lastBytes === PIECE_BYTES) await this.#turnOver();
      const part = rest.subarray(0, PIECE_BYTES - this.#lastBytes);
      this.#last.set(part, this.#lastBytes);
      this.#lastBytes += part.length;
      this.#isWritten = false;
      rest = rest.subarray(part.length);
    }
    if (this.#lastBytes === PIECE_BYTES) await this.#turnOver();
  }

  async read(from: number, to: number): Promise<Uint8Array> {
    const end = Math.min(to, this.bytes);
    const bytes = new Uint8Array(Math.max(0, end - from));
    for (let at = from; at < end;) {
      const [index, within] = [Math.floor(at / PIECE_BYTES), at % PIECE_BYTES];
      const length = Math.min(PIECE_BYTES - within, end - at);
      const whole = this.#whole[index];
      const part =
        whole === undefined
          ? this.#last.subarray(within, within + length)
          : await bytesOf(whole.slice(within, within + length));
      bytes.set(part, at - from);
      at += length;
    }
    return bytes;
  }

  /** Leaves so many of its bytes. */
  async truncate(bytes: number): Promise<void> {
    if (bytes > this.bytes) throw new RangeError("there would be a hole in the file");
    const count = Math.floor(bytes / PIECE_BYTES);
    const written = this.#whole.length + (this.#lastBytes > 0 ? 1 : 0);
    if (count < this.#whole.length) {
      const kept = await bytesOf((this.#whole[count] as File).slice(0, bytes % PIECE_BYTES));
      this.#whole.length = count;
      this.#lastBytes = 0;
      this.#fill(kept);
    }
    this.#lastBytes = bytes % PIECE_BYTES;
    this.#isWritten = false;
    // From the end: where it ends in between nothing is left that has no beginning.
    for (let at = written - 1; at > count; at--) await this.#folder.removeEntry(String(at)).catch(goneOnly);
    await this.flush();
  }

  /** Has the browser keep all of it. @throws Error with the code ENOSPC */
  async flush(): Promise<void> {
    if (this.#isWritten) return;
    await this.#write();
    this.#isWritten = true;
  }

  async #turnOver(): Promise<void> {
    this.#whole.push(await this.#write());
    this.#lastBytes = 0;
    this.#isWritten = true;
  }

  /** The piece is there as a whole, or as it was before. */
  async #write(): Promise<File> {
    let output: FileSystemWritableFileStream | undefined;
    try {
      const handle = await this.#folder.getFileHandle(String(this.#whole.length), { create: true });
      output = await handle.createWritable();
      await output.write(this.#last.subarray(0, this.#lastBytes));
      await output.close();
      return await handle.getFile();
    } catch (error) {
      await output?.abort().catch(() => undefined);
      throw explained(error);
    }
  }

  #fill(bytes: Uint8Array): void {
    this.#last.set(bytes);
    this.#lastBytes = bytes.length;
  }
}

async function bytesOf(blob: Blob): Promise<Uint8Array> {
  try {
    return new Uint8Array(await blob.arrayBuffer());
  } catch (error) {
    throw explained(error);
  }
}

function goneOnly(error: unknown): undefined {
  if (!(error instanceof DOMException) || error.name !== "NotFoundError") throw explained(error);
}

/** As other systems say it that there is no room; and that what a page had is gone. */
function explained(error: unknown): unknown {
  if (!(error instanceof DOMException)) return error;
  if (error.name === "QuotaExceededError") return Object.assign(new Error("there is no room"), { code: "ENOSPC" });
  return new AgentError("file_failed", `the browser's own files cannot be used: ${error.message} (${error.name})`, {
    reason: "unwritable",
    hint: "reload the page; the site's data may have been cleared",
    cause: error,
  });
}
