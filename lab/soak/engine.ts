import type { Postgres } from "../shared/postgres.ts";
import { type Contents, total } from "./files.ts";

interface Table {
  name: string;
  /** Of it with all its parts and indexes. */
  bytes: number;
  rows: number;
}

/** Tables of the relays. Parts of a table count as that one. */
const TABLES = `SET search_path = aimessage;
  SELECT json_agg(t) FROM (
    SELECT c.relname AS name,
      (SELECT sum(pg_total_relation_size(part.relid)) FROM pg_partition_tree(c.oid) part)::bigint AS bytes,
      (xpath('/row/n/text()', query_to_xml(format('SELECT count(*) AS n FROM %I', c.relname), false, true, '')))[1]::text::bigint AS rows
    FROM pg_class c WHERE c.relnamespace = 'aimessage'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
  ) t`;
const SIZE = "SELECT pg_database_size(current_database())";
/** What is kept for as long as it is documented: ids of what was taken, and the newest lines of the audit log. */
const HISTORY = ["requests", "audit"];

/** What is in the tables of a cluster. They grow by what they remember; what passes through must leave no more behind than the next vacuum takes. */
export async function readEngine(engine: Pick<Postgres, "query">): Promise<Contents> {
  const tables = JSON.parse(await engine.query(TABLES)) as Table[];
  const rows = Object.fromEntries(tables.map(({ name, rows }) => [name, rows]));
  const { requests: kept = 0, entries: waiting = 0, audit = 0 } = rows;
  const bytesOf = (all: Table[]) => all.reduce((sum, { bytes }) => sum + bytes, 0);
  return {
    file: Number(await engine.query(SIZE)),
    bytes: bytesOf(tables.filter(({ name }) => name === "requests")),
    kept,
    others: total(rows) - kept - waiting - audit,
    passing: bytesOf(tables.filter(({ name }) => !HISTORY.includes(name))),
    rows,
  };
}
