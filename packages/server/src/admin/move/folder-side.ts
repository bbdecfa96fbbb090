/** The database in a folder, from which or into which everything moves. */
import { existsSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { syncFolder } from "@aimessage/sdk/program";
import { DatabaseSync, type SQLInputValue } from "node:sqlite";
import { FolderLockedError, lockFolder, makeFolder, makePrivate, refuseLinks } from "../../store/sqlite/lock.ts";
import { migrate } from "../../store/sqlite/migrations.ts";
import { type MoveMark, readMark, setMark } from "../../store/sqlite/moved.ts";
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

/**
 * A new database in a folder in which there is none, or one that has not arrived. It is there with its mark, or not at all.
 * @throws AdminError if there is another one
 */
export function makeDatabase(db: string, mark: MoveMark): DatabaseSync {
  const file = databaseFile(db);
  refuseLinks(db);
  if (existsSync(file) && !isUnfinished(file))
    throw new AdminError(`There is a database in ${db} already`, "name an empty folder with --db");
  const draft = `${file}-draft`;
  for (const each of [draft, file])
    for (const ending of ["", "-journal", "-wal", "-shm"]) rmSync(each + ending, { force: true });
  makePrivate(draft);
  const empty = new DatabaseSync(draft);
  try {
    migrate(empty);
    setMark(empty, "arriving", mark);
  } finally {
    empty.close();
  }
  renameSync(draft, file);
  syncFolder(db);
  return openToMove(db);
}

function isUnfinished(file: string): boolean {
  const database = new DatabaseSync(file);
  try {
    return readMark(database, "arriving") !== undefined;
  } finally {
    database.close();
  }
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
  for (const row of database.prepare(`SELECT ${names.join(", ")} FROM ${table}`).iterate()) adding.add(row);
  return adding;
}

/** Where a folder's encrypted files lie. */
export function filesOf(db: string): { folder: string } {
  return { folder: join(db, "blobs") };
}
