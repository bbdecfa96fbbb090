import { chmodSync, existsSync, lstatSync, mkdirSync, type Stats, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { systemError } from "@aimessage/sdk/program";

/** Another process holds the folder. */
export class FolderLockedError extends Error {
  override readonly name = "FolderLockedError";
}

/**
 * Claims a folder for this process. The system frees the claim the instant that the process dies, however it dies: it is
 * an open exclusive transaction on a database of its own.
 * @param patience Milliseconds to wait for it: an administrator's command holds a stopped relay's folder for a moment.
 */
export function lockFolder(folder: string, patience = 0): { close: () => void } {
  const file = join(folder, "lock.db");
  makePrivate(file);
  const db = new DatabaseSync(file, { timeout: patience });
  try {
    db.exec("BEGIN EXCLUSIVE");
  } catch (error) {
    db.close();
    if ((error as { errcode?: number }).errcode === 5) throw new FolderLockedError(`Another relay uses ${folder}`);
    throw error;
  }
  return { close: () => db.close() };
}

/**
 * Makes a file that only its owner can read, before anything is written to it.
 * @throws ELOOP if a link is in its place: SQLite would follow it
 */
export function makePrivate(file: string): void {
  const found = refuseLink(file);
  if (found === undefined) return writePrivate(file);
  // Never opened if it is there: closing it would drop the locks that this process holds on it (POSIX).
  if ((found.mode & 0o077) !== 0 && found.uid === process.geteuid?.()) chmodSync(file, 0o600);
}

/** Files of a database in a folder in which others may write, too. @throws ELOOP if one is a link: SQLite would follow it */
export function refuseLinks(folder: string): void {
  for (const name of ["relay.db", "relay.db-wal", "relay.db-shm"]) refuseLink(join(folder, name));
}

function refuseLink(file: string): Stats | undefined {
  const found = lstatSync(file, { throwIfNoEntry: false });
  if (found?.isSymbolicLink() !== true) return found;
  throw systemError("ELOOP", "it is a link", { path: file, syscall: "open" });
}

function writePrivate(file: string): void {
  try {
    writeFileSync(file, "", { flag: "ax", mode: 0o600 });
  } catch (error) {
    // Another process was faster.
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
}

/** Makes a folder and its parents. Node's own recursive mkdir never returns where the system refuses a child (`/proc/x`). */
export function makeFolder(folder: string): void {
  if (!existsSync(dirname(folder))) makeFolder(dirname(folder));
  try {
    mkdirSync(folder, { mode: 0o700 });
  } catch (error) {
    if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) throw error;
  }
}
