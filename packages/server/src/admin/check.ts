import type { DatabaseSync } from "node:sqlite";
import { GROUP_BYTES, ROW_BYTES } from "../store/charges.ts";
import { SCHEMA_VERSION, schemaVersion } from "../store/sqlite/migrations.ts";
import { freeBytes, isShort, reserveOn, reusableBytes } from "../store/sqlite/reserve.ts";
import type { Problem } from "../store/problem.ts";
import { brokenFiles } from "./check-files.ts";
import { faultsOf, isDamage } from "./faults.ts";
import { databaseFile, openReadOnly, requireDatabase } from "./read-only.ts";

export interface Checked {
  ok: boolean;
  schema_version: number;
  problems: Problem[];
}

/** The first version with encrypted files. */
const BLOBS_SINCE = 9;

/** The first version with groups of more than two. */
const TEAMS_SINCE = 10;
/** Statements are charged. */
const STATEMENTS_SINCE = 11;

const GONE = "NOT IN (SELECT mailbox FROM mailboxes)";

/** Charges by address: sizes as the store counts them. */
function charged(version: number): string {
  const blobs = version < BLOBS_SINCE ? "" : `UNION ALL SELECT address, ${ROW_BYTES} FROM blobs`;
  const ofTeams = `SELECT address, ${ROW_BYTES} FROM members JOIN groups USING (group_id) WHERE name IS NOT NULL`;
  const teams = version < TEAMS_SINCE ? "" : `UNION ALL ${ofTeams}`;
  const ofStatements = `UNION ALL SELECT address, ${ROW_BYTES} + length(statement) FROM statements`;
  return `SELECT address, sum(bytes) AS bytes FROM (
    SELECT address, bytes FROM entries
    UNION ALL SELECT address, length(package) FROM key_packages
    UNION ALL SELECT address, length(package) FROM last_resorts
    UNION ALL SELECT address, length(package) FROM claims
    UNION ALL SELECT address, ${GROUP_BYTES} FROM groups
    UNION ALL SELECT address, ${ROW_BYTES} FROM peers
    ${blobs}
    ${teams}
    ${version < STATEMENTS_SINCE ? "" : ofStatements}
  ) WHERE address IS NOT NULL GROUP BY address`;
}

/**
 * Each counts rows that must not be there. Tables of the first schema only, unless a later version is named: older
 * databases are checked too.
 */
