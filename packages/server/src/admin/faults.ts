import type { DatabaseSync } from "node:sqlite";

/** SQLite's codes for a file that is damaged, or no database (https://sqlite.org/rescode.html): CORRUPT, NOTADB. */
const DAMAGED = new Set([11, 26]);

/**
 * What SQLite finds wrong with a database (https://sqlite.org/pragma.html#pragma_integrity_check), a hundred faults at most.
 * @param quick Without comparing indexes with their tables, of which they were made just now.
 */
export function faultsOf(database: DatabaseSync, quick = false): string[] {
  try {
    const rows = database.prepare(`PRAGMA ${quick ? "quick" : "integrity"}_check`).all();
    return rows.map((row) => String(Object.values(row)[0])).filter((text) => text !== "ok");
  } catch (error) {
    // Damage in the wrong place ends the check itself.
    if (isDamage(error)) return [(error as Error).message];
    throw error;
  }
}

export function isDamage(error: unknown): boolean {
  return DAMAGED.has(((error as { errcode?: number }).errcode ?? 0) & 0xff);
}
