import { existsSync, statSync } from "node:fs";
import type { DatabaseSync } from "node:sqlite";
import { databaseFile, openSnapshot } from "./read-only.ts";

export interface Stats {
  accounts: { key: number; token: number; removed: number; disabled: number };
  /** Those that are in use. */
  devices: number;
  mailboxes_with_mail: number;
  entries: number;
  /** What the entries count for in their mailboxes. */
  bytes: number;
  /** Unix milliseconds; null if nothing waits. */
  oldest_entry: number | null;
  groups: number;
  key_packages: number;
  /** Of the database and its log, on disk. */
  database_bytes: number;
  fullest: {
    mailbox: number;
    username: string;
    device: string;
    entries: number;
    bytes: number;
    oldest_entry: number;
  }[];
}

/** What is in a database at one moment, whether a relay runs on it or not. */
export function stats(db: string): Stats {
  const database = openSnapshot(db);
  try {
    const one = (sql: string): number => (database.prepare(`SELECT ${sql} AS value`).get() as { value: number }).value;
    const all = database
      .prepare(
        `SELECT count(DISTINCT mailbox) AS mailboxes, count(*) AS entries, coalesce(sum(bytes), 0) AS bytes,
          min(stored_at) AS oldest FROM entries`,
      )
      .get() as { mailboxes: number; entries: number; bytes: number; oldest: number | null };
    const ofKind = (kind: string): number => one(`(SELECT count(*) FROM accounts WHERE kind = '${kind}')`);
    return {
      accounts: {
        key: ofKind("key"),
        token: ofKind("token"),
        removed: ofKind("removed"),
        disabled: one("(SELECT count(*) FROM accounts WHERE disabled = 1)"),
      },
      devices: one("(SELECT count(*) FROM mailboxes WHERE device != '' AND closed IS NULL)"),
      mailboxes_with_mail: all.mailboxes,
      entries: all.entries,
      bytes: all.bytes,
      oldest_entry: all.oldest,
      // Of groups that somebody has left there is nothing but the id.
      groups: one("(SELECT count(DISTINCT group_id) FROM members)"),
      key_packages: one("(SELECT count(*) FROM key_packages WHERE package IS NOT NULL)"),
      database_bytes: sizeOnDisk(db),
      fullest: fullest(database),
    };
  } finally {
    database.close();
  }
}

function fullest(database: DatabaseSync): Stats["fullest"] {
  return database
    .prepare(
      `SELECT e.mailbox, coalesce(a.username, m.name, '') AS username, coalesce(m.device, '') AS device, e.entries, e.bytes,
        e.oldest_entry FROM (SELECT mailbox, count(*) AS entries, sum(bytes) AS bytes, min(stored_at) AS oldest_entry
          FROM entries GROUP BY mailbox ORDER BY bytes DESC, mailbox LIMIT 10) e
        LEFT JOIN mailboxes m ON m.mailbox = e.mailbox LEFT JOIN accounts a ON a.name = m.name
        ORDER BY e.bytes DESC, e.mailbox`,
    )
    .all() as unknown as Stats["fullest"];
}

function sizeOnDisk(db: string): number {
  const file = databaseFile(db);
  return [file, `${file}-wal`].reduce((sum, path) => sum + (existsSync(path) ? statSync(path).size : 0), 0);
}
