import type { Problem } from "../problem.ts";
import { GROUP_BYTES, ROW_BYTES } from "../charges.ts";
import { LEAST_CHARGE } from "../decisions/blob.ts";
import { parseAddress } from "./link/address.ts";
import { Link, type Sql } from "./link/link.ts";
import { MAIL_KINDS, TOTALS } from "./tables/boxes.ts";
import { payers } from "./tables/charges.ts";
import { BLOCK } from "./tables/numbers.ts";

/** What all payers are to be charged: sizes as the store counts them. */
export const CHARGED = `
  SELECT '@' || address AS payer, bytes FROM entries WHERE address IS NOT NULL
  UNION ALL SELECT CASE kind WHEN 'notice' THEN sender ELSE lower(from_name) END, bytes FROM entries
  UNION ALL SELECT '@' || address, length(package) FROM key_packages WHERE address IS NOT NULL AND package IS NOT NULL
  UNION ALL SELECT '@' || address, length(package) FROM last_resorts WHERE address IS NOT NULL
  UNION ALL SELECT '@' || address, length(package) FROM claims WHERE address IS NOT NULL
  UNION ALL SELECT '@' || address, ${GROUP_BYTES} FROM groups WHERE address IS NOT NULL
  UNION ALL SELECT '@' || g.address, ${ROW_BYTES} FROM members m JOIN groups g USING (group_id) WHERE m.team AND g.address IS NOT NULL
  UNION ALL SELECT '@' || address, ${ROW_BYTES} + length(statement) FROM statements WHERE address IS NOT NULL
  UNION ALL SELECT name, ${ROW_BYTES} + length(statement) FROM statements
  UNION ALL SELECT '@' || address, ${ROW_BYTES} FROM peers WHERE address IS NOT NULL
  UNION ALL SELECT '@' || address, ${ROW_BYTES} FROM blobs WHERE address IS NOT NULL
  UNION ALL SELECT '${payers.blobs}', greatest(bytes, ${LEAST_CHARGE}) FROM blobs
  UNION ALL SELECT '${payers.blobsOf("")}' || owner, greatest(bytes, ${LEAST_CHARGE}) FROM blobs WHERE owner <> ''
  UNION ALL SELECT 'blobs at:' || address, greatest(bytes, ${LEAST_CHARGE}) FROM blobs WHERE address IS NOT NULL
  UNION ALL SELECT '${payers.blobsAwaited}', bytes - come FROM blobs WHERE NOT sealed`;

/** Of which total of its mailbox an entry is a part. */
export const TOTAL = `CASE WHEN length(sender) = 64 THEN 'mail_of_groups' WHEN kind = 'notice' THEN 'notice'
  ELSE CASE kind ${MAIL_KINDS.map((kind) => `WHEN '${kind}' THEN '${kind}'`).join(" ")} ELSE 'application' END
    || CASE WHEN stranger THEN '_strangers' ELSE '' END END`;

const TOTALS_WRONG = TOTALS.map(
  (total) =>
    `${total}_n <> count(*) FILTER (WHERE total = '${total}') OR ${total}_b <> coalesce(sum(bytes) FILTER (WHERE total = '${total}'), 0)`,
).join(" OR ");

const GONE = "NOT IN (SELECT mailbox FROM mailboxes)";

