import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { asOwnerOf, makeWhole } from "@aimessage/sdk/program";
import { auditTable } from "../store/sqlite/audit.ts";
import { FolderLockedError, lockFolder, makeFolder } from "../store/sqlite/lock.ts";
import { migrate, schemaVersion } from "../store/sqlite/migrations.ts";
import { writeMark } from "../store/blob-layout.ts";
import { readLogId } from "../store/sqlite/sqlite.ts";
import { AdminError } from "./admin-error.ts";
import { filesOf } from "./backup.ts";
import { blobMark, dropBlobs, dropUnsealed, gather, type Gathered, setBlobMark } from "./blob-copies.ts";
import { copyBytes, markOf, moveTo } from "./blob-files.ts";
import { faultsOf } from "./faults.ts";
import { databaseFile, openReadOnly } from "./read-only.ts";

export interface Restored {
  db: string;
  bytes: number;
  entries: number;
  /** The new id of the logs: agents do not trust the positions that they remember. */
  log_id: string;
  /** Encrypted files that are there. */
  files: number;
  file_bytes: number;
  /** Those that the copy names and that are not beside it, or not whole: nothing is known of them any more. */
  missing_files: number;
  /** Where the database is that was there before, and its files are beside it; null if none was. */
  kept: string | null;
}

/** How the names of databases begin that were put aside. */
const KEPT = "before-restore-";

/**
 * Puts a copy of a database, and the encrypted files beside it, where a relay will use them. What was there is kept beside it. Root reads
 * and writes as whom the two folders belong to.
 * @param who The user of the operating system who does it.
 */
export function restore(db: string, source: string, force: boolean, who: string): Restored {
  const beside = dirname(resolve(source));
  const from = asOwnerOf(beside, () => openSource(source));
  try {
    const lock = asOwnerOf(db, () => claim(db, force));
    const staged = join(db, "restoring");
    const blobs = join(staged, "blobs");
    try {
      const copy = asOwnerOf(db, () => stage(staged, { from, source, who }));
      const gathered = gather(copy, { path: resolve(filesOf(source)), owner: beside }, { path: blobs, owner: db });
      return asOwnerOf(db, () => putInPlace(db, { copy, blobs, gathered }));
    } finally {
      asOwnerOf(db, () => {
        rmSync(staged, { recursive: true, force: true });
        lock.close();
      });
    }
  } finally {
    closeSync(from);
  }
}

function openSource(source: string): number {
  if (!existsSync(source)) throw new AdminError(`There is no file ${source}`, "name a file that `backup` has made");
  if (existsSync(`${source}-wal`) && statSync(`${source}-wal`).size > 0)
    throw new AdminError(
      `${source} is a database in use, or was copied from one: a part of it is in ${source}-wal`,
      "make a copy of it with `aimessage-server backup`, and restore that",
    );
  return openSync(source, "r");
}

function claim(db: string, force: boolean): { close: () => void } {
  makeFolder(db);
  const lock = lockOrSay(db);
  if (force || !existsSync(databaseFile(db))) return lock;
  lock.close();
  throw new AdminError(
    `There is a database in ${db} already`,
    "choose an empty folder with --db; with --force that database is put aside",
  );
}

function lockOrSay(db: string): { close: () => void } {
  try {
    return lockFolder(db, 500);
  } catch (error) {
    if (!(error instanceof FolderLockedError)) throw error;
    throw new AdminError(`A relay runs on ${db}`, "stop it first, or choose another folder with --db", error);
  }
}

/** Makes a copy the database of another log than the one that it was taken from. @returns where it is */
function stage(staged: string, { from, source, who }: { from: number; source: string; who: string }): string {
  // Nobody else is at work here: one that is there was left by a process that was killed.
  rmSync(staged, { recursive: true, force: true });
  mkdirSync(staged, { mode: 0o700 });
  const copy = join(staged, "relay.db");
  const to = openSync(copy, "wx", 0o600);
  try {
    copyBytes(from, to);
  } finally {
    closeSync(to);
  }
  const database = new DatabaseSync(copy);
  try {
    // In one file, whatever it was: nothing of it is left in a log beside it.
    database.exec("PRAGMA journal_mode = DELETE; PRAGMA synchronous = FULL");
    const [fault] = faultsOf(database);
    if (fault !== undefined) throw new AdminError(`${source} is damaged: ${fault}`, "choose another backup");
    if (schemaVersion(database) < 1 || !hasAccounts(database)) throw notOurs(source);
    migrate(database);
    // The files get into a folder of its own, that of before belongs to the database of before.
    setBlobMark(database, readLogId(database, true));
    dropUnsealed(database);
    const deed = { who, what: "restore", target: source, release: false } as const;
    auditTable(database, Date.now).add(deed, "done");
    return copy;
  } catch (error) {
    // SQLite's code for a file that is no database (https://sqlite.org/rescode.html#notadb).
    if ((error as { errcode?: number }).errcode === 26) throw notOurs(source);
    throw error;
  } finally {
    database.close();
  }
}

