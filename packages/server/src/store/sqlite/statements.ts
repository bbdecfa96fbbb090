import type { DatabaseSync } from "node:sqlite";
import type { Addresses } from "./addresses.ts";
import { statementBytes } from "../charges.ts";
import type { Offering, WaitingStatement } from "../decisions/tables.ts";
import type { Statement } from "../decisions/work.ts";

/** Statements that are offered at a time. */
const AT_ONCE = 64;

interface Charged {
  name: string;
  address: number | null;
  statement: string;
}

export type Statements = ReturnType<typeof statementsTable>;

/** What members of teams have signed to leave, or to be taken in again, until a commit of another member does it. */
export function statementsTable(db: DatabaseSync, addresses: Addresses) {
  const put = db.prepare("INSERT OR REPLACE INTO statements VALUES (?, ?, ?, ?, 0, 0, 0, ?, ?)");
  const renew = db.prepare("UPDATE statements SET statement = ? WHERE group_id = ? AND name = ?");
  const select = db.prepare("SELECT name, address, statement FROM statements WHERE group_id = ? AND name = ?");
  const removeAll = db.prepare(
    "DELETE FROM statements WHERE name = ? AND kind = 'rejoin' RETURNING name, address, statement",
  );
  const remove = db.prepare(
    "DELETE FROM statements WHERE group_id = ? AND name = ? RETURNING name, address, statement",
  );
  const removeGroup = db.prepare("DELETE FROM statements WHERE group_id = ? RETURNING name, address, statement");
  const due = db.prepare(
    `SELECT group_id AS groupId, name, kind, statement, offered_to AS offeredTo, tries, looks FROM statements
      WHERE due_at <= ? ORDER BY due_at LIMIT ${AT_ONCE}`,
  );
  const next = db.prepare("SELECT min(due_at) AS due FROM statements");
  const offered = db.prepare(
    "UPDATE statements SET offered_to = ?, tries = ?, looks = ?, due_at = ? WHERE group_id = ? AND name = ?",
  );

  const awaken = db.prepare(
    "UPDATE statements SET due_at = ? WHERE looks > 0 AND group_id IN (SELECT group_id FROM members WHERE mailbox = ?)",
  );

  /** Gives back what is charged for these. */
  function release(rows: unknown[]): void {
    for (const { name, address, statement } of rows as Charged[])
      addresses.chargeMail(address ?? undefined, name, -statementBytes(statement));
  }

  return {
    put(groupId: string, name: string, { kind, statement, address }: Statement, dueAt: number): void {
      release(select.all(groupId, name));
      put.run(groupId, name, kind, statement, dueAt, address ?? null);
      addresses.chargeMail(address, name, statementBytes(statement));
    },
    renew(groupId: string, name: string, statement: string): void {
      for (const before of select.all(groupId, name) as unknown as Charged[]) {
        renew.run(statement, groupId, name);
        addresses.chargeMail(
          before.address ?? undefined,
          name,
          statementBytes(statement) - statementBytes(before.statement),
        );
      }
    },
    remove(groupId: string, names: string[]): void {
      for (const name of names) release(remove.all(groupId, name));
    },
    removeAll: (name: string): void => release(removeAll.all(name)),
    /** Its group is forgotten. */
    removeGroup: (groupId: string): void => release(removeGroup.all(groupId)),
    due: (now: number) => due.all(now) as unknown as WaitingStatement[],
    awaken: (mailboxes: readonly number[], now: number) => {
      for (const mailbox of mailboxes) awaken.run(now, mailbox);
    },
    next: () => (next.get() as { due: number | null }).due ?? Infinity,
    setOffering(groupId: string, name: string, { offeredTo, tries, looks, dueAt }: Offering): void {
      offered.run(offeredTo, tries, looks, dueAt, groupId, name);
    },
  };
}
