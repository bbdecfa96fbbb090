import { statSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import type { Database } from "./watch.ts";

/** What is in a database. */
export interface Contents {
  /** Bytes of its file. */
  file: number;
  /** Bytes of its pages that are in use, also those that are still in its log, without what users have written. */
  bytes: number;
  /** Messages that it remembers for as long as it is documented: by these it grows. */
  kept: number;
  /** Rows that belong to no message which is remembered or waits: they must not become more and more. */
  others: number;
  /** Bytes of all tables that have nothing to remember, if the database can tell. */
  passing?: number;
  /** Rows by table, or by the first part of the key. */
  rows: Record<string, number>;
}

/** What an agent remembers of messages: rows for 30 days, bodies for 7. */
const HISTORY = ["in", "in-body", "in-id", "seen", "seen-at", "dead", "out", "out-body", "out-id"];
/** Messages that wait: to leave, for the relay's answer, for a handler. */
const WAITING = ["queue", "wire", "unhandled"];
const BODIES = "SELECT total(octet_length(value)) FROM records WHERE";
const RECEIPTS =
  "SELECT count(*) FROM records WHERE key >= 'out/' AND key < 'out/~' AND json_extract(value, '$.kind') = 'receipt'";

/** One that SQLite has in a file. */
export function fileDatabase(file: string, contents: (file: string) => Contents): Database {
  return {
    log: () => statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0,
    contents: () => contents(file),
  };
}

/** The relay remembers the ids of what it has taken for 48 hours, and its audit log the newest 100,000 lines. */
export function readRelay(file: string): Contents {
  return read(file, (count, list) => {
    const tables = list("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'");
    const rows = Object.fromEntries(
      tables.map(({ name }) => [String(name), count(`SELECT count(*) FROM ${String(name)}`)]),
    );
    const { requests: kept = 0, entries: waiting = 0, audit = 0 } = rows;
    const bytes = pages(count) - count("SELECT total(bytes) FROM entries");
    return { file: statSync(file).size, bytes, kept, others: total(rows) - kept - waiting - audit, rows };
  });
}

export function readAgent(file: string): Contents {
  return read(file, (count, list) => {
    const found = list("SELECT substr(key, 1, instr(key, '/') - 1) AS name, count(*) AS count FROM records GROUP BY 1");
    const rows = Object.fromEntries(found.map(({ name, count: number }) => [String(name), Number(number)]));
    const receipts = count(RECEIPTS);
    const history = [...HISTORY, ...WAITING].reduce((sum, name) => sum + (rows[name] ?? 0), 0);
    const bodies = ["in-body", "out-body"].map((name) => count(`${BODIES} key >= '${name}/' AND key < '${name}/~'`));
    return {
      file: statSync(file).size,
      bytes: bodies.reduce((left, size) => left - size, pages(count)),
      kept: (rows["in"] ?? 0) + (rows["out"] ?? 0) - receipts,
      others: total(rows) - history + receipts,
      rows: { ...rows, receipts },
    };
  });
}

type Count = (sql: string) => number;
type List = (sql: string) => Record<string, unknown>[];

/** Reads what is in a database that others write, at one moment. */
function read(file: string, look: (count: Count, list: List) => Contents): Contents {
  const db = new DatabaseSync(file, { readOnly: true, timeout: 5_000 });
  try {
    db.exec("BEGIN");
    const list = (sql: string) => db.prepare(sql).all();
    return look((sql) => Number(Object.values(list(sql)[0] ?? {})[0]), list);
  } finally {
    db.close();
  }
}

function pages(count: Count): number {
  return (count("PRAGMA page_count") - count("PRAGMA freelist_count")) * count("PRAGMA page_size");
}

export function total(rows: Record<string, number>): number {
  return Object.values(rows).reduce((sum, count) => sum + count, 0);
}
