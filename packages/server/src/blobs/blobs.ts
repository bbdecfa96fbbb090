import type { Log } from "../log.ts";
import type { Blob, BlobRows } from "../store/blob-rows.ts";
import { DAY_MS, dayOf } from "../store/days.ts";
import type { BlobStore } from "../store/blob-store.ts";
import { Pace } from "./pace.ts";
import { BlobPlace } from "./place.ts";
import { BlobSweep } from "./sweep.ts";

/** How often what has ended is looked for. Milliseconds. */
const SWEEP_MS = 60_000;
/** Errors are told of so often at most. Milliseconds. */
const SAY_MS = 60_000;
/** A file is sent so many times a day to each of its readers, so that a token that has got about does not take the line. [P-14.7] */
const READS = 4;

/** Who gets a file now. */
interface Reader {
  end: () => void;
  done: Promise<void>;
}

/** Who brings one. */
interface Upload extends Reader {
  owner: string;
}

/** What is known of a file that is whole. */
export type Whole = Pick<Blob, "id" | "bytes">;

/** Room for a part that comes. */
export interface Coming extends Disposable {
  /** So many bytes of it were written: the disk has less free by them. */
  written(bytes: number): void;
}

interface BlobsOptions {
  rows: BlobRows;
  store: BlobStore;
  /** Id of the relay's log. */
  logId: string;
  clock: () => number;
  log: Log;
  /** Told of bytes that have come or left, which leave garbage. */
  onCarried?: (bytes: number) => void;
}

/** Bytes of a file that are counted for a day. */
interface Sending {
  /** 0, or milliseconds until there may be so many, and none are counted now. */
  wait: number;
  /** Some of them were not sent. */
  unsent: (count: number) => void;
}

/** The encrypted files of a relay: what is known of them, and their bytes. */
export class Blobs implements AsyncDisposable {
  readonly rows: BlobRows;
  readonly store: BlobStore;
  readonly clock: () => number;
  readonly #log: Log;
  readonly #onCarried: ((bytes: number) => void) | undefined;
  readonly pace = new Pace();
  /** When an error was told of last. */
  #saidAt = -Infinity;
  readonly #place: BlobPlace;
  readonly #sweep: BlobSweep;
  /** Bytes of parts that were let in, and are not written yet. */
  #coming = 0;
  readonly #uploads = new Map<string, Upload>();
  /** Those to whom a file is handed out now, by its id. */
  readonly #readers = new Map<string, Set<Reader>>();
  /** Bytes of each file that were sent today. */
  readonly #sent = new Map<string, number>();
  #day = 0;
  readonly #timer: NodeJS.Timeout;
  #sweeping: Promise<void> | undefined;
  readonly #stop = new AbortController();

  constructor({ rows, store, logId, clock, log, onCarried }: BlobsOptions) {
    this.rows = rows;
    this.store = store;
    this.clock = clock;
    this.#log = log;
    this.#onCarried = onCarried;
    this.#place = new BlobPlace({ rows, store, logId, log });
    const isThere = (): Promise<boolean> => this.isThere();
    const isLost = async (blob: Whole): Promise<boolean> => (await this.whereIs(blob)) === "lost";
    this.#sweep = new BlobSweep({ rows, store, isThere, isLost, discard: (id) => this.#discard(id) });
    this.#timer = setInterval(() => this.sweep(), SWEEP_MS);
    this.#timer.unref();
    this.sweep();
  }

  /** So many bytes have come or left. Resolves when there may be more. */
  carried(bytes: number): Promise<void> {
    this.#onCarried?.(bytes);
    return this.pace.passed(bytes);
  }

  /** Whether the files are where they were: else none is taken, handed out or given up. [P-14.8] */
  isThere(): Promise<boolean> {
    return this.#place.isOurs();
  }

