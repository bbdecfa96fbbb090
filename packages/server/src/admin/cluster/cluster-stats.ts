import type { Sql } from "../../store/postgres/link/link.ts";
import type { Stats } from "../stats.ts";

const COUNTS = `SELECT
  (SELECT count(*) FROM accounts WHERE kind = 'key') AS key,
  (SELECT count(*) FROM accounts WHERE kind = 'token') AS token,
  (SELECT count(*) FROM accounts WHERE kind = 'removed') AS removed,
  (SELECT count(*) FROM mailboxes m JOIN accounts a ON a.mailbox = m.mailbox WHERE m.disabled) AS disabled,
  (SELECT count(*) FROM mailboxes WHERE device <> '' AND closed IS NULL) AS devices,
  (SELECT count(DISTINCT mailbox) FROM entries) AS mailboxes_with_mail,
  (SELECT count(*) FROM entries) AS entries,
  (SELECT coalesce(sum(bytes), 0)::bigint FROM entries) AS bytes,
  (SELECT min(stored_at) FROM entries) AS oldest_entry,
  (SELECT count(DISTINCT group_id) FROM members) AS groups,
  (SELECT count(*) FROM key_packages WHERE package IS NOT NULL) AS key_packages,
  (SELECT count(*) FROM blobs WHERE sealed) AS files,
  (SELECT coalesce(sum(bytes), 0)::bigint FROM blobs WHERE sealed) AS file_bytes,
  (SELECT count(*) FROM blobs WHERE NOT sealed) AS files_to_come,
  (SELECT coalesce(sum(pg_total_relation_size(oid)), 0)::bigint FROM pg_class
    WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r') AS database_bytes`;

const FULLEST = `SELECT e.mailbox, coalesce(a.username, m.name, '') AS username, coalesce(m.device, '') AS device, entries, bytes, oldest_entry
  FROM (SELECT mailbox, count(*) AS entries, sum(bytes)::bigint AS bytes, min(stored_at) AS oldest_entry FROM entries
      GROUP BY mailbox ORDER BY bytes DESC, mailbox LIMIT 10) e
    LEFT JOIN mailboxes m ON m.mailbox = e.mailbox LEFT JOIN accounts a ON a.name = m.name
  ORDER BY bytes DESC, mailbox`;

type Counts = Omit<Stats, "accounts" | "fullest"> & Stats["accounts"];

/** What is in the tables of a cluster. */
export async function clusterStats(sql: Sql): Promise<Stats> {
  const [[counts], fullest] = await Promise.all([sql<Counts>(COUNTS, []), sql<Stats["fullest"][number]>(FULLEST, [])]);
  const { key, token, removed, disabled, ...rest } = counts as Counts;
  return { accounts: { key, token, removed, disabled }, ...rest, fullest: [...fullest] };
}
