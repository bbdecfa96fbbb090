import type { Log } from "../log.ts";
import type { Blob, BlobRows } from "../store/blob-rows.ts";
import { DAY_MS, dayOf } from "../store/days.ts";
import type { Heap } from "../socket/heap.ts";
import type { BlobStore } from "../store/blob-store.ts";
import { sweepBlobs } from "./sweep.ts";

/** How often what has ended is looked for. Milliseconds. */
const SWEEP_MS = 60_000;
/** A file is sent so many times a day to each of its readers, so that a token that has got about does not take the line. [P-14.7] */
const READS = 4;

/** What comes of one file now. */
interface Upload {
  owner: string;
  end: () => void;
  done: Promise<void>;
}

interface BlobsOptions {
  rows: BlobRows;
  store: BlobStore;
  clock: () => number;
  log: Log;
  /** Of a relay that has a process of its own. */
  heap: Heap | undefined;
}

/** The encrypted files of a relay: what is known of them, and their bytes. */
export class Blobs implements AsyncDisposable {
  readonly rows: BlobRows;
  readonly store: BlobStore;
  readonly clock: () => number;
  readonly #log: Log;
  readonly #heap: Heap | undefined;
  readonly #uploads = new Map<string, Upload>();
  /** Bytes of each file that were sent today. */
  readonly #sent = new Map<string, number>();
  #day = 0;
  readonly #timer: NodeJS.Timeout;
  #sweeping: Promise<void> | undefined;
  readonly #stop = new AbortController();

  constructor({ rows, store, clock, log, heap }: BlobsOptions) {
    this.rows = rows;
    this.store = store;
    this.clock = clock;
    this.#log = log;
    this.#heap = heap;
    this.#timer = setInterval(() => this.sweep(), SWEEP_MS);
    this.#timer.unref();
    this.sweep();
  }

  /** So many bytes have come or left: what that leaves in memory is collected now and then. */
  carried(bytes: number): void {
    this.#heap?.carry(bytes);
  }

  /** Whether so many bytes may come now. Since they were asked for others may have taken the disk. */
  async hasRoom(bytes: number): Promise<boolean> {
    return (await this.rows.room(await this.store.free())) >= bytes;
  }

  /** Ends what comes of a file now. @returns how many of its bytes are there */
  async takeOver(blob: Blob): Promise<number> {
    await this.#end(blob.id);
    const known = await this.rows.find(blob.id);
    return known === undefined ? 0 : this.come(known);
  }

  /** Bytes of a file that are there: after a crash fewer than were known to have come. */
  async come({ id, come, bytes, sealed }: Blob): Promise<number> {
    return sealed ? bytes : Math.min(come, await this.store.size(id));
  }

  /** Begins to take in more of a file, which ends whoever does so now. `end` is called when it has to end itself. @returns what says that it has */
  async begin({ id, owner }: Blob, end: () => void): Promise<() => void> {
    const before = this.#uploads.get(id);
    const { promise, resolve } = Promise.withResolvers<void>();
    const upload = { owner, end, done: promise };
    this.#uploads.set(id, upload);
    before?.end();
    await before?.done;
    return () => {
      if (this.#uploads.get(id) === upload) this.#uploads.delete(id);
      resolve();
    };
  }

  /** Ends what comes of the files of an account now. */
  endUploadsOf(owner: string): void {
    for (const upload of this.#uploads.values()) if (upload.owner === owner) upload.end();
  }

  /** Has the disk take a file of which everything has come. @returns whether it has it */
  async seal(blob: Blob): Promise<boolean> {
    if (!(await this.store.seal(blob.id, blob.bytes))) {
      await this.rows.advance(blob.id, blob.bytes, await this.store.size(blob.id));
      return false;
    }
    return this.rows.seal(blob.id);
  }

  /** Removes a file: of an account, by its mailbox, or whosever it is. */
  async remove(id: string, mailbox?: number): Promise<boolean> {
    if (!(await this.rows.remove(id, mailbox))) return false;
    await this.#end(id);
    await this.store.remove(id);
    this.#sent.delete(id);
    return true;
  }

  /** Counts bytes that are about to be sent. @returns 0, or milliseconds until there may be more [P-14.7] */
  send({ id, bytes, readers }: Blob, count: number): number {
    const now = this.clock();
    if (dayOf(now) !== this.#day) this.#sent.clear();
    this.#day = dayOf(now);
    const sent = this.#sent.get(id) ?? 0;
    if (sent + count > READS * readers * bytes) return DAY_MS - (now % DAY_MS);
    this.#sent.set(id, sent + count);
    return 0;
  }

  /** Some of those were not sent. */
  unsent({ id }: Blob, count: number): void {
    this.#sent.set(id, Math.max(0, (this.#sent.get(id) ?? 0) - count));
  }

  /** Removes what has expired, was not finished, or is known to nobody. */
  sweep(): void {
    this.#sweeping ??= sweepBlobs(this, this.#stop.signal)
      .catch((error: unknown) => this.#log.error({ err: error }, "sweep of files failed"))
      .finally(() => (this.#sweeping = undefined));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    this.#stop.abort();
    await Promise.all([...this.#uploads.keys()].map((id) => this.#end(id)));
    await this.#sweeping;
    await this.store[Symbol.asyncDispose]();
  }

  async #end(id: string): Promise<void> {
    const upload = this.#uploads.get(id);
    upload?.end();
    await upload?.done;
  }
}
