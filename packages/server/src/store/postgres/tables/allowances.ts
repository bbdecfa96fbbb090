import { takeOne } from "../../allowances.ts";
import type { Tables } from "../../decisions/tables.ts";
import { tableWrites } from "./columns.ts";
import type { Look, Part, Send } from "./part.ts";
import { Rows } from "./rows.ts";

interface AllowanceRow {
  key: string;
  full_at: number;
}

const allowanceTable = tableWrites<AllowanceRow>("allowances", ["key"], { key: "text", full_at: "bigint" });

/** What devices may take of what all relays give away. Whose it is, its mailbox is locked meanwhile. */
export class Allowances implements Part {
  readonly #now: number;
  readonly #fullAt = new Rows<string, number>("allowance");
  readonly looks: Record<string, Look> = {
    allowance: async (sql, keys) => {
      for (const key of keys) this.#fullAt.learn(key, undefined);
      const rows = await sql<AllowanceRow>("SELECT key, full_at FROM allowances WHERE key = ANY ($1::text[])", [keys]);
      for (const { key, full_at } of rows) this.#fullAt.learn(key, full_at);
    },
  };

  constructor(now: number) {
    this.#now = now;
  }

  readonly tables: Tables["allowances"] = {
    take: (key, rate) => {
      const taken = takeOne(this.#fullAt.get(key) ?? 0, rate, this.#now);
      if ("waitMs" in taken) return taken.waitMs;
      this.#fullAt.put(key, taken.fullAt);
      return 0;
    },
  };

  undo(): void {
    this.#fullAt.undo();
  }

  write(send: Send): void {
    const rows = [...this.#fullAt.made].map(([key, at]) => ({ key, full_at: at ?? 0 }));
    if (rows.length > 0) send(allowanceTable.upsert, allowanceTable.values(rows));
  }
}

/** Those that are whole again are nobody's. */
export const FORGET_ALLOWANCES = "DELETE FROM allowances WHERE full_at <= $1::bigint";