/** Each counts rows that must not be there, whatever relays do meanwhile. */
const rules: [problem: string, about: string, from: string][] = [
  ["entries_without_mailbox", "entries of a mailbox that is gone", `entries WHERE mailbox ${GONE}`],
  [
    "mailbox_totals",
    "mailboxes in which something else lies than they count",
    `(SELECT 1 FROM mailboxes m LEFT JOIN (SELECT mailbox, bytes, ${TOTAL} AS total FROM entries) e USING (mailbox)
      GROUP BY m.mailbox HAVING ${TOTALS_WRONG}) x`,
  ],
  [
    "mailbox_positions",
    "mailboxes with entries beyond the newest that they know",
    "mailboxes m WHERE last_seq < (SELECT max(seq) FROM entries e WHERE e.mailbox = m.mailbox)",
  ],
  [
    "account_without_mailbox",
    "accounts whose mailbox is gone, closed, or another's",
    `accounts a WHERE kind <> 'removed' AND NOT EXISTS (SELECT 1 FROM mailboxes m WHERE m.mailbox = a.mailbox AND m.name = a.name
      AND m.closed IS NULL AND m.kind = a.kind AND m.username = a.username AND m.address IS NOT DISTINCT FROM a.address)`,
  ],
  [
    "account_without_key",
    "accounts without the key by which they log in",
    `accounts a LEFT JOIN devices d USING (mailbox) WHERE kind NOT IN ('token', 'key', 'removed')
      OR (kind = 'token' AND derived_key IS NULL) OR (kind = 'key' AND (identity_key IS NULL OR device_key IS NULL))`,
  ],
  [
    "device_without_account",
    "open mailboxes of accounts whose present one they are not",
    `mailboxes m WHERE closed IS NULL AND (device <> '' OR kind IS NOT NULL)
      AND NOT EXISTS (SELECT 1 FROM accounts a WHERE a.name = m.name AND a.mailbox = m.mailbox)`,
  ],
  [
    "mailbox_without_device",
    "mailboxes without their device, or the other way round",
    "mailboxes m FULL JOIN devices d USING (mailbox) WHERE m.name IS NULL OR d.counter IS NULL",
  ],
  [
    "group_members",
    "groups that have other than two members",
    "(SELECT 1 FROM members WHERE NOT team GROUP BY group_id HAVING count(*) <> 2) x",
  ],
  [
    "members_without_group",
    "members of groups that are not there",
    "members m LEFT JOIN groups g USING (group_id) WHERE g.team IS DISTINCT FROM m.team",
  ],
  [
    "members_without_mailbox",
    "members whose mailbox is gone",
    `members WHERE mailbox ${GONE} AND NOT (team AND lapsed)`,
  ],
  [
    "entries_without_body",
    "entries that name a text that is gone",
    "entries e WHERE body IS NOT NULL AND NOT EXISTS (SELECT 1 FROM bodies b WHERE b.body = e.body)",
  ],
  [
    "held_without_entry",
    "files that are kept for a text that nobody gets any more",
    "blobs WHERE held >= 0 AND NOT EXISTS (SELECT 1 FROM entries e WHERE e.body = held)",
  ],
  // Those of a group that is gone go when they are offered next.
  [
    "statements_without_member",
    "statements of accounts that are not in the group",
    `statements s WHERE group_id IN (SELECT group_id FROM groups)
      AND NOT EXISTS (SELECT 1 FROM members m WHERE m.group_id = s.group_id AND m.name = s.name)`,
  ],
  ["keys_without_mailbox", "key packages of a mailbox that is gone", `key_packages WHERE mailbox ${GONE}`],
  ["last_resorts_without_mailbox", "last resorts of a mailbox that is gone", `last_resorts WHERE mailbox ${GONE}`],
  [
    "claims_without_mailbox",
    "claims by or of a mailbox that is gone",
    `claims WHERE mailbox ${GONE} OR claimant ${GONE}`,
  ],
  [
    "sequence_mailboxes",
    "mailboxes beyond the highest number that was given: it could be given again",
    "mailboxes WHERE mailbox > (SELECT last_value FROM mailbox_numbers)",
  ],
  [
    "sequence_entries",
    "entries beyond the highest position that was given: unread mail could be deleted by it",
    `entries WHERE seq >= ((SELECT last_value FROM blocks) + 1) * ${BLOCK}`,
  ],
  [
    "peers_without_account",
    "peers of an account that is gone",
    "peers WHERE owner NOT IN (SELECT name FROM accounts WHERE kind <> 'removed')",
  ],
  [
    "address_accounts",
    "addresses that count other than the names that were registered from there",
    `addresses d LEFT JOIN (SELECT address, count(*) AS accounts FROM accounts GROUP BY address) a ON a.address = d.id
      WHERE d.accounts <> coalesce(a.accounts, 0)`,
  ],
  [
    "charges",
    "addresses, accounts and files to which something else is charged than what they have here",
    `(SELECT payer, sum(bytes) AS bytes FROM charges GROUP BY payer) c
      FULL JOIN (SELECT payer, sum(bytes) AS bytes FROM (${CHARGED}) all_of_them GROUP BY payer) x USING (payer)
      WHERE coalesce(c.bytes, 0) <> coalesce(x.bytes, 0)`,
  ],
  ["log_id", "the log has no id", "(SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM meta WHERE key = 'log_id')) x"],
];

/**
 * Looks for what is wrong with the store of a cluster, also while relays run on it: all of it at one moment. Changes nothing.
 * @param url As that of the store
 * @param schema The engine's word for a namespace
 * @throws LinkError, TypeError for a URL that is none, or what the engine says: there are no such tables
 */
export async function checkTables(url: string, schema: string): Promise<Problem[]> {
  await using link = new Link(parseAddress(url), { settings: { search_path: schema } });
  const sql = await link.use();
  await sql("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
  const problems = await problemsIn(sql);
  await sql("COMMIT");
  return problems;
}

/** The same in a transaction that has begun. */
export async function problemsIn(sql: Sql): Promise<Problem[]> {
  const problems: Problem[] = [];
  for (const [problem, about, from] of rules) {
    const [row] = await sql<{ count: number }>(`SELECT count(*) AS count FROM ${from}`, []);
    const count = row?.count ?? 0;
    if (count > 0) problems.push({ problem, count, about });
  }
  return problems;
}
