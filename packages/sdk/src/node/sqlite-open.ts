import { accessSync, chmodSync, constants, existsSync, lstatSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { pathToFileURL } from "node:url";
import { AgentError } from "../errors.ts";
import { FORMAT, newer } from "../records/format.ts";
import { asOwnerOf } from "./program/owner.ts";
import { BUSY_MS, isUnwritable, patiently } from "./sqlite-errors.ts";

/** The one table: as SQLite keeps its definition, behind `CREATE TABLE`. */
export const RECORDS = "records (key TEXT PRIMARY KEY, value ANY NOT NULL) STRICT, WITHOUT ROWID";
/** What the pages of the database may take in memory. KiB. */
const CACHE_KIB = 16_384;
/** Pages of 4 KiB after which a process that writes without pause empties the -wal file. */
const CHECKPOINT_PAGES = 8_000;

/** A database that is open. `readOnly`: where it lies nothing can be written. */
export interface Opened {
  db: DatabaseSync;
  readOnly: boolean;
}

/**
 * Opens the database of an agent's folder, and makes both if need be: the folder with 0700, files with 0600. One that is
 * there and cannot be written is opened for reading.
 */
export async function openDatabase(folder: string): Promise<Opened> {
  try {
    return { db: await openToWrite(folder), readOnly: false };
  } catch (error) {
    if (!isUnwritable(error, folder)) throw error;
    const db = asOwnerOf(folder, () => openToRead(folder));
    if (db === undefined) throw error;
    return { db, readOnly: true };
  }
}

async function openToWrite(folder: string): Promise<DatabaseSync> {
  const db = asOwnerOf(folder, () => open(folder));
  try {
    await patiently(() => asOwnerOf(folder, () => prepare(db)));
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

function open(folder: string): DatabaseSync {
  makeFolder(folder);
  const file = join(folder, "agent.db");
  // SQLite makes its -wal and -shm with the mode and the owner of the database.
  if (!existsSync(file)) writeFileSync(file, "", { mode: 0o600, flag: "a" });
  // SQLite itself would open it for reading, and say so at the first write.
  else accessSync(file, constants.W_OK);
  closeToOthers(folder);
  return new DatabaseSync(file, { timeout: BUSY_MS });
}

/** Our own folder alone: what a link leads to, or what is another user's, is open to whom its owner wants. */
function closeToOthers(folder: string): void {
  const found = lstatSync(folder);
  if (found.isDirectory() && (found.mode & 0o077) !== 0 && found.uid === (process.geteuid?.() ?? found.uid))
    chmodSync(folder, 0o700);
}

function prepare(db: DatabaseSync): void {
  // What SQLite sorts or rolls back by itself may hold secrets, and files for it would lie in the system's folder.
  // The link empties the -wal file every few seconds: until then its pages need not be copied in between.
  db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON; PRAGMA temp_store = MEMORY;
    PRAGMA cache_size = -${CACHE_KIB}; PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES}`);
  if (format(db) === FORMAT) return;
  db.exec(`BEGIN IMMEDIATE;
    CREATE TABLE IF NOT EXISTS ${RECORDS};
    PRAGMA user_version = ${FORMAT};
    COMMIT`);
}

/** @throws AgentError store_newer */
function format(db: DatabaseSync): number {
  const format = Number(Object.values(db.prepare("PRAGMA user_version").get() ?? {})[0]);
  if (format <= FORMAT) return format;
  throw newer(format);
}

/**
 * Where another process writes, its -shm file is read, too. Where none does, and none has left a -wal file behind, the
 * database is all there is, and does not change (https://sqlite.org/uri.html, immutable).
 * @returns undefined if there is no database
 */
function openToRead(folder: string): DatabaseSync | undefined {
  const file = join(folder, "agent.db");
  if (!existsSync(file)) return undefined;
  const wal = statSync(`${file}-wal`, { throwIfNoEntry: false });
  const alone = pathToFileURL(file);
  alone.searchParams.set("immutable", "1");
  for (const name of (wal?.size ?? 0) === 0 ? [file, alone] : [file]) {
    const db = new DatabaseSync(name, { readOnly: true, timeout: BUSY_MS });
    try {
      db.exec(`PRAGMA temp_store = MEMORY; PRAGMA cache_size = -${CACHE_KIB}`);
      if (format(db) > 0) return db;
    } catch (error) {
      if (error instanceof AgentError) throw error;
    }
    db.close();
  }
  if (wal === undefined) return undefined;
  throw new AgentError("home_unwritable", `${folder} is read-only here, and was in use when it became so`, {
    hint: "copy it to where it can be written, and name the copy's parent by --home",
  });
}

/** Makes a folder and its parents. Node's own recursive mkdir never returns where the system refuses a child (`/proc/x`). */
function makeFolder(folder: string): void {
  if (!existsSync(dirname(folder))) makeFolder(dirname(folder));
  try {
    mkdirSync(folder, { mode: 0o700 });
  } catch (error) {
    if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) throw error;
  }
}
