import { closeSync, existsSync, openSync, readSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { asOwnerOf, makeWhole } from "@aimessage/sdk/program";
import { auditTable } from "../store/audit.ts";
import { FolderLockedError, lockFolder, makeFolder } from "../store/lock.ts";
import { migrate, schemaVersion } from "../store/migrations.ts";
import { readLogId } from "../store/sqlite.ts";
import { AdminError } from "./admin-error.ts";
import { faultsOf } from "./faults.ts";
import { databaseFile } from "./read-only.ts";

export interface Restored {
  db: string;
  bytes: number;
  entries: number;
  /** The new id of the logs: agents do not trust the positions that they remember. */
  log_id: string;
  /** Where the database is that was there before; null if none was. */
  kept: string | null;
}

/** Copied at once. */
const PIECE_BYTES = 2 ** 20;

/**
 * Puts a copy of a database where a relay will use it. What was there is kept beside it. Root reads and writes as whom the
 * two folders belong to.
 * @param who The user of the operating system who does it.
 */
export function restore(db: string, source: string, force: boolean, who: string): Restored {
  const from = asOwnerOf(dirname(resolve(source)), () => openSource(source));
  try {
    return asOwnerOf(db, () => putInPlace(db, { from, source, force, who }));
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

function putInPlace(
  db: string,
  { from, source, force, who }: { from: number; source: string; force: boolean; who: string },
): Restored {
  makeFolder(db);
  const lock = lockOrSay(db);
  try {
    if (!force && existsSync(databaseFile(db)))
      throw new AdminError(
        `There is a database in ${db} already`,
        "choose an empty folder with --db; with --force that database is put aside",
      );
    return makeWhole(
      databaseFile(db),
      ({ file, fd }) => {
        copy(from, fd);
        return { db, ...prepare(file, source, who), kept: putAside(db) };
      },
      { replace: true },
    );
  } finally {
    lock.close();
  }
}

function copy(from: number, to: number): void {
  const piece = new Uint8Array(PIECE_BYTES);
  for (;;) {
    const bytes = readSync(from, piece);
    if (bytes === 0) return;
    writeFileSync(to, piece.subarray(0, bytes));
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
function prepare(fresh: string, source: string, who: string): Pick<Restored, "bytes" | "entries" | "log_id"> {
  const database = new DatabaseSync(fresh);
  try {
    // In one file, whatever it was: nothing of it is left in a log beside it.
    database.exec("PRAGMA journal_mode = DELETE; PRAGMA synchronous = FULL");
    const [fault] = faultsOf(database);
    if (fault !== undefined) throw new AdminError(`${source} is damaged: ${fault}`, "choose another backup");
    if (schemaVersion(database) < 1 || !hasAccounts(database)) throw notOurs(source);
    migrate(database);
    const logId = readLogId(database, true);
    const deed = { who, what: "restore", target: source, release: false } as const;
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
    for (const side of ["-wal", "-shm", "-journal"]) rmSync(fresh + side, { force: true });
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
