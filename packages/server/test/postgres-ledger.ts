/** A toy that is decided by a lane: a ledger with a line for each item, in places that a locked counter gives. */
import { expect, onTestFinished } from "vitest";
import type { Address } from "../src/store/postgres/link/address.ts";
import { Lane, type LaneOptions, type Patience } from "../src/store/postgres/lane/lane.ts";
import { heedHangUps, LANE_SETTINGS } from "../src/store/postgres/lane/settings.ts";
import { Link, type Sql } from "../src/store/postgres/link/link.ts";
import { RELAYS_SCHEMA } from "../src/store/postgres/lane/relays-schema.ts";

import type { Postgres } from "./postgres-for-tests.ts";

export interface Line {
  id: number;
  text?: string;
  cost?: number;
  isAlone?: boolean;
  owner?: string;
}

/** A batch as it was decided, told when its COMMIT is known to have happened. */
type Committed = (ids: number[]) => void;

const schemaNames = (() => {
  let count = 0;
  return () => `ledger_${++count}`;
})();

/** Makes the tables in a new schema, and gives its name. */
export async function newLedger(sql: Sql): Promise<string> {
  const schema = schemaNames();
  await sql(`CREATE SCHEMA ${schema}; SET search_path = ${schema}; ${RELAYS_SCHEMA}
    CREATE TABLE ledger (id bigint NOT NULL, place bigint NOT NULL, text text);
    CREATE TABLE counter (n bigint NOT NULL); INSERT INTO counter VALUES (0); RESET search_path`);
  return schema;
}

/** Writes the lines, and answers with their places. */
export const decideLines =
  (committed: Committed = () => {}) =>
  async (sql: Sql, lines: Line[]) => {
    const [counter] = await sql<{ n: number }>("SELECT n FROM counter FOR UPDATE", []);
    const places = lines.map((_, i) => (counter?.n ?? 0) + i + 1);
    const ids = lines.map(({ id }) => id);
    const insert = "INSERT INTO ledger SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[])";
    return {
      answers: places,
      writes: [
        sql(insert, [ids, places, lines.map(({ text }) => text ?? null)]),
        sql("UPDATE counter SET n = $1", [places.at(-1)]),
      ],
      committed: () => committed(ids),
    };
  };

/** What a relay has said to the engine, and may say otherwise: so mistakes are planted. */
class WatchedLink extends Link {
  /** Statements, as they left. */
  readonly said: string[] = [];
  /** What became of transactions that were in doubt. */
  readonly outcomes = { committed: 0, not: 0 };
  change: (text: string) => string = (text) => text;
  #tried = 0;

  override async use(): Promise<Sql> {
    const sql = await super.use();
    return (text, values) => {
      this.said.push(text);
      const rows = sql<never>(this.change(text), values);
      if (text.includes("SET batch")) this.#tried = values?.[1] as number;
      if (text.includes("SET attempt"))
        void rows.then(
          ([row]) =>
            (this.outcomes[(row as { batch: number } | undefined)?.batch === this.#tried ? "committed" : "not"] += 1),
          () => {},
        );
      return rows;
    };
  }
}

export interface ToyRelay extends AsyncDisposable {
  relay: number;
  lane: Lane<Line>;
  link: WatchedLink;
  /** Why it was fenced. */
  fenced: string[];
  forgot: number;
}

/** Of a relay no more than its row and its lane. */
export async function toyRelay(
  admin: Sql,
  at: { schema: string; address: Address },
  options: Partial<LaneOptions<Line>> & { committed?: Committed } = {},
): Promise<ToyRelay> {
  const [row] = await admin<{ relay: number }>(`INSERT INTO ${at.schema}.relays DEFAULT VALUES RETURNING relay`);
  const { relay } = row as { relay: number };
  const link = new WatchedLink(at.address, {
    settings: {
      ...LANE_SETTINGS,
      idle_in_transaction_session_timeout: 300,
      lock_timeout: 500,
      search_path: at.schema,
      application_name: `lane_${relay}`,
    },
    opened: heedHangUps,
  });
  const fenced: string[] = [];
  const incarnation = {
    relay,
    get isFenced() {
      return fenced.length > 0;
    },
    fence: (why: string) => void fenced.push(why),
  };
  const toy: ToyRelay = {
    relay,
    link,
    fenced,
    forgot: 0,
    lane: new Lane<Line>({
      link,
      incarnation,
      decide: decideLines(options.committed),
      sizeOf: ({ text = "" }) => text.length,
      costOf: ({ text = "", cost = text.length }) => cost,
      isAlone: ({ isAlone = false }) => isAlone,
      ownerOf: ({ owner }) => owner,
      onCommit: () => {},
      onForgot: () => void (toy.forgot += 1),
      ...options,
    }),
    [Symbol.asyncDispose]: async () => {
      await toy.lane.end();
      await link.end();
    },
  };
  return toy;
}

/** Short, for tests with faults. */
export const IMPATIENT: Patience = { tripMs: 700, engineMs: 4000, doubtMs: 8000, pauseMs: 5, endMs: 4000 };

export type ToyOptions = Partial<LaneOptions<Line>> & { committed?: Committed; address?: Address };

/** Toys of a file's PostgreSQL, each gone with its test. */
export function toyRelays(engine: { readonly postgres: Postgres; readonly admin: Sql }) {
  /** @param given A schema that is there; a new one if there is none */
  const start = async (options: ToyOptions = {}, given?: string): Promise<ToyRelay & { schema: string }> => {
    const schema = given ?? (await newLedger(engine.admin));
    const address = options.address ?? engine.postgres.address;
    const relay = await toyRelay(engine.admin, { schema, address }, options);
    onTestFinished(() => relay[Symbol.asyncDispose]());
    return Object.assign(relay, { schema });
  };
  const lines = async (schema: string): Promise<number[]> =>
    (await engine.admin<{ id: number }>(`SELECT id FROM ${schema}.ledger ORDER BY place`)).map(({ id }) => id);
  return { start, lines };
}

/** What a lane says to whoever has waited in vain. */
export const failed = (reason: string) => expect.objectContaining({ name: "StorageError", reason });
