import { randomBytes } from "node:crypto";
import { constants, lstatSync, rmSync, statfsSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";

/** Written at once. Random, so that no file system makes it smaller. */
const PIECE_BYTES = 2 ** 20;
/** Less is of no use to anybody. */
const LEAST_BYTES = 2 ** 18;
/** What is there is not begun anew, and no link is followed. */
const APPEND = constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND | constants.O_NOFOLLOW;

/** Bytes that this user may still take of the disk on which a folder is. */
export function freeBytes(folder: string): number {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
}

/** The reserve on the disk of a folder, if so much is asked for: never more than half of it. */
export function reserveOn(folder: string, bytes: number): number {
  const { blocks, bsize } = statfsSync(folder);
  return Math.min(bytes, Math.floor((blocks * bsize) / 2));
}

/** Asks how many bytes of a database are free. */
export function reusableBytes(db: DatabaseSync): () => number {
  const free = db.prepare("SELECT freelist_count * page_size AS bytes FROM pragma_freelist_count, pragma_page_size");
  return () => (free.get() as { bytes: number }).bytes;
}

/**
 * Whether mail has to wait because what is left is kept for logins, acknowledgements and sweeps: SQLite writes a log to delete, too.
 * Pages of the database that are free count as room, but not for the log.
 * @param before Whether it was so at the last look.
 */
export function isShort(free: number, reusable: number, reserve: number, before = true): boolean {
  // Once mail waits it does until there is clearly more: not for one message, and then again.
  const kept = before ? (reserve * 9) / 8 : reserve;
  return free + reusable < kept || free < kept / 2;
}

/**
 * Room on the disk that is kept from mail, and from others: a file of that size, or of less on a small disk, holds as much again, and
 * is given back when somebody else has taken the rest.
 */
export class Reserve implements AsyncDisposable {
  readonly #folder: string;
  readonly #file: string;
  readonly #bytes: number;
  #making: Promise<void> | undefined;
  #short: boolean;
  #open = true;

  /** @param bytes 0: nothing is kept. */
  constructor(folder: string, bytes: number) {
    this.#folder = folder;
    this.#file = join(folder, "reserve");
    this.#bytes = reserveOn(folder, bytes);
    this.#short = bytes > 0;
  }

  /** Whether mail was to wait at the last look. */
  get isShort(): boolean {
    return this.#short;
  }

  /** Resolves when nothing of it is being written. */
  get made(): Promise<void> {
    return this.#making ?? Promise.resolve();
  }

  /** Gives back what is held if there is hardly anything else, as before a start. */
  yield(): void {
    if (this.#bytes === 0 || freeBytes(this.#folder) < this.#bytes / 2) rmSync(this.#file, { force: true });
  }

  /** @param reusable Bytes of the database that are free; asked for only where it matters. */
  look(reusable: () => number): void {
    if (this.#bytes === 0) return;
    const free = freeBytes(this.#folder);
    const asksForMore = free < 2 * this.#bytes;
    this.#short = asksForMore && isShort(free, reusable(), this.#bytes, this.#short);
    this.yield();
    const held = this.#held();
    // Of a small disk half of what mail could take.
    const size = Math.min(this.#bytes, Math.floor((free + held - this.#bytes) / 2));
    if (size - held < LEAST_BYTES && held <= this.#bytes) return;
    this.#making ??= this.#make(held, size).finally(() => (this.#making = undefined));
  }

  /** How large the file is now: of another size, or half written, by a relay before this one. Anything else is removed. */
  #held(): number {
    const found = lstatSync(this.#file, { throwIfNoEntry: false });
    if (found === undefined) return 0;
    if (found.isFile() && found.nlink === 1) return found.size;
    rmSync(this.#file, { force: true });
    return 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#open = false;
    await this.#making;
  }

  async #make(held: number, size: number): Promise<void> {
    const piece = randomBytes(PIECE_BYTES);
    try {
      await using file = await open(this.#file, APPEND, 0o600);
      if (held > size) await file.truncate(size);
      for (let left = size - held; left > 0 && this.#open; left -= PIECE_BYTES)
        await file.writeFile(piece.subarray(0, Math.min(left, PIECE_BYTES)));
      if (this.#open) await file.sync();
    } catch {
      // Then there is none, until the next look.
      rmSync(this.#file, { force: true });
    }
  }
}
