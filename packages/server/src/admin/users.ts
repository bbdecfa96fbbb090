import { openSnapshot } from "./read-only.ts";

export interface User {
  username: string;
  kind: "token" | "key" | "removed";
  disabled: boolean;
  /** All that it has had, replaced ones too. */
  devices: number;
  /** Waiting for it. */
  entries: number;
  bytes: number;
  /** Of the device in use; null for a token account. */
  login_counter: number | null;
}

export interface UserDevice {
  id: string;
  counter: number;
  login_counter: number;
  /** `open`, or why nobody reads its mailbox any more. */
  state: string;
  entries: number;
  bytes: number;
}

export interface UserDetails extends User {
  /** Unix milliseconds; null if nothing waits. */
  oldest_entry: number | null;
  key_packages: number;
  groups: number;
  all_devices: UserDevice[];
}

type Row = Omit<User, "disabled"> & { name: string; mailbox: number | null; disabled: number | null };

const SELECT = `SELECT a.name, a.mailbox, a.username, a.kind, a.disabled,
  (SELECT count(*) FROM mailboxes d WHERE d.name = a.name AND d.device != '') AS devices,
  (SELECT count(*) FROM entries e WHERE e.mailbox = a.mailbox) AS entries,
  (SELECT coalesce(sum(bytes), 0) FROM entries e WHERE e.mailbox = a.mailbox) AS bytes,
  CASE a.kind WHEN 'key' THEN (SELECT login_counter FROM mailboxes m WHERE m.mailbox = a.mailbox) END AS login_counter
  FROM accounts a`;

/** Accounts in the order of their names; `more` counts those beyond the limit. */
export function listUsers(db: string, prefix: string, limit: number): { users: User[]; more: number } {
  const database = openSnapshot(db);
  try {
    // '~' stands behind every character of a name.
    const range = [prefix.toLowerCase(), `${prefix.toLowerCase()}~`];
    const rows = database
      .prepare(`${SELECT} WHERE a.name >= ? AND a.name < ? ORDER BY a.name LIMIT ?`)
      .all(...range, limit) as unknown as Row[];
    const { all } = database
      .prepare('SELECT count(*) AS "all" FROM accounts WHERE name >= ? AND name < ?')
      .get(...range) as { all: number };
    return { users: rows.map(toUser), more: all - rows.length };
  } finally {
    database.close();
  }
}

/** All that the relay knows of an account but its keys; undefined if there is none. */
export function showUser(db: string, username: string): UserDetails | undefined {
  const database = openSnapshot(db);
  try {
    const row = database.prepare(`${SELECT} WHERE a.name = ?`).get(username.toLowerCase()) as unknown as
      | Row
      | undefined;
    if (row === undefined) return undefined;
    const one = (sql: string): number | null =>
      (database.prepare(`SELECT ${sql} AS value`).get(row.mailbox) as { value: number | null }).value;
    const devices = database
      .prepare(
        `SELECT device AS id, counter, login_counter, coalesce(closed, 'open') AS state,
          (SELECT count(*) FROM entries e WHERE e.mailbox = m.mailbox) AS entries,
          (SELECT coalesce(sum(bytes), 0) FROM entries e WHERE e.mailbox = m.mailbox) AS bytes
          FROM mailboxes m WHERE name = ? AND device != '' ORDER BY mailbox DESC`,
      )
      .all(row.name) as unknown as UserDevice[];
    return {
      ...toUser(row),
      oldest_entry: one("(SELECT min(stored_at) FROM entries WHERE mailbox = ?)"),
      key_packages: one("(SELECT count(*) FROM key_packages WHERE mailbox = ? AND package IS NOT NULL)") ?? 0,
      groups: one("(SELECT count(*) FROM members WHERE mailbox = ?)") ?? 0,
      all_devices: devices,
    };
  } finally {
    database.close();
  }
}

function toUser({ username, kind, disabled, devices, entries, bytes, login_counter }: Row): User {
  return { username, kind, disabled: disabled === 1, devices, entries, bytes, login_counter };
}
