// Whatever the number of accounts and messages: no statement looks through a table for each row of another.
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, onTestFinished, test, vi } from "vitest";
import { backup } from "../src/admin/backup.ts";
import { check } from "../src/admin/check.ts";
import { openReadOnly, openSnapshot } from "../src/admin/read-only.ts";
import { restore } from "../src/admin/restore.ts";
import { stats } from "../src/admin/stats.ts";
import { listUsers, showUser } from "../src/admin/users.ts";
import { openSqliteStore } from "../src/index.ts";
import { defaultLimits } from "../src/config/limits.ts";
import { lastLines } from "../src/store/sqlite/audit.ts";
import { folder } from "./folder.ts";

interface Step {
  id: number;
  parent: number;
  detail: string;
}

/** What a relay asks of all rows: sums when it starts and for whoever watches it, what is as short as it is meant, and what is done to an account at its end. */
const MEANT = [
  /^SELECT (1 FROM sqlite_schema|seq FROM sqlite_sequence)/,
  /^SELECT count\(\*\) AS count(, coalesce\(sum\(bytes\), 0\) AS bytes)? FROM (entries|blobs)$/,
  /^SELECT coalesce\(sum\(bytes - come\), 0\) AS bytes FROM blobs WHERE sealed IS NULL$/,
  /^SELECT owner, address, count\(\*\) AS count, .* FROM blobs GROUP BY owner, address$/,
  /^SELECT (mailbox, name, closed FROM mailboxes WHERE closed IS NOT NULL AND drained IS NULL|kind FROM requests ORDER BY number) LIMIT 1$/,
  /^DELETE FROM requests WHERE number IN \(SELECT number FROM requests ORDER BY number LIMIT/,
  /^SELECT \* FROM audit .* ORDER BY number DESC LIMIT/,
  /^DELETE FROM (statements WHERE name|claims WHERE mailbox) =/,
];

function stepsOf(database: DatabaseSync, sql: string): Step[] {
  return database.prepare(`EXPLAIN QUERY PLAN ${sql}`).all() as unknown as Step[];
}

function isScan({ detail }: Step): boolean {
  return detail.startsWith("SCAN ") && !/VIRTUAL TABLE|CONSTANT ROW/.test(detail);
}

/** Tables of which a statement looks at all rows. */
function wholeScans(database: DatabaseSync, sql: string): string[] {
  if (MEANT.some((meant) => meant.test(sql.replaceAll(/\s+/g, " ").trim()))) return [];
  return stepsOf(database, sql)
    .filter(isScan)
    .map(({ detail }) => `${detail}: ${sql}`);
}

/** Steps of a plan that are done anew for each row of another one (https://sqlite.org/eqp.html). */
function repeatedScans(database: DatabaseSync, sql: string): string[] {
  const steps = stepsOf(database, sql);
  const isRepeated = ({ id, parent }: Step): boolean => {
    const outer = steps.find((step) => step.id === parent);
    // Of a join all but the first are done for each row of those before.
    const inner = steps.some((step) => step.parent === parent && step.id < id && /^(SCAN|SEARCH) /.test(step.detail));
    // Other subqueries are done once.
    return inner || (outer !== undefined && outer.detail.startsWith("CORRELATED "));
  };
  return steps.filter((step) => isScan(step) && isRepeated(step)).map(({ detail }) => `${detail}: ${sql}`);
}

test("the time of each command grows as the number of accounts and messages does", async () => {
  const db = folder();
  const prepared = new Set<string>();
  // oxlint-disable-next-line typescript/unbound-method
  const { prepare } = DatabaseSync.prototype;
  const spy = vi.spyOn(DatabaseSync.prototype, "prepare").mockImplementation(function (this: DatabaseSync, sql) {
    prepared.add(sql);
    return prepare.call(this, sql);
  });
  onTestFinished(() => spy.mockRestore());
  {
    await using store = openSqliteStore(db, { limits: { ...defaultLimits(), reserveBytes: 0 } });
    await store.registerToken("bob", new Uint8Array(32), "127.0.0.1");
    for (const what of ["disable", "remove"] as const)
      await store.administer({ who: "root", what, target: "bob", release: false });
    await store.sweep();
  }
  const relays = new Set(prepared);
  expect(check(db, 0)).toMatchObject({ ok: true });
  stats(db);
  listUsers(db, "", 100);
  showUser(db, "bob");
  using snapshot = openSnapshot(db);
  lastLines(snapshot, 10);
  const copy = join(folder(), "copy.db");
  backup(db, copy, false);
  restore(join(folder(), "restored"), copy, false, "root");
  spy.mockRestore();

  using database = openReadOnly(join(db, "relay.db"));
  const statements = [...prepared].filter((sql) => /^\s*(SELECT|UPDATE|DELETE|INSERT|WITH)\b/i.test(sql));
  expect(statements.length).toBeGreaterThan(60);
  expect(statements.flatMap((sql) => repeatedScans(database, sql))).toEqual([]);
  expect(statements.filter((sql) => relays.has(sql)).flatMap((sql) => wholeScans(database, sql))).toEqual([]);
  // The sum of all mailboxes is one look at the table, in its order.
  const sums = statements.find((sql) => sql.includes("GROUP BY mailbox")) ?? "";
  const [first] = database.prepare(`EXPLAIN QUERY PLAN ${sums}`).all() as unknown as Step[];
  expect(first?.detail).toBe("SCAN entries");
});
