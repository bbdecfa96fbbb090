import { chmodSync } from "node:fs";
import { join } from "node:path";
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
  const db = new DatabaseSync(file, { timeout: 0 });
  try {
    chmodSync(file, 0o600);
    db.exec("BEGIN EXCLUSIVE");
  } catch (error) {
    db.close();
    if ((error as { errcode?: number }).errcode === 5) throw new FolderLockedError(`Another relay uses ${folder}`);
    throw error;
  }
  return { close: () => db.close() };
}
