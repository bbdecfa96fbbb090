import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Range, Value, WriteTransaction } from "../store/store.ts";

/** The records within whatever transaction the connection is in. */
export class SqliteRecords implements WriteTransaction {
  written = false;
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
    this.#from = db.prepare("SELECT key, value FROM records WHERE key >= ? AND key < ? ORDER BY key LIMIT ?");
    this.#behind = db.prepare("SELECT key, value FROM records WHERE key > ? AND key < ? ORDER BY key LIMIT ?");
    this.#down = db.prepare("SELECT key, value FROM records WHERE key >= ? AND key < ? ORDER BY key DESC LIMIT ?");
  }

  async get(key: string): Promise<Value | undefined> {
    return this.#get.get(key)?.["value"] as Value | undefined;
  }

  async list({ prefix, after, limit, reverse }: Range): Promise<[string, Value][]> {
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

  async put(key: string, value: Value): Promise<void> {
    this.#put.run(key, value);
    this.written = true;
  }

  async delete(key: string): Promise<void> {
    if (this.#delete.run(key).changes !== 0) this.written = true;
  }
}
