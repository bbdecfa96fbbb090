import { readdirSync, readFileSync } from "node:fs";

/** Kept for the files of the store, of its backups and of administrators' requests. */
const KEPT = 16;
/** Sockets that a relay still tries which may open next to nothing. */
const LEAST = 8;

/**
 * How many sockets this process may still open, by the limit of the system on its files (`ulimit -n`), and that limit. Undefined where the
 * system does not say: Linux does (proc(5)).
 */
export function socketsLeft(): { sockets: number; files: number } | undefined {
  try {
    const [, soft] = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "latin1")) ?? [];
    if (soft === undefined) return undefined;
    const files = Number(soft);
    return { sockets: Math.max(LEAST, files - readdirSync("/proc/self/fd").length - KEPT), files };
  } catch {
    return undefined;
  }
}