  /** Keeps room for a part, if there is any beside what else comes. Since its file was asked for others may have taken the disk. */
  async letCome(bytes: number): Promise<Coming | undefined> {
    const room = await this.rows.room(await this.store.free());
    if (room - this.#coming < bytes) return undefined;
    let left = bytes;
    const written = (count: number): void => {
      left -= count;
      this.#coming -= count;
    };
    this.#coming += bytes;
    return { written, [Symbol.dispose]: () => written(left) };
  }

  /** Says in the log what went wrong with a file, a line a minute at most: a disk that fails does so for each. */
  failed(error: unknown, what: string): void {
    const now = performance.now();
    if (now - this.#saidAt < SAY_MS) return;
    this.#saidAt = now;
    this.#log.error({ err: error }, what);
  }

  /** Has whoever brings a file end. */
  endUpload(id: string): void {
    this.#uploads.get(id)?.end();
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

  /** Begins to hand a file out. `end` is called when it is removed: its bytes are gone only when nobody has it open. @returns what says that it has ended */
  beginReading(id: string, end: () => void): () => void {
    const readers = this.#readers.get(id) ?? new Set();
    const { promise, resolve } = Promise.withResolvers<void>();
    const reader = { end, done: promise };
    this.#readers.set(id, readers.add(reader));
    return () => {
      readers.delete(reader);
      if (readers.size === 0) this.#readers.delete(id);
      resolve();
    };
  }

  /** Ends what comes of the files of an account now. */
  endUploadsOf(owner: string): void {
    for (const upload of this.#uploads.values()) if (upload.owner === owner) upload.end();
  }

  /** Has the disk take a file of which everything has come. @returns whether it has it: else its uploader begins anew */
  async seal(blob: Blob): Promise<boolean> {
    const isKept = await this.store.seal(blob.id, blob.bytes);
    // What another folder has kept, in which a disk was to be, is not there when that is.
    if (!(await this.isThere())) return false;
    if (isKept) return this.rows.seal(blob.id);
    await this.rows.advance(blob.id, blob.bytes, await this.store.size(blob.id));
    return false;
  }

  /** Where a whole file is: here, lost where the others are, or away with the place of all. */
  async whereIs({ id, bytes }: Whole): Promise<"here" | "lost" | "away"> {
    const isHere = async (): Promise<boolean> => (await this.store.size(id)) === bytes;
    if (await isHere()) return "here";
    if (!(await this.isThere())) return "away";
    // Once more: its place may have been gone for that moment.
    return (await isHere()) ? "here" : "lost";
  }

  /** Removes a file: of an account, by its mailbox, by its upload token, or whatever it is. */
  async remove(id: string, by?: number | "token"): Promise<boolean> {
    if (!(await this.rows.remove(id, by))) return false;
    await this.#discard(id);
    return true;
  }

  /** Counts bytes that are about to be sent. [P-14.7] */
  send({ id, bytes, readers, held }: Blob, count: number): Sending {
    // Whoever has mail that names it needs it, however often.
    if (held) return { wait: 0, unsent: () => {} };
    const now = this.clock();
    const day = dayOf(now);
    if (day !== this.#day) this.#sent.clear();
    this.#day = day;
    const sent = this.#sent.get(id) ?? 0;
    if (sent + count > READS * readers * bytes) return { wait: DAY_MS - (now % DAY_MS), unsent: () => {} };
    this.#sent.set(id, sent + count);
    const unsent = (left: number): void => {
      const counted = this.#sent.get(id);
      // Neither of another day, nor of a file that is gone.
      if (counted !== undefined && day === this.#day) this.#sent.set(id, counted - left);
    };
    return { wait: 0, unsent };
  }

  /** Removes what has expired, was not finished, or is known to nobody. */
  sweep(): void {
    this.#sweeping ??= this.#sweep
      .run(this.#stop.signal)
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

  /** Removes what is there of a file that has no row any more. */
  async #discard(id: string): Promise<void> {
    await this.#end(id);
    const readers = [...(this.#readers.get(id) ?? [])];
    for (const { end } of readers) end();
    await Promise.all(readers.map(({ done }) => done));
    await this.store.remove(id);
    this.#sent.delete(id);
  }

  async #end(id: string): Promise<void> {
    const upload = this.#uploads.get(id);
    upload?.end();
    await upload?.done;
  }
}
