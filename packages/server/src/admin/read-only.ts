import { statSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { refuseLinks } from "../store/sqlite/lock.ts";
import { NewerSchemaError, SCHEMA_VERSION, schemaVersion } from "../store/sqlite/migrations.ts";
import { refuseMoved } from "../store/sqlite/moved.ts";
import { AdminError } from "./admin-error.ts";

/** How long a relay that starts or ends may hold the database. Milliseconds. */
const BUSY_MS = 5_000;

/** The file of the database in a folder. */
export function databaseFile(db: string): string {
  return join(db, "relay.db");
}

export function requireDatabase(db: string): void {
  refuseLinks(db);
  if (statSync(databaseFile(db), { throwIfNoEntry: false })?.isFile() !== true)
    throw new AdminError(
      `There is no database in ${db}`,
      "name the folder of the relay with --db or DB_PATH, or the PostgreSQL of a cluster with --store or AIMESSAGE_STORE",
    );
}

/**
 * Opens a database that a relay may be using, or a copy of one. A connection that only reads never writes to the log nor
 * checkpoints it (a checkpoint fails on it), and the last connection to close deletes the log only where it can lock the database, which
 * the relay's own connection prevents (https://sqlite.org/wal.html): the relay notices nothing, but that its log cannot
 * begin anew while somebody reads.
 */
export function openReadOnly(file: string): DatabaseSync {
  return new DatabaseSync(file, { readOnly: true, timeout: BUSY_MS });
}

/** Opens the database in a folder for questions about one moment. @throws if it is not of this program's version, or has moved */
export function openSnapshot(db: string): DatabaseSync {
  const database = openCurrent(db);
  try {
    refuseMoved(database);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** The same of one that may have moved. */
export function openCurrent(db: string): DatabaseSync {
  requireDatabase(db);
  const database = openReadOnly(databaseFile(db));
  try {
    database.exec("BEGIN");
    const version = schemaVersion(database);
    if (version > SCHEMA_VERSION) throw new NewerSchemaError(version);
    if (version < SCHEMA_VERSION)
      throw new AdminError(
        `The database has schema version ${version}, and this program reads ${SCHEMA_VERSION}`,
        "start the relay of this version on it once",
      );
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}
