import { randomBytes } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readFileSync, watch, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { AgentError } from "../errors.ts";
import type {
  ClientStore,
  LinkHolder,
  LinkLock,
  Range,
  ReadTransaction,
  Value,
  WriteTransaction,
} from "../store/store.ts";

const FORMAT = 1;
// SQLite's own wait blocks the event loop, so it is short, and what is longer is waited for asynchronously.
const BUSY_MS = 10;
const BUSY_LIMIT_MS = 10_000;
/** Time after which a change of another process is noticed even where the file system reports nothing. */
const POLL_MS = 250;
/** Writes that wait together share one transaction and one fsync, up to so many. */
const GROUP = 64;

interface Pending {
  work: (tx: WriteTransaction) => Promise<unknown>;
  resolve: (value: unknown) => void;
  reject: (error: unknown) => void;
}

/** The store of an agent in its own folder. Any number of processes may have it open. */
export class SqliteStore implements ClientStore {
  readonly folder: string;
  readonly #db: DatabaseSync;
  readonly #tx: Statements;
  readonly #listeners = new Set<() => void>();
  readonly #pending: Pending[] = [];
  #tail: Promise<void> = Promise.resolve();
  #watching: (() => void) | undefined;
  #closed = false;

  private constructor(folder: string, db: DatabaseSync) {
    this.folder = folder;
    this.#db = db;
    this.#tx = new Statements(db);
  }

  /**
   * Opens the store in `folder`, which is made if need be (0700, files 0600).
   * @throws AgentError home_unwritable, disk_full, store_newer, store_damaged
   */
  static async open(folder: string): Promise<SqliteStore> {
    try {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      const file = join(folder, "agent.db");
      // SQLite makes its -wal and -shm with the mode of the database.
      if (!existsSync(file)) writeFileSync(file, "", { mode: 0o600, flag: "a" });
      chmodSync(folder, 0o700);
      const db = new DatabaseSync(file, { timeout: BUSY_MS });
      await patiently(() => prepare(db));
      return new SqliteStore(folder, db);
    } catch (error) {
      throw translate(error, folder);
    }
  }

  /** Whether there is a store in this folder. */
  static exists(folder: string): boolean {
    return existsSync(join(folder, "agent.db"));
  }

