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
  /** Encrypted files that are whole, and those that are to come, for which there is room. */
  files: number;
  file_bytes: number;
  files_to_come: number;
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
    const mailboxes = usages(database);
    const ofKind = (kind: string): number => one(`(SELECT count(*) FROM accounts WHERE kind = '${kind}')`);
    return {
      accounts: {
        key: ofKind("key"),
        token: ofKind("token"),
        removed: ofKind("removed"),
        disabled: one("(SELECT count(*) FROM accounts WHERE disabled = 1)"),
      },
      devices: one("(SELECT count(*) FROM mailboxes WHERE device != '' AND closed IS NULL)"),
      mailboxes_with_mail: mailboxes.length,
      entries: mailboxes.reduce((sum, { entries }) => sum + entries, 0),
      bytes: mailboxes.reduce((sum, { bytes }) => sum + bytes, 0),
      oldest_entry: mailboxes.reduce<number | null>(
        (oldest, { oldest_entry }) => Math.min(oldest ?? oldest_entry, oldest_entry),
        null,
      ),
      // Of groups that somebody has left there is nothing but the id.
      groups: one("(SELECT count(DISTINCT group_id) FROM members)"),
      key_packages: one("(SELECT count(*) FROM key_packages WHERE package IS NOT NULL)"),
      files: one("(SELECT count(*) FROM blobs WHERE sealed = 1)"),
      file_bytes: one("(SELECT coalesce(sum(bytes), 0) FROM blobs WHERE sealed = 1)"),
      files_to_come: one("(SELECT count(*) FROM blobs WHERE sealed IS NULL)"),
      database_bytes: sizeOnDisk(db),
      fullest: fullest(database, mailboxes),
    };
  } finally {
    database.close();
  }
}

interface Usage {
  mailbox: number;
  entries: number;
  bytes: number;
  oldest_entry: number;
}

/** Of each mailbox with mail. In the order of the table: in that of the index each entry would be looked for. */
function usages(database: DatabaseSync): Usage[] {
  return database
    .prepare(
      `SELECT mailbox, count(*) AS entries, sum(bytes) AS bytes, min(stored_at) AS oldest_entry
        FROM entries NOT INDEXED GROUP BY mailbox`,
    )
    .all() as unknown as Usage[];
}

function fullest(database: DatabaseSync, mailboxes: Usage[]): Stats["fullest"] {
  const owner = database.prepare(
    `SELECT coalesce(a.username, m.name, '') AS username, coalesce(m.device, '') AS device
      FROM (SELECT ? AS mailbox) e LEFT JOIN mailboxes m ON m.mailbox = e.mailbox LEFT JOIN accounts a ON a.name = m.name`,
  );
  return mailboxes
    .toSorted((one, other) => other.bytes - one.bytes || one.mailbox - other.mailbox)
    .slice(0, 10)
    .map(({ mailbox, entries, bytes, oldest_entry }) => {
      const { username, device } = owner.get(mailbox) as { username: string; device: string };
      return { mailbox, username, device, entries, bytes, oldest_entry };
    });
}

function sizeOnDisk(db: string): number {
  const file = databaseFile(db);
  return [file, `${file}-wal`].reduce((sum, path) => sum + (existsSync(path) ? statSync(path).size : 0), 0);
}
