import {
  closeSync,
  constants,
  existsSync,
  openSync,
  readFileSync,
  readSync,
  watch,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { heldByStopped } from "../agent/waiting.ts";
import { AgentError } from "../errors.ts";
import { type Base, Layer, ReadOnce } from "../store/layer.ts";
import type {
  ClientStore,
  LinkHolder,
  LinkLock,
  ReadTransaction,
  WriteOptions,
  WriteTransaction,
} from "../store/store.ts";
import { linkHolder, takeLink } from "./link-lock.ts";
import { SealedRecords } from "./sealed-records.ts";
import { checkNewPassphrase } from "../agent/new-passphrase.ts";
import { isGone, Mark } from "./marks.ts";
import { asOwnerOf } from "./program/owner.ts";
import { isBusy, patiently, readOnly, translate } from "./sqlite-errors.ts";
import { openDatabase, type Opened } from "./sqlite-open.ts";
import { SqliteRecords } from "./sqlite-records.ts";

/** Time after which a change of another process is noticed even where the file system reports nothing. */
const POLL_MS = 250;
/** Writes that wait together share one transaction and one fsync, up to so many. */
const GROUP = 64;

// What is written to the doorbell, over what was there: a commit, which every look at the database shows too, or that the
// link is free. Of one length, so that nothing needs to be cut off.
const CHANGED = "changed";
const FREE = "is free";

interface Pending extends WriteOptions {
  work: (tx: WriteTransaction) => Promise<unknown>;
  resolve: (value: unknown) => void;
  reject: (error: unknown) => void;
}

/** The store of an agent in its own folder. Any number of processes may have it open. */
export class SqliteStore implements ClientStore {
  readonly folder: string;
  /** Whether it can only be read, since its files cannot be written. */
  readonly readOnly: boolean;
  readonly #db: DatabaseSync;
  readonly #records: Base;
  readonly #listeners = new Set<() => void>();
  readonly #pending: Pending[] = [];
  #tail: Promise<void> = Promise.resolve();
  #watching: (() => void) | undefined;
  #doorbell: number | undefined;
  #mark: Mark | undefined;
  /** Only another connection's commit changes it; our own are counted. */
  readonly #dataVersion: StatementSync;
  #commits = 0;
  #closing: Promise<void> | undefined;
  #closed = false;

  private constructor(folder: string, { db, readOnly }: Opened, records: Base) {
    this.folder = folder;
    this.readOnly = readOnly;
    this.#db = db;
    this.#records = records;
    this.#dataVersion = db.prepare("PRAGMA data_version");
  }

  /**
   * Opens the store in `folder`, which is made if need be (0700, files 0600); one that cannot be written, for reading. With a passphrase its values are sealed; one that
   * has none yet gets it with `seal` only.
   * @throws AgentError home_unwritable, disk_full, store_newer, store_damaged, wrong_passphrase, weak_passphrase
   */
  static async open(folder: string, passphrase?: string, { seal = false } = {}): Promise<SqliteStore> {
    // Before a folder is made that would be in the way of the next attempt.
    if (passphrase !== undefined && !SqliteStore.exists(folder)) checkNewPassphrase(passphrase);
    let opened: Opened | undefined;
    try {
      opened = await openDatabase(folder);
      const records = new SqliteRecords(opened.db);
      const base = await SealedRecords.over({ ...opened, records, folder, passphrase, mayGet: seal });
      const store = new SqliteStore(folder, opened, base);
      // A process that was killed has left its -wal behind.
      if (!opened.readOnly) await store.scrub();
      return store;
    } catch (error) {
      opened?.db.close();
      throw translate(error, folder);
    }
  }

  /** Whether there is a store in this folder. */
  static exists(folder: string): boolean {
    return existsSync(join(folder, "agent.db"));
  }

  read<T>(work: (tx: ReadTransaction) => Promise<T>): Promise<T> {
    return this.#alone(async () => {
      try {
        await patiently(() => this.#beginRead());
        const value = await work(new Layer(new ReadOnce(this.#records)));
        this.#db.exec("COMMIT");
        return value;
      } catch (error) {
        if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
        throw this.#explain(error);
      }
    });
  }

  /** The snapshot is taken by the first statement, which waits while another process recovers the database. */
  #beginRead(): void {
    if (!this.#db.isTransaction) this.#db.exec("BEGIN");
    this.#db.exec("SELECT 1 FROM records LIMIT 1");
  }

  write<T>(work: (tx: WriteTransaction) => Promise<T>, options: WriteOptions = {}): Promise<T> {
    if (this.#closed) return Promise.reject(closed());
    if (this.readOnly) return Promise.reject(readOnly(this.folder));
    return new Promise<T>((resolve, reject) => {
      this.#pending.push({ ...options, work, resolve: resolve as (value: unknown) => void, reject });
      if (this.#pending.length === 1) this.#scheduleWrites();
    });
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    if (!this.#closed) this.#watching ??= this.#watch();
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size > 0) return;
      this.#watching?.();
      this.#watching = undefined;
    };
  }

  version(): string {
    return this.#closed ? "" : `${this.#others()}/${this.#commits}`;
  }

  #others(): number {
    return Number(this.#dataVersion.get()?.["data_version"]);
  }

  async takeLink(role: string): Promise<LinkLock | undefined> {
    if (this.#closed) throw closed();
    if (this.readOnly) throw readOnly(this.folder);
    return takeLink(this.folder, role, () => this.#ring(FREE));
  }

  async linkHolder(): Promise<LinkHolder | undefined> {
    return linkHolder(this.folder);
  }

  mark(): string | undefined {
    try {
      return (this.#mark ??= new Mark(this.folder)).name;
    } catch {
      // Without a mark nobody sees this process die: others wait until its claims run out.
      return undefined;
    }
  }

  isGone(mark: string): boolean {
    return this.#mark?.name !== mark && isGone(this.folder, mark);
  }

  async scrub(): Promise<boolean> {
    return this.#alone(async () => this.#checkpoint()).catch(() => false);
  }

  /** Without this, overwritten ratchet states stay readable in the -wal file. A reader holds it up. */
  #checkpoint(): boolean {
    return this.#db.prepare("PRAGMA wal_checkpoint(TRUNCATE)").get()?.["busy"] === 0;
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#shut());
  }

  /** What was begun is finished, what comes now is refused. */
  async #shut(): Promise<void> {
    this.#closed = true;
    this.#watching?.();
    for (let tail: unknown; tail !== this.#tail; await tail) tail = this.#tail;
    try {
      this.#checkpoint();
    } catch {
      // The next one who opens it does this.
    }
    if (this.#doorbell !== undefined) closeSync(this.#doorbell);
    this.#mark?.remove();
    this.#db.close();
    for (const listener of this.#listeners) listener();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** One task at a time: a second one on the same connection would land in the first one's transaction. */
  #alone<T>(task: () => Promise<T>): Promise<T> {
    return this.#closed ? Promise.reject(closed()) : this.#next(task);
  }

  #next<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(task);
    this.#tail = result.then(
      () => undefined,
      () => undefined,
    );
    return result;
  }

  #scheduleWrites(): void {
    // What was begun is finished, also when the store is being closed meanwhile.
    void this.#next(() => this.#writeGroup());
  }

  async #writeGroup(): Promise<void> {
    // What is written in the same turn of the event loop shares the fsync.
    await new Promise((resolve) => setImmediate(resolve));
    const group = this.#pending.splice(0, GROUP).toSorted((a, b) => Number(a.last === true) - Number(b.last === true));
    if (this.#pending.length > 0) this.#scheduleWrites();
    const settle: (() => void)[] = [];
    let changed: boolean;
    try {
      await patiently(() => this.#db.exec("BEGIN IMMEDIATE"));
      const whole = new Layer(new ReadOnce(this.#records));
      for (const { work, resolve, reject } of group) {
        const own = new Layer(whole);
        try {
          const value = await work(own);
          own.settle();
          settle.push(() => resolve(value));
        } catch (error) {
          settle.push(() => reject(this.#explain(error)));
        }
      }
      // After some errors SQLite has rolled back by itself: what is written now would stand alone.
      if (!this.#db.isTransaction) throw new Error("the transaction was lost");
      changed = whole.settle();
      this.#records.settled?.();
      this.#db.exec("COMMIT");
    } catch (error) {
      this.#records.undone?.();
      if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
      const translated = this.#explain(error);
      for (const { reject } of group) reject(translated);
      return;
    }
    if (changed) this.#commits += 1;
    for (const done of settle) done();
    if (!changed) return;
    this.#ring();
    const untold = group.at(-1)?.untold;
    for (const listener of this.#listeners) if (listener !== untold) listener();
  }

  /** Who was stopped in the midst of a transaction keeps the database, too. */
  #explain(error: unknown): unknown {
    const holder = isBusy(error) ? linkHolder(this.folder) : undefined;
    return holder?.stopped === true ? heldByStopped(holder, error) : translate(error, this.folder);
  }

  #ring(word: string = CHANGED): void {
    try {
      // The link may be let go of after the store is closed.
      if (this.#closed) return asOwnerOf(this.folder, () => writeFileSync(this.#bell, word, { mode: 0o600 }));
      this.#doorbell ??= asOwnerOf(this.folder, () =>
        openSync(this.#bell, constants.O_RDWR | constants.O_CREAT, 0o600),
      );
      writeSync(this.#doorbell, word, 0);
    } catch {
      // Others notice by polling.
    }
  }

  /** What the doorbell says: by what is open of it, if anything is, since each of our own commits shows here, too. */
  #read(file: string): string {
    if (this.#doorbell === undefined) return asOwnerOf(this.folder, () => readFileSync(file, "utf8"));
    const word = Buffer.alloc(FREE.length);
    return word.toString("utf8", 0, readSync(this.#doorbell, word, 0, word.length, 0));
  }

  get #bell(): string {
    return join(this.folder, "doorbell");
  }

  #watch(): () => void {
    let last = this.#others();
    let queued = false;
    const file = this.#bell;
    const isFree = () => this.#read(file) === FREE;
    const look = (rung: boolean) => {
      if (queued || this.#closed) return;
      queued = true;
      void this.#alone(async () => {
        queued = false;
        const now = this.#others();
        // Our own listeners were told at our own commit.
        if (now === last && !(rung && isFree())) return;
        last = now;
        for (const listener of this.#listeners) listener();
      }).catch(() => undefined);
    };
    let watcher: { close(): void } | undefined;
    try {
      const fsWatcher = asOwnerOf(this.folder, () => {
        if (!existsSync(file)) writeFileSync(file, "", { mode: 0o600 });
        return watch(file, () => look(true));
      });
      fsWatcher.on("error", () => fsWatcher.close());
      fsWatcher.unref();
      watcher = fsWatcher;
    } catch {
      // Polling alone will do.
    }
    const timer = setInterval(() => look(false), POLL_MS);
    return () => {
      clearInterval(timer);
      watcher?.close();
    };
  }
}

const closed = () => new AgentError("closed", "the store is closed");