  read<T>(work: (tx: ReadTransaction) => Promise<T>): Promise<T> {
    return this.#alone(async () => {
      this.#db.exec("BEGIN");
      try {
        return await work(this.#tx);
      } finally {
        this.#db.exec("COMMIT");
      }
    });
  }

  write<T>(work: (tx: WriteTransaction) => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#pending.push({ work, resolve: resolve as (value: unknown) => void, reject });
      if (this.#pending.length === 1) this.#scheduleWrites();
    });
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    this.#watching ??= this.#watch();
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size > 0) return;
      this.#watching?.();
      this.#watching = undefined;
    };
  }

  async takeLink(role: string): Promise<LinkLock | undefined> {
    const file = join(this.folder, "link.db");
    let lock: DatabaseSync | undefined;
    try {
      if (!existsSync(file)) writeFileSync(file, "", { mode: 0o600, flag: "a" });
      lock = new DatabaseSync(file, { timeout: 0 });
      // The system drops the lock the instant that this process dies, however it dies.
      lock.exec("BEGIN EXCLUSIVE");
      writeFileSync(join(this.folder, "link.json"), JSON.stringify({ pid: process.pid, role }), { mode: 0o600 });
    } catch (error) {
      lock?.close();
      if (isBusy(error)) return undefined;
      throw translate(error, this.folder);
    }
    const held = lock;
    return {
      release: async () => {
        if (held.isOpen) held.close();
        // Who waits for the link looks again now, not at its next poll.
        this.#ring();
      },
    };
  }

  async linkHolder(): Promise<LinkHolder | undefined> {
    try {
      const { pid, role } = JSON.parse(readFileSync(join(this.folder, "link.json"), "utf8")) as LinkHolder;
      return { pid, role, stopped: isStopped(pid) };
    } catch {
      return undefined;
    }
  }

  async scrub(): Promise<void> {
    await this.#alone(async () => {
      // Without this, overwritten ratchet states stay readable in the -wal file.
      this.#db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    }).catch(() => undefined);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    await this.#tail;
    await this.scrub();
    this.#closed = true;
    this.#watching?.();
    if (this.#db.isOpen) this.#db.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** One task at a time: a second one on the same connection would land in the first one's transaction. */
  #alone<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(() => {
      if (this.#closed) throw new AgentError("closed", "the store is closed");
      return task();
    });
    this.#tail = result.then(
      () => undefined,
      () => undefined,
    );
    return result;
  }

  #scheduleWrites(): void {
    this.#alone(() => this.#writeGroup()).catch((error: unknown) => {
      for (const { reject } of this.#pending.splice(0)) reject(error);
    });
  }

  async #writeGroup(): Promise<void> {
    const group = this.#pending.splice(0, GROUP);
    if (this.#pending.length > 0) this.#scheduleWrites();
    const settle: (() => void)[] = [];
    try {
      await patiently(() => this.#db.exec("BEGIN IMMEDIATE"));
      this.#tx.written = false;
      for (const { work, resolve, reject } of group) {
        this.#db.exec("SAVEPOINT one");
        try {
          const value = await work(this.#tx);
          settle.push(() => resolve(value));
        } catch (error) {
          // A full disk ends SQLite's transaction by itself; then the whole group fails.
          if (!this.#db.isTransaction) throw error;
          this.#db.exec("ROLLBACK TO one");
          settle.push(() => reject(translate(error, this.folder)));
        }
        this.#db.exec("RELEASE one");
      }
      this.#db.exec("COMMIT");
    } catch (error) {
      if (this.#db.isOpen && this.#db.isTransaction) this.#db.exec("ROLLBACK");
      const translated = translate(error, this.folder);
      for (const { reject } of group) reject(translated);
      return;
    }
    for (const done of settle) done();
    if (!this.#tx.written) return;
    this.#ring();
    for (const listener of this.#listeners) listener();
  }

  #ring(): void {
    try {
      writeFileSync(join(this.folder, "doorbell"), randomBytes(8).toString("hex"), { mode: 0o600 });
    } catch {
      // Others notice by polling.
    }
  }

  #watch(): () => void {
    const version = this.#db.prepare("PRAGMA data_version");
    const current = () => Number(Object.values(version.get() ?? {})[0]);
    let last = current();
    let queued = false;
    const look = () => {
      if (queued || this.#closed) return;
      queued = true;
      void this.#alone(async () => {
        queued = false;
        const now = current();
        // Only another connection's commit changes it; our own listeners were told at our own commit.
        if (now === last) return;
        last = now;
        for (const listener of this.#listeners) listener();
      }).catch(() => undefined);
    };
    const file = join(this.folder, "doorbell");
    let watcher: { close(): void } | undefined;
    try {
      if (!existsSync(file)) writeFileSync(file, "", { mode: 0o600 });
      const fsWatcher = watch(file, look);
      fsWatcher.on("error", () => fsWatcher.close());
      fsWatcher.unref();
      watcher = fsWatcher;
    } catch {
      // Polling alone will do.
    }
    const timer = setInterval(look, POLL_MS);
    return () => {
      clearInterval(timer);
      watcher?.close();
    };
  }
}

class Statements implements WriteTransaction {
  written = false;
  readonly #get: StatementSync;
  readonly #put: StatementSync;
  readonly #delete: StatementSync;
  readonly #up: StatementSync;
  readonly #down: StatementSync;

  constructor(db: DatabaseSync) {
    this.#get = db.prepare("SELECT value FROM records WHERE key = ?");
    this.#put = db.prepare(
      "INSERT INTO records (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
    );
    this.#delete = db.prepare("DELETE FROM records WHERE key = ?");
    this.#up = db.prepare("SELECT key, value FROM records WHERE key > ? AND key < ? ORDER BY key LIMIT ?");
    this.#down = db.prepare("SELECT key, value FROM records WHERE key > ? AND key < ? ORDER BY key DESC LIMIT ?");
  }

  async get(key: string): Promise<Value | undefined> {
    return this.#get.get(key)?.["value"] as Value | undefined;
  }

  async list({ prefix, after, limit, reverse }: Range): Promise<[string, Value][]> {
    const end = `${prefix}\u{7f}`;
    const rows =
      reverse === true
        ? this.#down.all(prefix, after ?? end, limit ?? -1)
        : this.#up.all(after !== undefined && after > prefix ? after : prefix, end, limit ?? -1);
    return rows.map((row) => [row["key"] as string, row["value"] as Value]);
  }

  async put(key: string, value: Value): Promise<void> {
    this.#put.run(key, value);
    this.written = true;
  }

  async delete(key: string): Promise<void> {
    if (this.#delete.run(key).changes !== 0) this.written = true;
  }
}

function prepare(db: DatabaseSync): void {
  db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON");
  const format = Number(Object.values(db.prepare("PRAGMA user_version").get() ?? {})[0]);
  if (format > FORMAT)
    throw new AgentError("store_newer", `the store was written by a newer version (format ${format})`, {
      hint: "update aimessage",
    });
  if (format === FORMAT) return;
  db.exec(`BEGIN IMMEDIATE;
    CREATE TABLE IF NOT EXISTS records (key TEXT PRIMARY KEY, value ANY NOT NULL) STRICT, WITHOUT ROWID;
    PRAGMA user_version = ${FORMAT};
    COMMIT`);
}

/** Tries again, without blocking, while another process writes. */
async function patiently(attempt: () => void): Promise<void> {
  for (const deadline = Date.now() + BUSY_LIMIT_MS; ; await sleep(2 + Math.random() * 10)) {
    try {
      return attempt();
    } catch (error) {
      if (!isBusy(error) || Date.now() > deadline) throw error;
    }
  }
}

interface SystemError {
  code?: string;
  errcode?: number;
}

// Primary result codes of SQLite are the low byte of errcode.
const primary = (error: unknown) => ((error as SystemError | undefined)?.errcode ?? 0) & 0xff;
const isBusy = (error: unknown) => [5, 6].includes(primary(error));

function translate(error: unknown, folder: string): unknown {
  if (error instanceof AgentError) return error;
  const { code } = error as SystemError;
  if (code === "ENOSPC" || code === "EDQUOT" || primary(error) === 13)
    return new AgentError("disk_full", `no space left in ${folder}`, {
      hint: "free some space; nothing was lost",
      cause: error,
    });
  if (isBusy(error))
    return new AgentError("store_busy", `another process keeps ${folder} busy`, { hint: "try again", cause: error });
  if (primary(error) === 11 || primary(error) === 26)
    return new AgentError("store_damaged", `${join(folder, "agent.db")} is damaged`, {
      hint: "restore it from a backup, or move the folder away and register again",
      cause: error,
    });
  if (
    ["EACCES", "EPERM", "EROFS", "ENOTDIR", "EEXIST", "EISDIR"].includes(code ?? "") ||
    [8, 10, 14].includes(primary(error))
  )
    return new AgentError("home_unwritable", `cannot write to ${folder}`, {
      hint: "check its permissions, or name another folder by --home or AIMESSAGE_HOME",
      cause: error,
    });
  return error;
}

function isStopped(pid: number): boolean {
  try {
    // The state is the first field behind the name in parentheses, which may itself contain any character.
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).startsWith("T");
  } catch {
    return false;
  }
}
