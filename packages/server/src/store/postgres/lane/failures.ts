import { DatabaseError } from "pg";
import { StorageError } from "../../store.ts";
import { LinkError } from "../link/link.ts";
import { Again, FenceError } from "./fenced-writes.ts";

/** Serialization failure, deadlock, unique violation or a table that is there already (somebody was faster), lock not available in time: the same may succeed the next time. */
const TRANSIENT = new Set(["40001", "40P01", "23505", "42P07", "42P17", "55P03"]);
/** A prepared statement fits the tables no longer, or is not there: a new connection prepares it anew. */
const STALE = new Set(["0A000", "26000"]);
/** Classes of errors that meet every batch: resources of the engine, its system. */
const OF_ALL = /^(53|58)/;
const DISK_FULL = "53100";

export function isTransient(error: unknown): boolean {
  return error instanceof Again || error instanceof FenceError || TRANSIENT.has(codeOf(error));
}

export function concernsAll(error: unknown): boolean {
  return error instanceof StorageError || error instanceof FenceError || OF_ALL.test(codeOf(error));
}

/** Whether the same may succeed with a new connection. */
export function isStale(error: unknown): boolean {
  return STALE.has(codeOf(error));
}

/** Of an error of the engine, its code of five characters (PostgreSQL, appendix A); else nothing. */
function codeOf(error: unknown): string {
  return (error instanceof DatabaseError ? error.code : undefined) ?? "";
}

export function failure(error: unknown): StorageError {
  if (error instanceof StorageError) return error;
  const cause = error instanceof Error ? error : new Error("no error", { cause: error });
  const reason = codeOf(error) === DISK_FULL ? "storage_full" : "internal";
  return new StorageError(reason, cause, error instanceof LinkError || error instanceof FenceError);
}