interface Staged {
  copy: string;
  blobs: string;
  gathered: Gathered;
}

function putInPlace(db: string, { copy, blobs, gathered }: Staged): Restored {
  const { files, file_bytes, missing } = gathered;
  const done = finish(copy, missing);
  return makeWhole(
    databaseFile(db),
    (partial) => {
      writeMark(blobs, done.log_id);
      const kept = putAside(db);
      renameSync(blobs, join(db, "blobs"));
      moveTo(copy, partial);
      return { db, ...done, files, file_bytes, missing_files: missing.length, kept };
    },
    { replace: true },
  );
}

/** Takes out what is missing, and leaves the copy as a relay leaves a database when it ends. */
function finish(copy: string, missing: readonly string[]): Pick<Restored, "bytes" | "entries" | "log_id"> {
  const database = new DatabaseSync(copy);
  try {
    database.exec("PRAGMA synchronous = FULL");
    dropBlobs(database, missing);
    // The mode of a relay: to change to it, that would have to be alone with the database when it starts.
    database.exec("PRAGMA journal_mode = WAL");
    const { entries } = database.prepare("SELECT count(*) AS entries FROM entries").get() as { entries: number };
    return { bytes: statSync(copy).size, entries, log_id: readLogId(database, false) };
  } finally {
    database.close();
    sync(copy);
  }
}

function sync(file: string): void {
  const fd = openSync(file, "r+");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function hasAccounts(database: DatabaseSync): boolean {
  return database.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'accounts'").get() !== undefined;
}

function notOurs(source: string): AdminError {
  return new AdminError(`${source} is not a database of a relay`, "name a file that `backup` has made");
}

/** Puts the old database and its files aside. @returns where it is now */
function putAside(db: string): string | null {
  const file = databaseFile(db);
  const blobs = join(db, "blobs");
  const had = existsSync(file);
  const time = new Date().toISOString().replaceAll(/[:.]/g, "-");
  const kept = filesAside(db) ?? join(db, `${KEPT}${time}.db`);
  // Where `restore` finds them, if it is to be this one again. They go first: without them a relay waits for them, and loses nothing.
  if (existsSync(blobs)) moveAside(blobs, filesOf(kept));
  if (had) {
    foldLog(file);
    renameSync(file, kept);
  }
  // A log that could not be folded belongs to the old database; beside the new one it would be taken for its own.
  if (existsSync(`${file}-wal`)) renameSync(`${file}-wal`, `${kept}-wal`);
  rmSync(`${file}-shm`, { force: true });
  return had ? kept : null;
}

function moveAside(blobs: string, target: string): void {
  try {
    renameSync(blobs, target);
  } catch (error) {
    const { code = "" } = error as NodeJS.ErrnoException;
    if (code !== "EBUSY" && code !== "EXDEV") throw error;
    const hint = "unmount it first: what is restored gets a folder in its place; nothing was changed";
    throw new AdminError(`A disk is mounted at ${blobs}`, hint, error);
  }
}

/** Where the database belongs whose files a restore has put aside that was cut short then. */
function filesAside(db: string): string | undefined {
  const mark = existsSync(join(db, "blobs")) ? undefined : markIn(databaseFile(db));
  if (mark === undefined) return undefined;
  return readdirSync(db)
    .filter((name) => name.startsWith(KEPT) && name.endsWith(".db.blobs"))
    .map((name) => join(db, name.slice(0, -".blobs".length)))
    .find((file) => !existsSync(file) && markOf(filesOf(file)) === mark);
}

/** The mark that a database knows; undefined if it cannot be read, or has none. */
function markIn(file: string): string | undefined {
  try {
    const database = openReadOnly(file);
    try {
      return blobMark(database);
    } finally {
      database.close();
    }
  } catch {
    return undefined;
  }
}

/** Has SQLite put into the database what is in its log still: the last connection does when it closes. */
function foldLog(file: string): void {
  try {
    const database = new DatabaseSync(file);
    try {
      database.prepare("SELECT count(*) FROM sqlite_schema").get();
    } finally {
      database.close();
    }
  } catch {
    // It is damaged, perhaps therefore it is replaced: both files are kept as they are.
  }
}
