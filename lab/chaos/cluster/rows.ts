import type { Engine } from "./engine.ts";

const KINDS = {
  application: "NOT stranger AND length(sender) <> 64 AND kind IN ('application', 'direct', 'stub')",
  application_strangers: "stranger AND length(sender) <> 64 AND kind IN ('application', 'direct', 'stub')",
  welcome: "NOT stranger AND length(sender) <> 64 AND kind = 'welcome'",
  welcome_strangers: "stranger AND length(sender) <> 64 AND kind = 'welcome'",
  commit: "NOT stranger AND length(sender) <> 64 AND kind = 'commit'",
  commit_strangers: "stranger AND length(sender) <> 64 AND kind = 'commit'",
  notice: "length(sender) <> 64 AND kind = 'notice'",
  mail_of_groups: "length(sender) = 64",
};

const counted = Object.entries(KINDS).map(
  ([total, rows]) =>
    `count(*) FILTER (WHERE ${rows}) AS ${total}_n, coalesce(sum(bytes) FILTER (WHERE ${rows}), 0) AS ${total}_b`,
);
const columns = Object.keys(KINDS).flatMap((total) => [`${total}_n`, `${total}_b`]);
const differs = columns.map((column) => `m.${column} <> coalesce(e.${column}, 0)`).join(" OR ");

/** Each finds rows that must not be: what is wrong, and an example. One statement sees one moment. */
const FAULTS = [
  `SELECT 'totals of a mailbox are not those of its rows', min(m.mailbox)::text, count(*) FROM mailboxes m
    LEFT JOIN (SELECT mailbox, ${counted.join(", ")} FROM entries GROUP BY mailbox) e USING (mailbox) WHERE ${differs}`,
  `SELECT 'what an account is charged is not what lies there of it', min(payer), count(*)
    FROM (SELECT payer, sum(bytes) AS charged FROM charges WHERE payer LIKE 'agent%' GROUP BY payer) c
    FULL JOIN (SELECT lower(from_name) AS payer, sum(bytes) AS lies FROM entries GROUP BY 1) e USING (payer)
    WHERE coalesce(charged, 0) <> coalesce(lies, 0)`,
  "SELECT 'entries of no mailbox', min(mailbox)::text, count(*) FROM entries e WHERE NOT EXISTS (SELECT 1 FROM mailboxes m WHERE m.mailbox = e.mailbox)",
  `SELECT 'a message lies twice in a mailbox', min(message_id), count(*) FROM (
    SELECT message_id FROM entries GROUP BY mailbox, sender, kind, message_id HAVING count(*) > 1) twice`,
  `SELECT 'a request is remembered twice', min(sender)::text, count(*) FROM (
    SELECT sender FROM requests GROUP BY sender, id HAVING count(*) > 1) twice`,
  `SELECT 'an entry lies above the last place of its mailbox', min(mailbox)::text, count(*)
    FROM entries JOIN mailboxes USING (mailbox) WHERE seq > last_seq`,
  `SELECT 'an entry has no body', min(seq)::text, count(*) FROM entries e
    WHERE body IS NOT NULL AND NOT EXISTS (SELECT 1 FROM bodies b WHERE b.body = e.body)`,
];

const ALL = FAULTS.map((each) => `SELECT * FROM (${each}) f WHERE count > 0`).join(" UNION ALL ");

/** What is wrong with what lies in the store, at one moment. @throws Error if it cannot be asked */
export async function faultsOfRows(engine: Engine): Promise<string[]> {
  const found = await engine.query(ALL);
  return found.split("\n").filter((line) => line !== "");
}

/** How often each relay that lives has asked what became of a transaction, by its number. @throws Error if it cannot be asked */
export async function attempts(engine: Engine): Promise<Map<string, number>> {
  const rows = await engine.query("SELECT relay, attempt FROM relays");
  return new Map(
    rows.split("\n").map((line) => {
      const [relay = "", attempt = "0"] = line.split("|");
      return [relay, Number(attempt)];
    }),
  );
}
