import { statementBytes } from "../../charges.ts";
import type { Offering, Tables, WaitingStatement } from "../../decisions/tables.ts";
import { each, Missing, type Statement } from "../../decisions/work.ts";
import { type Charges, payers } from "./charges.ts";
import { tableWrites } from "./columns.ts";
import type { Sql } from "../link/link.ts";
import { keyOf, type Look, type Part, type Send, valuesOf } from "./part.ts";

/** Statements that are offered at a time. */
const AT_ONCE = 64;

interface StatementRow {
  group_id: string;
  name: string;
  kind: Statement["kind"];
  statement: string;
  offered_to: number;
  tries: number;
  looks: number;
  due_at: number;
  address: number | null;
}

export const statementTable = tableWrites<StatementRow>("statements", ["group_id", "name"], {
  group_id: "text",
  name: "text",
  kind: "text",
  statement: "text",
  offered_to: "bigint",
  tries: "bigint",
  looks: "bigint",
  due_at: "bigint",
  address: "bigint",
});

/** What members of teams have signed to leave, or to be taken in again, until a commit of another member does it. */
export class Statements implements Part {
  readonly looks: Record<string, Look>;
  readonly #charges: Charges;
  readonly #rows = new Map<string, StatementRow>();
  readonly #groups = new Set<string>();
  readonly #names = new Set<string>();
  readonly #made = new Map<string, StatementRow | undefined>();
  /** The first that are due, and one more. */
  #due: string[] | undefined;
  readonly #awakened = new Set<string>();

  constructor(charges: Charges) {
    this.#charges = charges;
    this.looks = {
      "statements in": (sql, keys) =>
        this.#read(sql, "SELECT * FROM statements WHERE group_id = ANY ($1::text[])", keys, this.#groups),
      "statements of": (sql, keys) =>
        this.#read(sql, "SELECT * FROM statements WHERE name = ANY ($1::text[])", keys, this.#names),
      due: async (sql) => {
        // Two relays may ask at once: each is offered, or found to be over, by one of them.
        const rows = await sql<StatementRow>(
          `SELECT * FROM statements ORDER BY due_at LIMIT ${AT_ONCE + 1} FOR UPDATE`,
          [],
        );
        this.#due = rows.map((row) => this.#learn(row));
      },
      // Nothing is decided about it: it is done at once, and undone with the transaction.
      awaken: async (sql, keys) => {
        for (const key of keys) {
          const [now, ...mailboxes] = valuesOf(key) as [number, ...number[]];
          await sql(AWAKEN, [now, mailboxes]);
          this.#awakened.add(key);
        }
      },
    };
  }

  async #read(sql: Sql, text: string, keys: string[], known: Set<string>): Promise<void> {
    for (const row of await sql<StatementRow>(text, [keys])) this.#learn(row);
    for (const key of keys) known.add(key);
  }

  #learn(row: StatementRow): string {
    const key = keyOf(row.group_id, row.name);
    this.#rows.set(key, row);
    return key;
  }

  #get(groupId: string, name: string): StatementRow | undefined {
    const key = keyOf(groupId, name);
    if (this.#made.has(key)) return this.#made.get(key);
    const row = this.#rows.get(key);
    if (row === undefined && !this.#groups.has(groupId)) throw new Missing("statements in", groupId);
    return row;
  }

  #set(groupId: string, name: string, row: StatementRow | undefined): void {
    const before = this.#get(groupId, name);
    if (before !== undefined) this.#charge(before, -1);
    if (row !== undefined) this.#charge(row, 1);
    this.#made.set(keyOf(groupId, name), row);
  }

  #charge({ address, name, statement }: StatementRow, times: 1 | -1): void {
    const bytes = times * statementBytes(statement);
    this.#charges.addAt(address ?? undefined, bytes);
    this.#charges.add(payers.account(name), bytes);
  }

  readonly tables: Tables["statements"] = {
    put: (groupId, name, { kind, statement, address }, due) =>
      this.#set(groupId, name, {
        group_id: groupId,
        name,
        kind,
        statement,
        offered_to: 0,
        tries: 0,
        looks: 0,
        due_at: due,
        address: address ?? null,
      }),
    renew: (groupId, name, statement) => {
      const row = this.#get(groupId, name);
      if (row !== undefined) this.#set(groupId, name, { ...row, statement });
    },
    remove: (groupId, names) => {
      for (const name of names) this.#set(groupId, name, undefined);
    },
    removeAll: (name) => {
      if (!this.#names.has(name)) throw new Missing("statements of", name);
      for (const row of this.#rows.values())
        if (row.name === name && row.kind === "rejoin") this.#set(row.group_id, name, undefined);
    },
    due: (now) => {
      if (this.#due === undefined) throw new Missing("due", "due");
      return this.#due
        .slice(0, AT_ONCE)
        .flatMap((key) => (this.#made.has(key) ? this.#made.get(key) : this.#rows.get(key)) ?? [])
        .filter(({ due_at }) => due_at <= now)
        .map(toWaiting);
    },
    awaken: (mailboxes, now) => {
      const key = keyOf(now, ...mailboxes);
      if (mailboxes.length > 0 && !this.#awakened.has(key)) throw new Missing("awaken", key);
    },
    next: () => {
      if (this.#due === undefined) throw new Missing("due", "due");
      const times = this.#due.map((key) => (this.#made.has(key) ? this.#made.get(key) : this.#rows.get(key))?.due_at);
      return Math.min(...times.map((time) => time ?? Infinity));
    },
    setOffering: (groupId, name, { offeredTo, tries, looks, dueAt }: Offering) => {
      const row = this.#get(groupId, name);
      if (row !== undefined) this.#set(groupId, name, { ...row, offered_to: offeredTo, tries, looks, due_at: dueAt });
    },
  };

  /** Their groups are forgotten. @throws Missing */
  forget(groups: readonly string[]): void {
    each(groups, (groupId) => {
      if (!this.#groups.has(groupId)) throw new Missing("statements in", groupId);
      for (const row of this.#rows.values()) if (row.group_id === groupId) this.#set(groupId, row.name, undefined);
    });
  }

  undo(): void {
    this.#made.clear();
  }

  write(send: Send): void {
    const kept = [...this.#made.values()].filter((row) => row !== undefined);
    const gone = [...this.#made].filter(([, row]) => row === undefined).flatMap(([key]) => this.#rows.get(key) ?? []);
    if (gone.length > 0) send(statementTable.remove, statementTable.keys(gone));
    if (kept.length > 0) send(statementTable.upsert, statementTable.values(kept));
  }
}

const AWAKEN = `UPDATE statements SET due_at = $1::bigint
  WHERE looks > 0 AND group_id IN (SELECT group_id FROM members WHERE mailbox = ANY ($2::bigint[]))`;

function toWaiting({ group_id, name, kind, statement, offered_to, tries, looks }: StatementRow): WaitingStatement {
  return { groupId: group_id, name, kind, statement, offeredTo: offered_to, tries, looks };
}
