import { setTimeout as delay } from "node:timers/promises";
import type { Log } from "../log.ts";
import type { BlobRows } from "../store/blob-rows.ts";
import type { BlobStore } from "../store/blob-store.ts";
import { StorageError } from "../store/store.ts";

/** Files by which a place without a mark is known: of so many most are there still. */
const KNOWN_BY = 500;
/** A network's disk may hang for as long as its server is away. Milliseconds. */
const PATIENCE_MS = 5_000;

interface PlaceOptions {
  rows: BlobRows;
  store: BlobStore;
  /** Id of the relay's log: a database that was made anew has another one. It becomes the mark of a place that has none, and may change later. */
  logId: string;
  log: Log;
  /** Milliseconds after which a place that does not answer is away. */
  patience?: number;
}

/**
 * Whether files lie where the database has had them. Where a disk is not mounted there is another folder, in which nothing is; of that nothing
 * follows for the files. So a place bears a mark, which the database knows, and without it nothing is taken, handed out or given up.
 */
export class BlobPlace {
  readonly #rows: BlobRows;
  readonly #store: BlobStore;
  readonly #logId: string;
  readonly #log: Log;
  readonly #patience: number;
  #mark: string | undefined;
  #claiming: Promise<boolean> | undefined;
  #wasOurs = true;
  /** A look that has not ended: another one would hang as well, and take a thread of those that are there for all files. */
  #hanging: Promise<unknown> | undefined;

  constructor({ rows, store, logId, log, patience = PATIENCE_MS }: PlaceOptions) {
    this.#rows = rows;
    this.#store = store;
    this.#logId = logId;
    this.#log = log;
    this.#patience = patience;
  }

  /** Looks, and says in the log when that has changed. */
  async isOurs(): Promise<boolean> {
    // What the database cannot say just now is not of the place, and others say it.
    if (!(await this.#readMark())) return false;
    let why: unknown;
    const isOurs = await this.#lookWithin(this.#patience).catch((error: unknown) => {
      why = error;
      return false;
    });
    if (isAway(why)) return false;
    if (isOurs !== this.#wasOurs) this.#say(isOurs, why);
    this.#wasOurs = isOurs;
    return isOurs;
  }

  async #lookWithin(patience: number): Promise<boolean> {
    if (this.#hanging !== undefined) throw new Error("it does not answer");
    const over = new AbortController();
    const look = this.#look().finally(() => over.abort());
    look.catch(() => {});
    const isLate = delay(patience, true, { signal: over.signal, ref: false }).catch(() => false);
    if (!(await isLate)) return look;
    const hanging = look.catch(() => {}).finally(() => (this.#hanging = undefined));
    this.#hanging = hanging;
    throw new Error("it does not answer");
  }

  /** @returns whether the database could be asked */
  async #readMark(): Promise<boolean> {
    try {
      this.#mark ??= await this.#rows.mark();
      return true;
    } catch (error) {
      if (isAway(error)) return false;
      throw error;
    }
  }

  async #look(): Promise<boolean> {
    const owner = await this.#store.owner();
    if (this.#mark !== undefined) return owner === this.#mark;
    this.#claiming ??= this.#claim(owner).finally(() => (this.#claiming = undefined));
    return this.#claiming;
  }

  /** Has the database know the mark of a place, which gets one if it may be the database's. */
  async #claim(owner: string | undefined): Promise<boolean> {
    if (owner === undefined) {
      if (!(await this.#mayBeOurs())) return false;
      await this.#store.claim(this.#logId);
    } else if (owner !== this.#logId) return false;
    await this.#rows.setMark(this.#logId);
    // Of relays that come at once, and whose log had another id before, one has said it first.
    this.#mark = await this.#rows.mark();
    return this.#mark === this.#logId;
  }

  /** A place without a mark: of a database that is new, or was used before there were marks. */
  async #mayBeOurs(): Promise<boolean> {
    const known = await this.#rows.sealedAfter("", KNOWN_BY);
    let found = 0;
    for (const { id, bytes } of known) if ((await this.#store.size(id)) === bytes) found += 1;
    if (known.length > 0) return found > known.length / 2;
    for await (const { id } of this.#store.list()) return (await this.#rows.known([id])).size > 0;
    return true;
  }

  #say(isOurs: boolean, why: unknown): void {
    if (isOurs) return this.#log.warn("the encrypted files are in their place again: they are taken and handed out");
    const mark = this.#mark ?? this.#logId;
    return this.#log.error(
      why === undefined ? {} : { err: why },
      `the folder of encrypted files is not the one that belongs to this database: none is taken, handed out or removed until it is there, as when its disk is mounted; mail goes on. If its files are lost for good, write ${mark} into ${this.#store.markedBy ?? "the file relay_id of the folder blobs"}`,
    );
  }
}

function isAway(error: unknown): boolean {
  return error instanceof StorageError && error.isAway;
}
