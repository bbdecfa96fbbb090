import { chmodSync, closeSync, existsSync, mkdirSync, openSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";

/** Another process holds the folder. */
export class FolderLockedError extends Error {
  override readonly name = "FolderLockedError";
}

/**
 * Claims a folder for this process. The system frees the claim the instant that the process dies, however it dies: it is
 * an open exclusive transaction on a database of its own.
 */
export function lockFolder(folder: string): { close: () => void } {
  const file = join(folder, "lock.db");
  makePrivate(file);
  const db = new DatabaseSync(file, { timeout: 0 });
  try {
    db.exec("BEGIN EXCLUSIVE");
  } catch (error) {
    db.close();
    if ((error as { errcode?: number }).errcode === 5) throw new FolderLockedError(`Another relay uses ${folder}`);
    throw error;
  }
  return { close: () => db.close() };
}

/** Makes a file that only its owner can read, before anything is written to it. */
export function makePrivate(file: string): void {
  // Never opened if it is there: closing it would drop the locks that this process holds on it (POSIX).
  if (existsSync(file)) chmodSync(file, 0o600);
  else closeSync(openSync(file, "a", 0o600));
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
