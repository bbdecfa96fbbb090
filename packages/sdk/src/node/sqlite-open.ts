import { chmodSync, existsSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { AgentError } from "../errors.ts";
import { BUSY_MS, patiently } from "./sqlite-errors.ts";

const FORMAT = 1;
/** What the pages of the database may take in memory. KiB. */
const CACHE_KIB = 16_384;
/** Pages of 4 KiB after which a process that writes without pause empties the -wal file. */
const CHECKPOINT_PAGES = 8_000;

/** Opens the database of an agent's folder, and makes both if need be: the folder with 0700, files with 0600. */
export async function openDatabase(folder: string): Promise<DatabaseSync> {
  makeFolder(folder);
  const file = join(folder, "agent.db");
  // SQLite makes its -wal and -shm with the mode of the database.
  if (!existsSync(file)) writeFileSync(file, "", { mode: 0o600, flag: "a" });
  chmodSync(folder, 0o700);
  const db = new DatabaseSync(file, { timeout: BUSY_MS });
  try {
    await patiently(() => prepare(db));
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

function prepare(db: DatabaseSync): void {
  // What SQLite sorts or rolls back by itself may hold secrets, and files for it would lie in the system's folder.
  // The link empties the -wal file every few seconds: until then its pages need not be copied in between.
  db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON; PRAGMA temp_store = MEMORY;
    PRAGMA cache_size = -${CACHE_KIB}; PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES}`);
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

/** Makes a folder and its parents. Node's own recursive mkdir never returns where the system refuses a child (`/proc/x`). */
function makeFolder(folder: string): void {
  if (!existsSync(dirname(folder))) makeFolder(dirname(folder));
  try {
    mkdirSync(folder, { mode: 0o700 });
  } catch (error) {
    if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) throw error;
  }
}
