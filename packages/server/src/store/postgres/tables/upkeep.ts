import { DAY_MS, dayOf } from "../../days.ts";
import { Missing } from "../../decisions/work.ts";
import { FORGET_ALLOWANCES } from "./allowances.ts";
import { oldestRequest } from "./oldest-request.ts";
import type { Look, Part, Send } from "./part.ts";
import { MEMORY_MS } from "./requests.ts";

/** What relays agree upon by the numbers of their locks: who sweeps, who changes the tables themselves, and who moves all of it. */
const LOCK_SWEEP = 1;
export const LOCK_SCHEMA = 2;
export const LOCK_MOVE = 3;

/** Of bodies that nothing names any more so many are looked for at a time. */
const BODIES = 2_000;

/** What only one relay at a time does, now and then: days of requests begin and end, texts go that nothing names, and charges of the dead are added up. */
export class Upkeep implements Part {
  readonly looks: Record<string, Look>;
  readonly #now: number;
  /** Days of requests that are there, and those that are made now. */
  readonly #days: Set<number>;
  readonly #made = new Set<number>();
  #turn: boolean | undefined;
  #allDays: number[] | undefined;
  #bodies: { seen: number; orphans: number[] } | undefined;
  #oldest: number | undefined;
  #isSwept = false;
  #after = 0;

  constructor(days: Set<number>, now: number) {
    this.#days = days;
    this.#now = now;
    this.looks = {
      "sweep turn": async (sql) => {
        const [row] = await sql<{ ours: boolean }>("SELECT pg_try_advisory_xact_lock($1::bigint) AS ours", [
          LOCK_SWEEP,
        ]);
        this.#turn = row?.ours === true;
      },
      "all days": async (sql) => {
        const rows = await sql<{ name: string }>(
          "SELECT c.relname AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'requests'::regclass",
          [],
        );
        this.#allDays = rows.map(({ name }) => Number(name.replace("requests_", "")));
        for (const day of this.#allDays) this.#made.add(day);
      },
      "oldest request": async (sql, keys) => {
        this.#oldest = await oldestRequest(sql, Number(keys[0]));
      },
      day: async (sql, keys) => {
        for (const key of keys) {
          await sql(createDay(Number(key)));
          this.#made.add(Number(key));
        }
      },
      bodies: async (sql, keys) => {
        const rows = await sql<{ body: number; orphan: boolean }>(
          `SELECT body, (SELECT e.body FROM entries e WHERE e.body = b.body LIMIT 1) IS NULL AS orphan FROM bodies b
            WHERE body > $1 ORDER BY body LIMIT ${BODIES}`,
          [Number(keys[0])],
        );
        const seen = rows.length < BODIES ? 0 : (rows.at(-1)?.body ?? 0);
        this.#bodies = { seen, orphans: rows.filter(({ orphan }) => orphan).map(({ body }) => body) };
      },
    };
  }

  /** Whether this relay may sweep now. @throws Missing */
  get hasTurn(): boolean {
    if (this.#turn === undefined) throw new Missing("sweep turn", "sweep turn");
    return this.#turn;
  }

  /** Requests are kept by the day. @throws Missing */
  hasDayOf(time: number): void {
    const day = dayOf(time);
    if (!this.#days.has(day) && !this.#made.has(day)) throw new Missing("day", String(day));
  }

  /**
   * @param afterBody From where on texts are looked at
   * @param remembered So many requests are known, the newest: of many, about so many
   * @returns from where on texts are looked at next, and since when requests are known
   */
  sweep({ afterBody, remembered }: { afterBody: number; remembered: number }): { body: number; requestsSince: number } {
    if (this.#allDays === undefined) throw new Missing("all days", "all days");
    if (this.#oldest === undefined) throw new Missing("oldest request", String(remembered));
    this.hasDayOf(this.#now + DAY_MS);
    if (this.#bodies === undefined) throw new Missing("bodies", String(afterBody));
    this.#isSwept = true;
    this.#after = this.#bodies.seen;
    return { body: this.#after, requestsSince: this.#since };
  }

  get #since(): number {
    return Math.max(this.#now - MEMORY_MS, this.#oldest ?? 0);
  }

  undo(): void {
    this.#isSwept = false;
  }

  write(send: Send): void {
    if (!this.#isSwept) return;
    const since = this.#since;
    for (const day of this.#allDays ?? [])
      if ((day + 1) * DAY_MS <= since) {
        send(`DROP TABLE requests_${day}`, []);
        this.#made.delete(day);
        this.#days.delete(day);
      }
    send(
      "INSERT INTO meta VALUES ('requests_since', $1::text) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
      [String(since)],
    );
    const orphans = this.#bodies?.orphans ?? [];
    if (orphans.length > 0)
      send(
        "DELETE FROM bodies b WHERE body = ANY ($1::bigint[]) AND NOT EXISTS (SELECT 1 FROM entries e WHERE e.body = b.body)",
        [orphans],
      );
    send(FOLD, []);
    send(FORGET_ALLOWANCES, [this.#now]);
    send("DELETE FROM charges WHERE bytes = 0 AND relay = 0", []);
  }

  committed(): void {
    for (const day of this.#made) this.#days.add(day);
  }
}

/** Charges of relays that are no more belong to none; of those that live nobody else touches any. */
const FOLD = `WITH gone AS (DELETE FROM charges c WHERE relay <> 0 AND NOT EXISTS (SELECT 1 FROM relays r WHERE r.relay = c.relay) RETURNING payer, bytes)
  INSERT INTO charges (payer, relay, bytes) SELECT payer, 0, sum(bytes) FROM gone GROUP BY payer
  ON CONFLICT (payer, relay) DO UPDATE SET bytes = charges.bytes + excluded.bytes`;

/** Has requests of a day kept, counted from 1970. */
export function createDay(day: number): string {
  const name = `requests_${day}`;
  return `CREATE TABLE IF NOT EXISTS ${name} PARTITION OF requests FOR VALUES FROM (${day * DAY_MS}) TO (${(day + 1) * DAY_MS})`;
}
