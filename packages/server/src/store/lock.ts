import {
  chmodSync,
  closeSync,
  existsSync,
  fchownSync,
  lchownSync,
  mkdirSync,
  openSync,
  statSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";

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

/** Makes a file that only its owner can read, before anything is written to it. */
export function makePrivate(file: string): void {
  // Never opened if it is there: closing it would drop the locks that this process holds on it (POSIX).
  try {
    if (!existsSync(file)) return writePrivate(file, "");
  } catch (error) {
    // Another process was faster.
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
  chmodSync(file, 0o600);
}

/** Writes a new file that only its owner can read. It belongs to whom the folder belongs: root may be at work for a relay. */
export function writePrivate(file: string, text: string): void {
  const fd = openSync(file, "ax", 0o600);
  try {
    const owner = ownerFor(file);
    if (owner !== undefined) fchownSync(fd, owner.uid, owner.gid);
    writeSync(fd, text);
  } finally {
    closeSync(fd);
  }
}

/** Gives what root has made to whom the folder around it belongs: the relay of that user has to use it. */
export function giveToOwner(path: string): void {
  const owner = ownerFor(path);
  if (owner !== undefined) lchownSync(path, owner.uid, owner.gid);
}

function ownerFor(path: string): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const { uid, gid } = statSync(dirname(path));
  return uid === 0 ? undefined : { uid, gid };
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
