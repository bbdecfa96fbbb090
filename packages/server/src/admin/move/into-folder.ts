import { MOVED } from "../../store/sqlite/requests.ts";
import { intoCluster } from "./into-cluster.ts";
import type { MovedTable } from "./tables.ts";

/** Columns that both sides have alike, but that flags which are not set are NULL in SQLite. */
function same(table: string, order: string): MovedTable {
  const columns = intoCluster.find((moved) => moved.table === table)?.columns ?? {};
  const select = Object.entries(columns).map(([name, type]) => (type === "boolean" ? flag(name) : name));
  return { table, columns, select: `SELECT ${select.join(", ")} FROM ${table} ORDER BY ${order}` };
}

function flag(name: string): string {
  return `CASE WHEN ${name} THEN 1 END AS ${name}`;
}

/**
 * Tables of SQLite, and what a cluster has for them. Of requests it has hashes, which SQLite knows by their kind (`requests.ts`). What is
 * only there to be swept stays behind.
 */
export const intoFolder: MovedTable[] = [
  {
    table: "addresses",
    columns: { id: "bigint", address: "text", accounts: "bigint", bytes: "bigint" },
    select: `SELECT id, address, accounts, bytes FROM (SELECT *, coalesce((SELECT sum(bytes) FROM charges WHERE payer = '@' || id), 0)::bigint AS bytes
      FROM addresses) a WHERE accounts > 0 OR bytes > 0 ORDER BY id`,
  },
  {
    table: "accounts",
    columns: {
      name: "text",
      username: "text",
      kind: "text",
      mailbox: "bigint",
      derived_key: "bytea",
      identity_key: "bytea",
      disabled: "bigint",
      address: "bigint",
      seen: "bigint",
      entered: "bigint",
    },
    select: `SELECT a.name, a.username, a.kind, a.mailbox, CASE a.kind WHEN 'token' THEN derived_key END AS derived_key,
        CASE a.kind WHEN 'key' THEN identity_key END AS identity_key, ${flag("disabled")}, a.address, nullif(seen, 0) AS seen, ${flag("entered")}
      FROM accounts a LEFT JOIN mailboxes m ON m.mailbox = a.mailbox LEFT JOIN devices d ON d.mailbox = a.mailbox ORDER BY a.name`,
  },
  {
    table: "mailboxes",
    columns: {
      mailbox: "bigint",
      name: "text",
      device: "text",
      device_key: "bytea",
      certificate: "bytea",
      counter: "bigint",
      login_counter: "bigint",
      closed: "text",
      drained: "bigint",
    },
    select: `SELECT m.mailbox, name, device, device_key, certificate, coalesce(counter, 0) AS counter, login_counter, closed, ${flag("drained")}
      FROM mailboxes m LEFT JOIN devices d ON d.mailbox = m.mailbox ORDER BY m.mailbox`,
  },
  {
    table: "last_requests",
    columns: { sender: "bigint", id: "text" },
    select:
      "SELECT mailbox AS sender, last_request AS id FROM mailboxes WHERE last_request IS NOT NULL ORDER BY mailbox",
  },
  {
    table: "bodies",
    columns: { body: "bigint", text: "text" },
    select:
      "SELECT body, text FROM bodies b WHERE EXISTS (SELECT 1 FROM entries e WHERE e.body = b.body) ORDER BY body",
  },
  { ...same("entries", "seq"), json: ["session_id", "message"] },
  {
    table: "requests",
    columns: {
      sender: "bigint",
      kind: "text",
      id: "text",
      digest: "bytea",
      mailbox: "bigint",
      seq: "bigint",
      at: "bigint",
      answer: "text",
    },
    select: `SELECT sender, '${MOVED}' AS kind, encode(id, 'hex') AS id, digest, mailbox, seq, at, answer FROM
        (SELECT DISTINCT ON (sender, id) * FROM requests
          WHERE at >= coalesce((SELECT value::bigint FROM meta WHERE key = 'requests_since'), 0) ORDER BY sender, id, at DESC) r
      ORDER BY at, seq`,
  },
  {
    table: "groups",
    columns: {
      rowid: "bigint",
      group_id: "text",
      epoch: "bigint",
      opener: "bigint",
      address: "bigint",
      used: "bigint",
      ended: "bigint",
      team: "bigint",
      floor: "bigint",
      pos: "bigint",
      pos_before: "bigint",
    },
    select: `SELECT number AS rowid, group_id, epoch, opener, address, used, ended, ${flag("team")}, floor, pos, pos_before
      FROM groups ORDER BY number`,
  },
  {
    table: "members",
    columns: {
      group_id: "text",
      mailbox: "bigint",
      name: "text",
      device: "text",
      joined: "bigint",
      lapsed: "bigint",
      leaves: "bigint",
      away_since: "bigint",
      adder: "text",
      adder_address: "bigint",
      rejoined_at: "bigint",
    },
    select: `SELECT group_id, mailbox, CASE WHEN team THEN name END AS name, CASE WHEN team THEN device END AS device, joined, ${flag("lapsed")},
        ${flag("leaves")}, away_since, adder, adder_address, rejoined_at
      FROM members ORDER BY group_id, mailbox`,
  },
  same("statements", "group_id, name"),
  same("key_packages", "number"),
  same("last_resorts", "mailbox"),
  same("claims", "claimant, mailbox"),
  {
    table: "peers",
    columns: { number: "bigint", owner: "text", peer: "text", blocked: "bigint", address: "bigint" },
    select: "SELECT number, owner, peer, blocked::int AS blocked, address FROM peers ORDER BY number",
  },
  same("invites", "id"),
  same("blobs", "id"),
  same("audit", "number"),
];