const rules: [problem: string, about: string, sql: string | ((version: number) => string), since?: number][] = [
  ["entries_without_mailbox", "entries of a mailbox that is gone", `FROM entries WHERE mailbox ${GONE}`],
  [
    "account_without_mailbox",
    "accounts whose mailbox is gone, closed, or another's",
    `FROM accounts a WHERE kind != 'removed' AND NOT EXISTS
      (SELECT 1 FROM mailboxes m WHERE m.mailbox = a.mailbox AND m.name = a.name AND m.closed IS NULL)`,
  ],
  [
    "account_without_key",
    "accounts without the key by which they log in",
    `FROM accounts WHERE (kind = 'token' AND derived_key IS NULL) OR (kind = 'key' AND identity_key IS NULL)
      OR kind NOT IN ('token', 'key', 'removed')`,
  ],
  [
    "device_without_account",
    "open mailboxes of devices that are not their account's",
    // By its name: a mailbox has that of its account, and by anything else each would be looked for among all accounts.
    `FROM mailboxes m WHERE closed IS NULL AND device != '' AND NOT EXISTS
      (SELECT 1 FROM accounts a WHERE a.name = m.name AND a.mailbox = m.mailbox)`,
  ],
  // A group that an account has left has no members, and is kept so that its id is never used again.
  [
    "group_members",
    "groups that have other than two members",
    (version) =>
      `FROM (SELECT 1 FROM members ${version < TEAMS_SINCE ? "" : "WHERE name IS NULL"} GROUP BY group_id HAVING count(*) != 2)`,
  ],
  [
    "members_without_group",
    "members of groups that are not there",
    "FROM members WHERE group_id NOT IN (SELECT group_id FROM groups)",
  ],
  // Version 4 has removed those that earlier versions left.
  [
    "members_without_mailbox",
    "members whose mailbox is gone",
    // Those of a team stay until a commit removes them, and get nothing.
    (version) =>
      `FROM members WHERE mailbox ${GONE} ${version < TEAMS_SINCE ? "" : "AND (name IS NULL OR lapsed IS NULL)"}`,
    4,
  ],
  [
    "bodies_without_entries",
    "texts that no entry names",
    "FROM bodies WHERE body NOT IN (SELECT body FROM entries WHERE body IS NOT NULL)",
    TEAMS_SINCE,
  ],
  [
    "entries_without_body",
    "entries that name a text that is gone",
    "FROM entries WHERE body IS NOT NULL AND body NOT IN (SELECT body FROM bodies)",
    TEAMS_SINCE,
  ],
  [
    "held_without_body",
    "files that are kept for a text that is gone",
    "FROM blobs WHERE held >= 0 AND held NOT IN (SELECT body FROM bodies)",
    TEAMS_SINCE,
  ],
  [
    "statements_without_member",
    "statements of accounts that are not in the group",
    "FROM statements s WHERE NOT EXISTS (SELECT 1 FROM members m WHERE m.group_id = s.group_id AND m.name = s.name)",
    TEAMS_SINCE,
  ],
  ["keys_without_mailbox", "key packages of a mailbox that is gone", `FROM key_packages WHERE mailbox ${GONE}`],
  ["last_resorts_without_mailbox", "last resorts of a mailbox that is gone", `FROM last_resorts WHERE mailbox ${GONE}`],
  [
    "claims_without_mailbox",
    "claims by or of a mailbox that is gone",
    `FROM claims WHERE mailbox ${GONE} OR claimant ${GONE}`,
  ],
  [
    "last_requests_without_mailbox",
    "last requests of a mailbox that is gone",
    `FROM last_requests WHERE sender ${GONE}`,
    2,
  ],
  [
    "sequence_mailboxes",
    "mailboxes beyond the highest number that was given: it could be given again",
    "FROM mailboxes WHERE mailbox > coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'mailboxes'), 0)",
  ],
  [
    "sequence_entries",
    "entries beyond the highest position that was given: unread mail could be deleted by it",
    "FROM entries WHERE seq > coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'entries'), 0)",
  ],
  // Requests outlive their entries and, for two days, their mailboxes; none can name what never was.
  [
    "sequence_requests",
    "requests that name positions or mailboxes that were never given",
    `FROM requests WHERE seq > coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'entries'), 0)
      OR max(sender, mailbox) > coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'mailboxes'), 0)`,
  ],
  [
    "peers_without_account",
    "peers of an account that is gone",
    "FROM peers WHERE owner NOT IN (SELECT name FROM accounts WHERE kind != 'removed')",
    6,
  ],
  [
    "address_totals",
    "addresses to which something else is charged than what their accounts have here",
    (version) => `FROM addresses d LEFT JOIN (${charged(version)}) c ON c.address = d.id
      LEFT JOIN (SELECT address, count(*) AS accounts FROM accounts GROUP BY address) a ON a.address = d.id
      WHERE d.bytes != coalesce(c.bytes, 0) OR d.accounts != coalesce(a.accounts, 0)`,
    6,
  ],
  ["log_id", "the log has no id", "FROM (SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM meta WHERE key = 'log_id'))"],
];

/**
 * Looks for what is wrong with a database, whether a relay runs on it or not. Changes nothing.
 * @param reserveBytes What its relay keeps of the disk.
 */
export function check(db: string, reserveBytes: number): Checked {
  requireDatabase(db);
  const database = openReadOnly(databaseFile(db));
  try {
    database.exec("BEGIN");
    const version = schemaVersion(database);
    const problems = faultsOf(database).map((about) => ({ problem: "integrity", count: 1, about }));
    if (version < 1 || version > SCHEMA_VERSION)
      problems.push({
        problem: "schema_version",
        count: 1,
        about: `schema version ${version}; this program knows 1 to ${SCHEMA_VERSION}`,
      });
    else if (problems.length === 0) problems.push(...broken(database, version));
    const isSound = problems.length === 0;
    if (isSound) problems.push(...shortOfRoom(database, db, reserveBytes));
    database.exec("COMMIT");
    if (isSound) problems.push(...brokenFiles(database, db));
    return { ok: problems.length === 0, schema_version: version, problems };
  } catch (error) {
    if (!isDamage(error)) throw error;
    return {
      ok: false,
      schema_version: 0,
      problems: [{ problem: "integrity", count: 1, about: (error as Error).message }],
    };
  } finally {
    database.close();
  }
}

function shortOfRoom(database: DatabaseSync, db: string, reserveBytes: number): Problem[] {
  const free = freeBytes(db);
  const reserve = reserveOn(db, reserveBytes);
  if (!isShort(free, reusableBytes(database)(), reserve)) return [];
  const about = `${free} bytes are free on the disk, and the relay keeps ${reserve}: it takes no mail`;
  return [{ problem: "storage_full", count: 1, about }];
}

function broken(database: DatabaseSync, version: number): Problem[] {
  const problems: Problem[] = [];
  for (const [problem, about, sql, since = 1] of rules) {
    if (version < since) continue;
    const of = typeof sql === "string" ? sql : sql(version);
    const { count } = database.prepare(`SELECT count(*) AS count ${of}`).get() as { count: number };
    if (count > 0) problems.push({ problem, count, about });
  }
  return problems;
}
