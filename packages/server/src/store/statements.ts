import type { DatabaseSync } from "node:sqlite";
import { type Addresses, ROW_BYTES } from "./addresses.ts";
import type { Statement } from "./decisions/work.ts";

/** Whoever has a statement has so long to commit it, before another member gets it; and how soon it is looked again whether there is any. Milliseconds. */
const PATIENCE_MS = 30_000;
const LOOK_MS = 4_000;
const LAST_LOOK_MS = 60_000;
/** After so many members have had one, it waits, twice as long each time. */
export const TRIES = 3;
const LAST_WAIT_MS = 3_600_000;
/** Statements that are offered at a time. */
const AT_ONCE = 64;

export interface WaitingStatement extends Omit<Statement, "address"> {
  groupId: string;
  /** Whose it is, in lower case. */
  name: string;
  /** Mailbox of the member that had it last; 0 if none had. */
  offeredTo: number;
  tries: number;
  /** How often it was looked in vain for somebody. */
  looks: number;
}

interface Charged {
  name: string;
  address: number | null;
  statement: string;
}

/** What one is charged for, to whoever has signed it and to the address of that. */
export function bytesOf(statement: string): number {
  return ROW_BYTES + statement.length;
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
      addresses.chargeMail(address ?? undefined, name, -bytesOf(statement));
  }

  return {
    put(groupId: string, name: string, { kind, statement, address }: Statement, dueAt: number): void {
      release(select.all(groupId, name));
      put.run(groupId, name, kind, statement, dueAt, address ?? null);
      addresses.chargeMail(address, name, bytesOf(statement));
    },
    renew(groupId: string, name: string, statement: string): void {
      for (const before of select.all(groupId, name) as unknown as Charged[]) {
        renew.run(statement, groupId, name);
        addresses.chargeMail(before.address ?? undefined, name, bytesOf(statement) - bytesOf(before.statement));
      }
    },
    remove(groupId: string, names: string[]): void {
      for (const name of names) release(remove.all(groupId, name));
    },
    /** An account is removed: it cannot be taken in again, but what it had to say of leaving is to be done still. */
    removeAll: (name: string): void => release(removeAll.all(name)),
    /** Its group is forgotten. */
    removeGroup: (groupId: string): void => release(removeGroup.all(groupId)),
    due: (now: number) => due.all(now) as unknown as WaitingStatement[],
    /** A member listens: those that nobody was there for are due. */
    awaken: (mailbox: number, now: number) => void awaken.run(now, mailbox),
    /** When one is due next; Infinity if none waits. */
    next: () => (next.get() as { due: number | null }).due ?? Infinity,
    /** @param to The member that has it now; undefined: nobody was there */
    offered({ groupId, name, offeredTo, tries, looks }: WaitingStatement, to: number | undefined, now: number): void {
      const count = to === undefined ? tries : tries + 1;
      const round = Math.floor(count / TRIES);
      const isOver = to !== undefined && count % TRIES === 0;
      // Of a team in which nobody listens for long there may be many.
      const patience = to === undefined ? Math.min(LOOK_MS * 2 ** looks, LAST_LOOK_MS) : PATIENCE_MS;
      const wait = isOver ? Math.min(PATIENCE_MS * 2 ** round, LAST_WAIT_MS) : patience;
      offered.run(to ?? offeredTo, count, to === undefined ? looks + 1 : 0, now + wait, groupId, name);
    },
  };
}
