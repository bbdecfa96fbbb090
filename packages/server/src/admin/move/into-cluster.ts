import { devices, names } from "../../store/postgres/tables/account-rows.ts";
import { blobTable } from "../../store/postgres/tables/blobs.ts";
import { BOX_FACTS } from "../../store/postgres/tables/boxes.ts";
import { entryTable } from "../../store/postgres/tables/entries.ts";
import { groupWrites, memberWrites } from "../../store/postgres/tables/group-rows.ts";
import { claims, lastResorts } from "../../store/postgres/tables/key-package-rows.ts";
import { invites } from "../../store/postgres/tables/registry.ts";
import { requestTable } from "../../store/postgres/tables/requests.ts";
import { statementTable } from "../../store/postgres/tables/statements.ts";
import type { MovedTable } from "./tables.ts";

/**
 * Tables of a cluster, and what SQLite has for them. Flags are 1 or 0 there. `as_json` and `request_hash` are functions of `sqlite-side.ts`.
 * Totals of mailboxes and charges are counted anew.
 */
export const intoCluster: MovedTable[] = [
  {
    table: "addresses",
    columns: { id: "bigint", address: "text", accounts: "bigint" },
    select: "SELECT id, address, accounts FROM addresses ORDER BY id",
  },
  {
    table: "accounts",
    columns: names.columns,
    select: "SELECT name, username, kind, mailbox, address FROM accounts ORDER BY name",
  },
  {
    table: "devices",
    columns: devices.columns,
    select: `SELECT m.mailbox, device_key, certificate, counter, identity_key, derived_key
      FROM mailboxes m LEFT JOIN accounts a ON a.name = m.name AND a.mailbox = m.mailbox ORDER BY m.mailbox`,
  },
  {
    table: "mailboxes",
    columns: BOX_FACTS,
    select: `SELECT m.mailbox, m.name, device, closed, drained IS 1 AS drained, a.username, a.kind, a.disabled IS 1 AS disabled, a.address,
        coalesce(a.seen, 0) AS seen, a.entered IS 1 AS entered, login_counter,
        coalesce((SELECT max(seq) FROM entries e WHERE e.mailbox = m.mailbox), 0) AS last_seq, r.id AS last_request
      FROM mailboxes m LEFT JOIN accounts a ON a.name = m.name AND a.mailbox = m.mailbox LEFT JOIN last_requests r ON r.sender = m.mailbox
      ORDER BY m.mailbox`,
  },
  {
    table: "bodies",
    columns: { body: "bigint", text: "text", files: "boolean" },
    select: `SELECT body, text, EXISTS (SELECT 1 FROM blobs b WHERE b.held = body) AS files FROM bodies ORDER BY body`,
  },
  {
    table: "entries",
    columns: entryTable.columns,
    select: `SELECT mailbox, seq, sender, from_name, device, kind, as_json(session_id) AS session_id, group_id, epoch, message_id, expires_at,
        stored_at, bytes, status, reason, unknown IS 1 AS unknown, stranger IS 1 AS stranger, address, pos, body, as_json(message) AS message
      FROM entries ORDER BY seq`,
  },
  {
    table: "requests",
    columns: requestTable.columns,
    select: `SELECT sender, request_hash(kind, id) AS id, substr(digest, 1, 16) AS digest, mailbox, seq, at, answer
      FROM requests ORDER BY number`,
  },
  {
    table: "groups",
    columns: { number: "bigint", ...groupWrites.columns },
    select: `SELECT rowid AS number, group_id, epoch, opener, address, used, ended, team IS 1 AS team, floor, pos, pos_before
      FROM groups ORDER BY rowid`,
  },
  {
    table: "members",
    columns: memberWrites.columns,
    select: `SELECT group_id, m.mailbox, coalesce(m.name, b.name, '') AS name, coalesce(m.device, b.device, '') AS device,
        m.name IS NOT NULL AS team, joined, lapsed IS 1 AS lapsed, leaves IS 1 AS leaves, away_since, adder, adder_address, rejoined_at
      FROM members m LEFT JOIN mailboxes b ON b.mailbox = m.mailbox ORDER BY group_id, m.mailbox`,
  },
  {
    table: "statements",
    columns: statementTable.columns,
    select: `SELECT group_id, name, kind, statement, offered_to, tries, looks, due_at, address FROM statements ORDER BY group_id, name`,
  },
  {
    table: "key_packages",
    columns: {
      number: "bigint",
      mailbox: "bigint",
      digest: "bytea",
      package: "bytea",
      address: "bigint",
      published_at: "bigint",
      valid_until: "bigint",
    },
    select: `SELECT number, mailbox, digest, package, address, published_at, valid_until FROM key_packages ORDER BY number`,
  },
  {
    table: "last_resorts",
    columns: lastResorts.columns,
    select: `SELECT mailbox, package, address, published_at, valid_until FROM last_resorts ORDER BY mailbox`,
  },
  {
    table: "claims",
    columns: claims.columns,
    select: `SELECT claimant, mailbox, package, address, published_at, valid_until, coalesce(claimed_at, 0) AS claimed_at
      FROM claims ORDER BY claimant, mailbox`,
  },
  {
    table: "peers",
    columns: { number: "bigint", owner: "text", peer: "text", blocked: "boolean", address: "bigint" },
    select: "SELECT number, owner, peer, blocked, address FROM peers ORDER BY number",
  },
  {
    table: "invites",
    columns: invites.columns,
    select: "SELECT id, hash, uses, used, created_at, expires_at, revoked IS 1 AS revoked FROM invites ORDER BY id",
  },
  {
    table: "blobs",
    columns: blobTable.columns,
    select: `SELECT id, owner, address, request_id, token_hash, read_hash, bytes, readers, come, sealed IS 1 AS sealed, held, touched_at, expires_at
      FROM blobs ORDER BY id`,
  },
  {
    table: "audit",
    columns: {
      number: "bigint",
      kind: "text",
      at: "bigint",
      who: "text",
      what: "text",
      target: "text",
      outcome: "text",
      count: "bigint",
    },
    select: "SELECT number, kind, at, who, what, target, outcome, count FROM audit ORDER BY number",
  },
];
