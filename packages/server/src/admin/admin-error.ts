import { UsageError } from "../config/usage-error.ts";
import { explainEngine } from "../store/explain-engine.ts";
import { FolderLockedError } from "../store/sqlite/lock.ts";
import { NewerSchemaError } from "../store/sqlite/migrations.ts";
import { MovedError } from "../store/sqlite/moved.ts";
import { StorageError } from "../store/store.ts";

/** An administrator's command could not be done; one sentence says why, and the hint what to do. */
export class AdminError extends Error {
  override readonly name = "AdminError";
  readonly hint: string;
  constructor(message: string, hint: string, cause?: unknown) {
    super(message, { cause });
    this.hint = hint;
  }
}

const OTHER_USER = "run this as the user of the relay, or as root";
/** SQLite's codes for what this user may not do (https://sqlite.org/rescode.html): PERM, READONLY, CANTOPEN. */
const NOT_ALLOWED = new Set([3, 8, 14]);

/** What the file system and SQLite say, as a sentence for people. Other errors are faults of ours, and stay what they are. */
export function asAdminError(error: unknown, { db, store }: { db: string; store: string | undefined }): unknown {
  if (error instanceof AdminError || error instanceof UsageError) return error;
  const ofEngine = store === undefined ? undefined : explainEngine(error as Error);
  if (ofEngine !== undefined) return new AdminError(...ofEngine, error);
  if (error instanceof NewerSchemaError)
    return new AdminError(error.message, "install a newer aimessage-server", error);
  if (error instanceof MovedError) return new AdminError(...error.explain(db), error);
  if (error instanceof FolderLockedError)
    return new AdminError(`Another process uses the folder ${db}`, "try again in a moment", error);
  if (error instanceof StorageError && store !== undefined)
    return new AdminError(error.message, "see whether its PostgreSQL answers, and has room", error);
  if (error instanceof StorageError) return new AdminError(error.message, "see whether the disk of it is full", error);
  const { code, errcode, syscall, path, message } = error as {
    code?: string;
    errcode?: number;
    syscall?: string;
    path?: string;
    message?: string;
  };
  if (syscall !== undefined) {
    const hint = code === "EACCES" || code === "EPERM" ? OTHER_USER : "check the path, and whether the disk is full";
    return new AdminError(`Cannot use ${path ?? db} (${code})`, hint, error);
  }
  if (errcode !== undefined) {
    const hint = NOT_ALLOWED.has(errcode & 0xff) ? OTHER_USER : "aimessage-server check says more";
    return new AdminError(`SQLite says of the database in ${db}: ${message}`, hint, error);
  }
  return error;
}
