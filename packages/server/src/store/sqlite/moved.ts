import type { DatabaseSync } from "node:sqlite";
import * as z from "zod";

const Mark = z.object({ id: z.string(), store: z.string() });

/** What a database says of its move to a cluster, or from one. */
export interface MoveMark {
  /** Random; the other side has the same. */
  id: string;
  /** The cluster's address, without a password. */
  store: string;
}

/** `moved`: everything is in the cluster now. `arriving`: not everything has come from there, or the cluster does not know yet that it has. */
type MoveMarkKey = "moved" | "arriving";

/** The database is not the one to be used, or not yet. */
export class MovedError extends Error {
  override readonly name = "MovedError";
  readonly #key: MoveMarkKey;
  readonly #store: string;

  constructor(key: MoveMarkKey, { store }: MoveMark) {
    super(key === "moved" ? `The database has moved to ${store}` : `The database has not arrived from ${store}`);
    this.#key = key;
    this.#store = store;
  }

  /** For people, of the folder `db`. */
  explain(db: string): [message: string, hint: string] {
    const store = this.#store;
    if (this.#key === "moved")
      return [`The database in ${db} has moved to ${store}`, `it goes on there: aimessage-server --store ${store}`];
    return [
      `The database in ${db} has not arrived from ${store}`,
      `run this again, it finishes or begins anew: aimessage-server migrate --back --db ${db} --store ${store}`,
    ];
  }
}

/** @throws MovedError */
export function refuseMoved(db: DatabaseSync): void {
  for (const key of ["moved", "arriving"] as const) {
    const mark = readMark(db, key);
    if (mark !== undefined) throw new MovedError(key, mark);
  }
}

/** Undefined also where there are no tables yet. */
export function readMark(db: DatabaseSync, key: MoveMarkKey): MoveMark | undefined {
  if (db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'meta'").get() === undefined) return undefined;
  const row = db.prepare("SELECT value FROM meta WHERE key = ?").get(key) as { value: string } | undefined;
  return row && Mark.parse(JSON.parse(row.value));
}

/** @param mark Undefined: it is taken away */
export function setMark(db: DatabaseSync, key: MoveMarkKey, mark: MoveMark | undefined): void {
  if (mark === undefined) db.prepare("DELETE FROM meta WHERE key = ?").run(key);
  else db.prepare("INSERT OR REPLACE INTO meta VALUES (?, ?)").run(key, JSON.stringify(mark));
}
