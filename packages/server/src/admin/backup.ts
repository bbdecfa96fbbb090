import { closeSync, existsSync, fsyncSync, lstatSync, mkdirSync, openSync, readdirSync, realpathSync } from "node:fs";
import { renameSync, rmSync, statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { asOwnerOf, makeWhole } from "@aimessage/sdk/program";
import { schemaVersion } from "../store/sqlite/migrations.ts";
import { AdminError } from "./admin-error.ts";
import { dropBlobs, dropUnsealed, gather, type Gathered, hasBlobs, missingMark } from "./blob-copies.ts";
import { mergeInto, moveTo, removeOthers } from "./blob-files.ts";
import { faultsOf } from "./faults.ts";
import { databaseFile, openReadOnly, requireDatabase } from "./read-only.ts";

export interface BackedUp {
  /** The whole path. */
  file: string;
  bytes: number;
  entries: number;
  accounts: number;
  schema_version: number;
  /** Encrypted files that are whole, in the folder beside it. */
  files: number;
  file_bytes: number;
  /** Those that the database names still, and that are not there. */
  missing_files: number;
}

const FULL = new Set(["ENOSPC", "EDQUOT"]);
const SQLITE_FULL = 13;
/** What is so old is nobody's any more: its process was killed. Milliseconds. */
const ABANDONED_MS = 86_400_000;

/** Where the encrypted files of a backup are. */
export function filesOf(backup: string): string {
  return `${backup}.blobs`;
}

/**
 * Copies a database as it is at one moment, whether a relay runs on it or not. `VACUUM INTO` reads in one transaction, so
 * what is written meanwhile neither gets in nor starts it again, and it leaves out what was deleted
 * (https://sqlite.org/lang_vacuum.html). The encrypted files that are whole in the copy get into a folder beside it, and the copy gets its
 * name when they are there: one that is removed meanwhile is taken out of the copy. Root reads and writes as whom the two folders belong to.
 */
export function backup(db: string, target: string, force: boolean): BackedUp {
  const { database, folder } = asOwnerOf(db, () => {
    requireDatabase(db);
    const opened = openReadOnly(databaseFile(db));
    // From the first question on all its files are open.
    count(opened, "accounts");
    return { database: opened, folder: realpathSync(db) };
  });
  try {
    const blobs = join(folder, "blobs");
    if (asOwnerOf(db, () => missingMark(database, blobs)) !== undefined && count(database, "blobs") > 0)
      throw new AdminError(
        `${blobs} is not the folder of this database's encrypted files`,
        "mount the disk on which they are; `aimessage-server check` says more",
      );
    const file = asOwnerOf(dirname(resolve(target)), () => placeFor(target, folder, force));
    return copyAll({ database, folder, file, force });
  } catch (error) {
    const { code = "", errcode = 0 } = error as { code?: string; errcode?: number };
    if (!FULL.has(code) && (errcode & 0xff) !== SQLITE_FULL) throw error;
    const hint = "free some space, or choose another disk; nothing was written, and what was there is as it was";
    throw new AdminError(`There is no room for ${target}`, hint, error);
  } finally {
    asOwnerOf(db, () => database.close());
  }
}

/** The whole path of a backup that may be written. */
function placeFor(target: string, folder: string, force: boolean): string {
  const file = wholePath(target);
  if (dirname(file) === folder && /^(relay|lock)\.db/.test(basename(file)))
    throw new AdminError(`${target} belongs to the relay itself`, "choose another file for the backup");
  const there = statSync(file, { throwIfNoEntry: false });
  if (there?.isDirectory() === true) throw new AdminError(`${target} is a folder`, "name a file in it");
  if (there?.isFile() === false) throw new AdminError(`${target} is no file`, "choose another file for the backup");
  const files = lstatSync(filesOf(file), { throwIfNoEntry: false });
  if (files?.isDirectory() === false)
    throw new AdminError(`${filesOf(target)} is no folder`, "choose another file for the backup");
  for (const each of [file, filesOf(file)])
    if (!force && existsSync(each))
      throw new AdminError(
        `${each === file ? target : filesOf(target)} is there already`,
        "choose another file, or overwrite it with --force",
      );
  return file;
}

interface Work {
  database: DatabaseSync;
  /** Of the relay. */
  folder: string;
  file: string;
  force: boolean;
}

function copyAll({ database, folder, file, force }: Work): BackedUp {
  const beside = dirname(file);
  const staged = asOwnerOf(beside, () => makeStage(beside));
  const copy = join(staged, "copy.db");
  const blobs = join(staged, "blobs");
  try {
    asOwnerOf(beside, () => copyDatabase(database, copy));
    const gathered = gather(copy, { path: join(folder, "blobs"), owner: folder }, { path: blobs, owner: beside });
    const lost = asOwnerOf(folder, () => stillNamed(database, gathered.missing));
    return asOwnerOf(beside, () => {
      const done = describe(copy, file, gathered);
      putInPlace({ copy, blobs, file, force });
      return { ...done, missing_files: lost };
    });
  } finally {
    asOwnerOf(beside, () => rmSync(staged, { recursive: true, force: true }));
  }
}

/** A new folder for what is not whole yet. */
function makeStage(beside: string): string {
  removeAbandoned(beside);
  const stage = join(beside, `.aimessage-${process.pid}-${Math.random().toString(36).slice(2)}.backup`);
  mkdirSync(stage, { mode: 0o700 });
  return stage;
}

function removeAbandoned(beside: string): void {
  try {
    for (const name of readdirSync(beside)) {
      if (!/^\.aimessage-\d+-\w+\.backup$/.test(name)) continue;
      const found = lstatSync(join(beside, name));
      if (found.isDirectory() && Date.now() - found.mtimeMs > ABANDONED_MS)
        rmSync(join(beside, name), { recursive: true, force: true });
    }
  } catch {
    // It cannot be read, or is another user's: the next one does it.
  }
}

function copyDatabase(database: DatabaseSync, copy: string): void {
  closeSync(openSync(copy, "wx", 0o600));
  database.prepare("VACUUM INTO ?").run(copy);
  change(copy, dropUnsealed);
}

/** In one file, whatever it was: nothing of it is in a log beside it. */
function change(copy: string, work: (database: DatabaseSync) => void): void {
  const database = new DatabaseSync(copy);
  try {
    database.exec("PRAGMA journal_mode = DELETE");
    work(database);
  } finally {
    database.close();
  }
}

/** How many of some files the relay's database still has as whole: the others were removed meanwhile. */
function stillNamed(database: DatabaseSync, ids: readonly string[]): number {
  if (ids.length === 0) return 0;
  const select = database.prepare("SELECT 1 FROM blobs WHERE id = ? AND sealed = 1");
  return ids.filter((id) => select.get(id) !== undefined).length;
}

/** What is in a copy. @throws if it is damaged: no copy is better than one that cannot be restored */
function describe(copy: string, file: string, { files, file_bytes, missing }: Gathered): BackedUp {
  change(copy, (database) => dropBlobs(database, missing));
  const database = openReadOnly(copy);
  try {
    const [fault] = faultsOf(database, true);
    if (fault !== undefined)
      throw new AdminError(`The copy is damaged: ${fault}`, "`aimessage-server check` says more about the database");
    return {
      file,
      bytes: statSync(copy).size,
      entries: count(database, "entries"),
      accounts: count(database, "accounts"),
      schema_version: schemaVersion(database),
      files,
      file_bytes,
      missing_files: missing.length,
    };
  } finally {
    database.close();
  }
}

interface Staged {
  copy: string;
  blobs: string;
  file: string;
  force: boolean;
}

/**
 * Gives both their names, the files first. Where there are some of a backup before, theirs are removed at the end: whenever this is
 * cut short, a backup that has its name has its files.
 */
function putInPlace({ copy, blobs, file, force }: Staged): void {
  const fd = openSync(copy, "r+");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  const undo = putFiles(blobs, filesOf(file));
  try {
    makeWhole(file, (partial) => moveTo(copy, partial), { replace: force });
  } catch (error) {
    undo();
    throw error;
  }
  if (force) removeOld(file);
}

function putFiles(blobs: string, target: string): () => void {
  if (!existsSync(blobs)) return () => {};
  if (existsSync(target)) return mergeInto(target, blobs);
  renameSync(blobs, target);
  return () => rmSync(target, { recursive: true, force: true });
}

/** What a backup before has had, and this one has not. */
function removeOld(file: string): void {
  try {
    const database = openReadOnly(file);
    try {
      const select = hasBlobs(database) ? database.prepare("SELECT 1 FROM blobs WHERE id = ?") : undefined;
      removeOthers(filesOf(file), (id) => select?.get(id) !== undefined);
    } finally {
      database.close();
    }
  } catch {
    // The backup is whole: a file too many does not spoil it.
  }
}

function count(database: DatabaseSync, table: "entries" | "accounts" | "blobs"): number {
  return (database.prepare(`SELECT count(*) AS count FROM ${table}`).get() as { count: number }).count;
}

function wholePath(target: string): string {
  const path = resolve(target);
  const folder = dirname(path);
  if (!existsSync(folder))
    throw new AdminError(`There is no folder ${folder}`, "make it first, or choose another file");
  return join(realpathSync(folder), basename(path));
}
