import { readdirSync, readFileSync } from "node:fs";

/** Kept for the files of the store, of its backups and of administrators' requests. */
const KEPT = 16;
/** One part of so many is for blobs that come or go, at most, and one for those that stay open between two parts. */
const PART = 8;
/** More of blobs' files do not stay open between two parts. */
const KEPT_OPEN = 64;
/** Sockets that a relay still tries which may open next to nothing. */
const LEAST = 8;

/** What a process may still open. */
export interface Descriptors {
  sockets: number;
  /** Blobs that come or go at a time: each has its file open. */
  transfers: number;
  /** Files of blobs that stay open between two parts. */
  keptOpen: number;
  /** The limit of the system on all of them. */
  files: number;
}

/**
 * Shares out what this process may still open, by the limit of the system on its files (`ulimit -n`). Undefined where the system does not
 * say: Linux does (proc(5)).
 */
export function descriptorsLeft(limits: Wanted): Descriptors | undefined {
  try {
    const [, soft] = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "latin1")) ?? [];
    if (soft === undefined) return undefined;
    const files = Number(soft);
    return { ...shareOut(files - readdirSync("/proc/self/fd").length - KEPT, limits), files };
  } catch {
    return undefined;
  }
}

interface Wanted {
  transfers: number;
}

/** What files of blobs take is no socket's: whoever fills all of both leaves what is kept. */
export function shareOut(left: number, { transfers: most }: Wanted): Omit<Descriptors, "files"> {
  const part = Math.max(1, Math.floor(left / PART));
  const [transfers, keptOpen] = [Math.min(most, part), Math.min(KEPT_OPEN, part)];
  return { transfers, keptOpen, sockets: Math.max(LEAST, left - transfers - keptOpen) };
}
