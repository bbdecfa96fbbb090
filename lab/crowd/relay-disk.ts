import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

/** What of a group's messages lies on the relay's disk. */
export interface StoredBodies {
  /** Messages of which any mailbox has a row, and those rows. */
  messages: number;
  rows: number;
  /** Texts that those rows have between them. */
  bodies: number;
  /** Texts in the table that no row needs. */
  unused: number;
}

export function countBodies(folder: string): StoredBodies {
  using db = new DatabaseSync(join(folder, "relay.db"), { readOnly: true, timeout: 10_000 });
  const sql = `SELECT count(DISTINCT message_id) AS messages, count(*) AS rows, count(DISTINCT body) AS bodies,
    (SELECT count(*) FROM bodies WHERE body NOT IN (SELECT body FROM entries WHERE body IS NOT NULL)) AS unused
    FROM entries WHERE kind = 'application' AND pos IS NOT NULL`;
  return db.prepare(sql).get() as unknown as StoredBodies;
}

/** Members of groups for whom the relay had to drop something. */
export function countLapsed(folder: string): number {
  using db = new DatabaseSync(join(folder, "relay.db"), { readOnly: true, timeout: 10_000 });
  const row = db.prepare("SELECT count(*) AS count FROM members WHERE lapsed IS NOT NULL").get();
  return (row as unknown as { count: number }).count;
}
