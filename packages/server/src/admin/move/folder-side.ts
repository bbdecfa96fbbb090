/** The database in a folder, from which or into which everything moves. */
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync, type SQLInputValue } from "node:sqlite";
import { FolderLockedError, lockFolder, makeFolder, makePrivate, refuseLinks } from "../../store/sqlite/lock.ts";
import { migrate } from "../../store/sqlite/migrations.ts";
import { readMark } from "../../store/sqlite/moved.ts";
import { MOVED } from "../../store/sqlite/requests.ts";
import { requestHash } from "../../store/request-hash.ts";
import { AdminError } from "../admin-error.ts";
import { databaseFile } from "../read-only.ts";
import { Adding, type Row } from "./sums.ts";
import type { MovedTable } from "./tables.ts";

/** Another command of an administrator may have the folder for a moment. Milliseconds. */
const LOCK_PATIENCE_MS = 500;

/** Holds a folder as its relay would. @throws AdminError if one does */
export function holdFolder(db: string): Disposable {
  makeFolder(db);
  try {
    const lock = lockFolder(db, LOCK_PATIENCE_MS);
    return { [Symbol.dispose]: () => lock.close() };
  } catch (error) {
    if (!(error instanceof FolderLockedError)) throw error;
    throw new AdminError(`A relay runs on ${db}`, "stop it first: what it stores meanwhile would be lost", error);
  }
}

/** Opens the database in a folder that is held, whole on its disk after each commit. */
export function openToMove(db: string): DatabaseSync {
  refuseLinks(db);
  const database = new DatabaseSync(databaseFile(db));
  database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY");
  const options = { deterministic: true };
  database.function("as_json", options, (text) => (text === null ? null : JSON.stringify(text)));
  database.function("from_json", options, (text) => (text === null ? null : (JSON.parse(String(text)) as string)));
  database.function("request_hash", options, (kind, id) =>
    kind === MOVED ? Buffer.from(String(id), "hex") : requestHash(String(kind), String(id)),
  );
  return database;
}

/** A new database in a folder in which there is none, or one that has not arrived. @throws AdminError if there is another one */
export function makeDatabase(db: string): DatabaseSync {
  const file = databaseFile(db);
  if (existsSync(file)) {
    refuseLinks(db);
    if (!isUnfinished(file))
      throw new AdminError(`There is a database in ${db} already`, "name an empty folder with --db");
    for (const ending of ["-wal", "-shm", ""]) rmSync(file + ending, { force: true });
  }
  makePrivate(file);
  const database = openToMove(db);
  migrate(database);
  return database;
}

/** Empty, as whoever was killed at the very beginning leaves it, or marked. */
function isUnfinished(file: string): boolean {
  const database = new DatabaseSync(file);
  try {
    const isEmpty = database.prepare("SELECT 1 FROM sqlite_schema").get() === undefined;
    return isEmpty || readMark(database, "arriving") !== undefined || !hasMeta(database);
  } finally {
    database.close();
  }
}

/** A relay gives its logs an id before anything else: without one nobody has used it. */
function hasMeta(database: DatabaseSync): boolean {
  const isThere = database.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'meta'").get() !== undefined;
  return isThere && database.prepare("SELECT 1 FROM meta").get() !== undefined;
}

/** Writes rows as they come from the cluster. */
export function rowsInto(database: DatabaseSync, { table, columns, json = [] }: MovedTable): (rows: Row[]) => void {
  const names = Object.keys(columns);
  const values = names.map((name) => (json.includes(name) ? "from_json(?)" : "?"));
  const insert = database.prepare(`INSERT INTO ${table} (${names.join(", ")}) VALUES (${values.join(", ")})`);
  return (rows) => {
    for (const row of rows) insert.run(...names.map((name) => row[name] as SQLInputValue));
  };
}

/** Adds up what is in a table now. */
export function addUp(database: DatabaseSync, moved: MovedTable): Adding {
  const { table, columns, json = [] } = moved;
  const names = Object.keys(columns).map((name) => (json.includes(name) ? `as_json(${name}) AS ${name}` : name));
  const adding = new Adding(moved);
  for (const row of database.prepare(`SELECT ${names.join(", ")} FROM ${table}`).iterate()) adding.add(row as Row);
  return adding;
}

/** Where a folder's encrypted files lie. */
export function blobsOf(db: string): string {
  return join(db, "blobs");
}
