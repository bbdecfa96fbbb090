import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Base } from "../store/layer.ts";
import type { Range, Value } from "../store/store.ts";

/** The records within whatever transaction the connection is in. */
export class SqliteRecords implements Base {
  readonly #get: StatementSync;
  readonly #put: StatementSync;
  readonly #delete: StatementSync;
  readonly #from: StatementSync;
  readonly #behind: StatementSync;
  readonly #down: StatementSync;

  constructor(db: DatabaseSync) {
    this.#get = db.prepare("SELECT value FROM records WHERE key = ?");
    this.#put = db.prepare(
      "INSERT INTO records (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
    );
    this.#delete = db.prepare("DELETE FROM records WHERE key = ?");
    // SQLite makes a new program for each value that a bare `LIMIT ?` is given, which takes six times as long as the query.
    this.#from = db.prepare("SELECT key, value FROM records WHERE key >= ? AND key < ? ORDER BY key LIMIT ? + 0");
    this.#behind = db.prepare("SELECT key, value FROM records WHERE key > ? AND key < ? ORDER BY key LIMIT ? + 0");
    this.#down = db.prepare("SELECT key, value FROM records WHERE key >= ? AND key < ? ORDER BY key DESC LIMIT ? + 0");
  }

  find(key: string): Value | undefined {
    return this.#get.get(key)?.["value"] as Value | undefined;
  }

  rows({ prefix, after, limit, reverse }: Range): [string, Value][] {
    const end = `${prefix}\u{7f}`;
    const most = limit ?? -1;
    const rows =
      reverse === true
        ? this.#down.all(prefix, after !== undefined && after < end ? after : end, most)
        : after !== undefined && after >= prefix
          ? this.#behind.all(after, end, most)
          : this.#from.all(prefix, end, most);
    return rows.map((row) => [row["key"] as string, row["value"] as Value]);
  }

  write(key: string, value: Value | undefined): boolean {
    if (value === undefined) return this.#delete.run(key).changes !== 0;
    this.#put.run(key, value);
    return true;
  }
}
