import { dayOf, DAY_MS } from "../src/store/days.ts";
import type { Sql } from "../src/store/postgres/link/link.ts";
import { createDay } from "../src/store/postgres/tables/upkeep.ts";

const ROWS = 20_000;
const TODAY = dayOf(Date.now());

/** By table: columns, and what is in the row with number `i`. */
const CONTENTS: Record<string, [columns: string, row: string]> = {
  mailboxes: [
    "mailbox, name, device, username, kind, listener, closed",
    "i, 'user' || i, '', 'user' || i, 'token', 1, CASE WHEN i % 1000 = 0 THEN 'unregistered' END",
  ],
  accounts: ["name, username, kind, mailbox", "'user' || i, 'user' || i, 'token', i"],
  devices: ["mailbox, derived_key", "i, ''"],
  entries: [
    "mailbox, seq, sender, from_name, kind, message_id, stored_at, bytes, unknown, stranger, message, body, expires_at",
    "i % 5000, i, 'user1', 'user1', 'application', i, i, 100, i % 100 = 0, false, '', CASE WHEN i % 3 = 0 THEN i / 10 END, CASE WHEN i % 3 = 0 THEN i END",
  ],
  bodies: ["body, text, files", "i, 'x', i % 50 = 0"],
  requests: ["sender, id, digest, mailbox, seq, at", `i, decode(md5(i::text), 'hex'), '', 2, i, ${TODAY * DAY_MS} + i`],
  peers: ["owner, peer, blocked", "'user' || i / 10, 'user' || i % 10, false"],
  charges: ["payer, relay, bytes", "'user' || i, 0, 100"],
  groups: ["group_id, epoch, opener, used, team, floor, pos, pos_before", "'g' || i, 1, i, 100, i % 2 = 0, 0, 0, 0"],
  members: [
    "group_id, mailbox, name, device, team, joined, lapsed, leaves",
    "'g' || i / 3, i, 'user' || i, '', i / 3 % 2 = 0, 0, false, false",
  ],
  statements: [
    "group_id, name, kind, statement, offered_to, tries, looks, due_at",
    "'g' || i, 'user' || i, 'leave', 'x', 0, 0, 0, i",
  ],
  key_packages: [
    "mailbox, digest, package, published_at, valid_until",
    "i / 10, decode(md5(i::text), 'hex'), '', 1, i",
  ],
  last_resorts: ["mailbox, package, published_at, valid_until", "i, '', 1, i"],
  claims: ["claimant, mailbox, package, published_at, valid_until, claimed_at", "i / 10, i, '', 1, i, i"],
  blobs: [
    "id, owner, request_id, token_hash, read_hash, bytes, readers, come, sealed, held, touched_at, expires_at",
    "i, 'user' || i / 10, i, '', '', 100, 1, 0, i % 100 > 0, CASE WHEN i % 10 = 0 THEN i END, i, i",
  ],
  invites: ["id, hash, uses, used, created_at, expires_at, revoked", "i, i, 1, 0, 1, i, false"],
  addresses: ["address, accounts", "i, 1"],
  allowances: ["key, full_at", "i, i"],
  audit: ["kind, at, who, what", "CASE WHEN i % 2 = 0 THEN 'deed' ELSE 'refusal' END, i, 'x', 'y'"],
};

/** Fills every table that grows, with rows that need not agree. The engine has not counted them. */
export async function fillTables(sql: Sql): Promise<void> {
  await sql(createDay(TODAY));
  for (const [table, [columns, row]] of Object.entries(CONTENTS))
    await sql(`INSERT INTO ${table} (${columns}) SELECT ${row} FROM generate_series(1, ${ROWS}) i`);
}
