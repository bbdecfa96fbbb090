import { copyFileSync, constants, existsSync, renameSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { auditTable } from "../store/audit.ts";
import { FolderLockedError, giveToOwner, lockFolder, makeFolder, makePrivate } from "../store/lock.ts";
import { migrate, schemaVersion } from "../store/migrations.ts";
import { readLogId } from "../store/sqlite.ts";
import { AdminError } from "./admin-error.ts";
import { faultsOf } from "./faults.ts";
import { operator } from "./perform.ts";
import { databaseFile } from "./read-only.ts";
import { syncFile } from "./sync.ts";

export interface Restored {
  db: string;
  bytes: number;
  entries: number;
  /** The new id of the logs: agents do not trust the positions that they remember. */
  log_id: string;
  /** Where the database is that was there before; null if none was. */
  kept: string | null;
}

/** Puts a copy of a database where a relay will use it. What was there is kept beside it. */
export function restore(db: string, source: string, force: boolean): Restored {
  if (!existsSync(source)) throw new AdminError(`There is no file ${source}`, "name a file that `backup` has made");
  if (existsSync(`${source}-wal`) && statSync(`${source}-wal`).size > 0)
    throw new AdminError(
      `${source} is a database in use, or was copied from one: a part of it is in ${source}-wal`,
      "make a copy of it with `aimessage-server backup`, and restore that",
    );
  if (!existsSync(db)) {
    makeFolder(db);
    giveToOwner(db);
  }
  const lock = lockOrSay(db);
  const fresh = join(db, "restoring.db");
  try {
    if (!force && existsSync(databaseFile(db)))
      throw new AdminError(
        `There is a database in ${db} already`,
        "choose an empty folder with --db; with --force that database is put aside",
      );
    for (const side of ["", "-wal", "-shm", "-journal"]) rmSync(fresh + side, { force: true });
    copyFileSync(source, fresh, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
    // The copy has come with the mode and the owner of the backup.
    makePrivate(fresh);
    giveToOwner(fresh);
    const prepared = prepare(fresh, source);
    syncFile(fresh);
    const kept = putAside(db);
    renameSync(fresh, databaseFile(db));
    syncFile(databaseFile(db));
    return { db, ...prepared, kept };
  } finally {
    for (const side of ["", "-wal", "-shm", "-journal"]) rmSync(fresh + side, { force: true });
    lock.close();
  }
}

function lockOrSay(db: string): { close: () => void } {
  try {
    return lockFolder(db, 500);
  } catch (error) {
    if (!(error instanceof FolderLockedError)) throw error;
    throw new AdminError(`A relay runs on ${db}`, "stop it first, or choose another folder with --db", error);
  }
}

/** Makes a copy the database of another log than the one that it was taken from. */
function prepare(fresh: string, source: string): Pick<Restored, "bytes" | "entries" | "log_id"> {
  const database = new DatabaseSync(fresh);
  try {
    // In one file, whatever it was: nothing of it is left in a log beside it.
    database.exec("PRAGMA journal_mode = DELETE; PRAGMA synchronous = FULL");
    const [fault] = faultsOf(database);
    if (fault !== undefined) throw new AdminError(`${source} is damaged: ${fault}`, "choose another backup");
    if (schemaVersion(database) < 1 || !hasAccounts(database)) throw notOurs(source);
    migrate(database);
    const logId = readLogId(database, true);
    const deed = { who: operator(), what: "restore", target: source, release: false } as const;
    auditTable(database, Date.now).add(deed, "done");
    // The mode of a relay: to change to it, that would have to be alone with the database when it starts.
    database.exec("PRAGMA journal_mode = WAL");
    const { entries } = database.prepare("SELECT count(*) AS entries FROM entries").get() as { entries: number };
    return { bytes: statSync(fresh).size, entries, log_id: logId };
  } catch (error) {
    // SQLite's code for a file that is no database (https://sqlite.org/rescode.html#notadb).
    if ((error as { errcode?: number }).errcode === 26) throw notOurs(source);
    throw error;
  } finally {
    database.close();
  }
}

function hasAccounts(database: DatabaseSync): boolean {
  return database.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'accounts'").get() !== undefined;
}

function notOurs(source: string): AdminError {
  return new AdminError(`${source} is not a database of a relay`, "name a file that `backup` has made");
}

/** Returns where the old database is now. */
function putAside(db: string): string | null {
  const file = databaseFile(db);
  const time = new Date().toISOString().replaceAll(/[:.]/g, "-");
  const kept = join(db, `before-restore-${time}.db`);
  const had = existsSync(file);
  if (had) {
    foldLog(file);
    renameSync(file, kept);
  }
  // A log that could not be folded belongs to the old database; beside the new one it would be taken for its own.
  if (existsSync(`${file}-wal`)) renameSync(`${file}-wal`, `${kept}-wal`);
  rmSync(`${file}-shm`, { force: true });
  return had ? kept : null;
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
