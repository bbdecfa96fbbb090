import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { blobsIn } from "../../packages/server/src/admin/blob-files.ts";
import { check } from "../../packages/server/src/admin/check.ts";
import { Violation } from "./violation.ts";

/** What a table must not hold: a row that nobody owns. */
const ORPHANS: Record<string, string> = {
  "entries without a mailbox": "FROM entries WHERE mailbox NOT IN (SELECT mailbox FROM mailboxes)",
  "members without a mailbox":
    "FROM members WHERE mailbox NOT IN (SELECT mailbox FROM mailboxes) AND (name IS NULL OR lapsed IS NULL)",
  "members of teams that are there twice":
    "FROM (SELECT 1 FROM members WHERE name IS NOT NULL GROUP BY group_id, name HAVING count(*) > 1)",
  "places of a team that are there twice": `FROM (SELECT 1 FROM entries WHERE pos IS NOT NULL GROUP BY mailbox, group_id, epoch, pos HAVING count(*) > 1)`,
  "members without a group": "FROM members WHERE group_id NOT IN (SELECT group_id FROM groups)",
  "accounts without a mailbox":
    "FROM accounts WHERE kind <> 'removed' AND mailbox NOT IN (SELECT mailbox FROM mailboxes WHERE closed IS NULL)",
  "key packages without a mailbox": "FROM key_packages WHERE mailbox NOT IN (SELECT mailbox FROM mailboxes)",
  "last resorts without a mailbox": "FROM last_resorts WHERE mailbox NOT IN (SELECT mailbox FROM mailboxes)",
  "claims without a mailbox": "FROM claims WHERE mailbox NOT IN (SELECT mailbox FROM mailboxes)",
  "claims without a claimant": "FROM claims WHERE claimant NOT IN (SELECT mailbox FROM mailboxes)",
  "last requests without a sender": "FROM last_requests WHERE sender NOT IN (SELECT mailbox FROM mailboxes)",
  "entries of unknown names in mailboxes of accounts":
    "FROM entries WHERE unknown = 1 AND mailbox IN (SELECT mailbox FROM accounts WHERE mailbox IS NOT NULL)",
  "entries of groups that never were":
    "FROM entries WHERE kind IN ('welcome', 'commit') AND group_id NOT IN (SELECT group_id FROM groups)",
};

/** Reads the database and the files that a relay has left. @throws Violation */
export function checkStore(folder: string): void {
  const { problems } = check(join(folder, "db"), 0);
  if (problems.length > 0) throw new Violation(`check finds ${JSON.stringify(problems)}`);
  const db = new DatabaseSync(join(folder, "db", "relay.db"), { readOnly: true });
  try {
    const integrity = db.prepare("PRAGMA integrity_check").all();
    if (integrity.length !== 1 || integrity[0]?.["integrity_check"] !== "ok")
      throw new Violation(`integrity_check: ${JSON.stringify(integrity).slice(0, 1000)}`);
    for (const [what, from] of Object.entries(ORPHANS)) {
      const count = Number(db.prepare(`SELECT count(*) AS count ${from}`).get()?.["count"]);
      if (count > 0) throw new Violation(`${count} ${what}`);
    }
    checkFiles(db, join(folder, "db", "blobs"));
  } finally {
    db.close();
  }
}

/** However young it is, a file has a row: whoever ends an upload removes what it has brought. */
function checkFiles(db: DatabaseSync, folder: string): void {
  const select = db.prepare("SELECT 1 FROM blobs WHERE id = ?");
  for (const id of blobsIn(folder)) if (select.get(id) === undefined) throw new Violation(`the file ${id} has no row`);
}
