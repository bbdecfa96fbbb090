import type { Sql } from "../../store/postgres/link/link.ts";
import type { User, UserDetails, UserDevice } from "../users.ts";

type Row = User & { name: string; mailbox: number | null };

const SELECT = `SELECT a.name, a.mailbox, a.username, a.kind, coalesce(m.disabled, false) AS disabled,
    (SELECT count(*) FROM mailboxes d WHERE d.name = a.name AND d.device <> '') AS devices,
    (SELECT count(*) FROM entries e WHERE e.mailbox = a.mailbox) AS entries,
    (SELECT coalesce(sum(bytes), 0)::bigint FROM entries e WHERE e.mailbox = a.mailbox) AS bytes,
    CASE a.kind WHEN 'key' THEN m.login_counter END AS login_counter
  FROM accounts a LEFT JOIN mailboxes m ON m.mailbox = a.mailbox`;

/** As in SQLite names are compared byte by byte, whatever language the database speaks. */
const IN_RANGE = `a.name COLLATE "C" >= $1 AND a.name COLLATE "C" < $2`;

export async function listClusterUsers(
  sql: Sql,
  prefix: string,
  limit: number,
): Promise<{ users: User[]; more: number }> {
  // '~' stands behind every character of a name.
  const range = [prefix.toLowerCase(), `${prefix.toLowerCase()}~`];
  const [rows, [count]] = await Promise.all([
    sql<Row>(`${SELECT} WHERE ${IN_RANGE} ORDER BY a.name COLLATE "C" LIMIT $3::bigint`, [...range, limit]),
    sql<{ all: number }>(`SELECT count(*) AS "all" FROM accounts a WHERE ${IN_RANGE}`, range),
  ]);
  return { users: rows.map(toUser), more: (count?.all ?? 0) - rows.length };
}

export async function showClusterUser(sql: Sql, username: string): Promise<UserDetails | undefined> {
  const [row] = await sql<Row>(`${SELECT} WHERE a.name = $1`, [username.toLowerCase()]);
  if (row === undefined) return undefined;
  const [[counts], devices] = await Promise.all([
    sql<Pick<UserDetails, "oldest_entry" | "key_packages" | "groups">>(
      `SELECT (SELECT min(stored_at) FROM entries WHERE mailbox = $1) AS oldest_entry,
        (SELECT count(*) FROM key_packages WHERE mailbox = $1 AND package IS NOT NULL) AS key_packages,
        (SELECT count(*) FROM members WHERE mailbox = $1) AS groups`,
      [row.mailbox],
    ),
    sql<UserDevice>(
      `SELECT m.device AS id, d.counter, m.login_counter, coalesce(m.closed, 'open') AS state,
        (SELECT count(*) FROM entries e WHERE e.mailbox = m.mailbox) AS entries,
        (SELECT coalesce(sum(bytes), 0)::bigint FROM entries e WHERE e.mailbox = m.mailbox) AS bytes
        FROM mailboxes m JOIN devices d ON d.mailbox = m.mailbox WHERE m.name = $1 AND m.device <> '' ORDER BY m.mailbox DESC`,
      [row.name],
    ),
  ]);
  const { oldest_entry = null, key_packages = 0, groups = 0 } = counts ?? {};
  return { ...toUser(row), oldest_entry, key_packages, groups, all_devices: [...devices] };
}

function toUser({ username, kind, disabled, devices, entries, bytes, login_counter }: Row): User {
  return { username, kind, disabled, devices, entries, bytes, login_counter };
}
