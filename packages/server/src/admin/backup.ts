import { existsSync, realpathSync, rmSync, statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { asOwnerOf, makeWhole } from "@aimessage/sdk/program";
import { schemaVersion } from "../store/migrations.ts";
import { AdminError } from "./admin-error.ts";
import { faultsOf } from "./faults.ts";
import { databaseFile, openReadOnly, requireDatabase } from "./read-only.ts";

export interface BackedUp {
  /** The whole path. */
  file: string;
  bytes: number;
  entries: number;
  accounts: number;
  schema_version: number;
}

const FULL = new Set(["ENOSPC", "EDQUOT"]);
const SQLITE_FULL = 13;

/**
 * Copies a database as it is at one moment, whether a relay runs on it or not. `VACUUM INTO` reads in one transaction, so
 * what is written meanwhile neither gets in nor starts it again, and it leaves out what was deleted
 * (https://sqlite.org/lang_vacuum.html). Root reads and writes as whom the two folders belong to.
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
    return asOwnerOf(dirname(resolve(target)), () => write(database, folder, target, force));
  } finally {
    asOwnerOf(db, () => database.close());
  }
}

function write(database: DatabaseSync, folder: string, target: string, force: boolean): BackedUp {
  const file = wholePath(target);
  if (dirname(file) === folder && /^(relay|lock)\.db/.test(basename(file)))
    throw new AdminError(`${target} belongs to the relay itself`, "choose another file for the backup");
  const there = statSync(file, { throwIfNoEntry: false });
  if (there?.isDirectory() === true) throw new AdminError(`${target} is a folder`, "name a file in it");
  if (there?.isFile() === false) throw new AdminError(`${target} is no file`, "choose another file for the backup");
  if (!force && existsSync(file))
    throw new AdminError(`${target} is there already`, "choose another file, or overwrite it with --force");
  try {
    return makeWhole(file, (partial) => copyAndDescribe(database, partial.file, file), { replace: force });
  } catch (error) {
    const { code = "", errcode = 0 } = error as { code?: string; errcode?: number };
    if (!FULL.has(code) && (errcode & 0xff) !== SQLITE_FULL) throw error;
    const hint = "free some space, or choose another disk; nothing was written, and what was there is as it was";
    throw new AdminError(`There is no room for ${target}`, hint, error);
  }
}

function copyAndDescribe(database: DatabaseSync, partial: string, file: string): BackedUp {
  try {
    database.prepare("VACUUM INTO ?").run(partial);
    return describe(partial, file);
  } finally {
    rmSync(`${partial}-journal`, { force: true });
  }
}

/** What is in a copy. @throws if it is damaged: no copy is better than one that cannot be restored */
function describe(copy: string, file: string): BackedUp {
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
    };
  } finally {
    database.close();
  }
}

function count(database: DatabaseSync, table: "entries" | "accounts"): number {
  return (database.prepare(`SELECT count(*) AS count FROM ${table}`).get() as { count: number }).count;
}

function wholePath(target: string): string {
  const path = resolve(target);
  const folder = dirname(path);
  if (!existsSync(folder))
    throw new AdminError(`There is no folder ${folder}`, "make it first, or choose another file");
  return join(realpathSync(folder), basename(path));
}
