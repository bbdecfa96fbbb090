// How many requests a cluster remembers, and what it takes to find that out.
import { expect, onTestFinished, test } from "vitest";
import { database, hasPostgres } from "../../../test/postgres.ts";
import { Missing } from "../src/store/decisions/work.ts";
import { DAY_MS, dayOf } from "../src/store/days.ts";
import { joinCluster } from "../src/store/postgres/cluster.ts";
import { LANE_SETTINGS } from "../src/store/postgres/lane/settings.ts";
import { parseAddress } from "../src/store/postgres/link/address.ts";
import { Link, type Rows, type Sql } from "../src/store/postgres/link/link.ts";
import { createDay, Upkeep } from "../src/store/postgres/tables/upkeep.ts";
import { rowsOf, stepsDone } from "./engine-plans.ts";

const TODAY = dayOf(Date.now());
const NOW = TODAY * DAY_MS + DAY_MS / 2;

/** Tables with so many requests, evenly over the last 36 hours. */
async function remember(count: number): Promise<Sql> {
  const address = parseAddress(await database());
  await joinCluster(address, "aimessage", false);
  const link = new Link(address, { settings: { search_path: "aimessage", ...LANE_SETTINGS } });
  onTestFinished(() => link.end());
  const sql = await link.use();
  for (const day of [TODAY - 1, TODAY]) await sql(createDay(day));
  await sql(
    `INSERT INTO requests SELECT 1, decode(md5(n::text), 'hex'), decode(md5(n::text), 'hex'), 2, n, $2::bigint - ($1::bigint - n) * $3::bigint / $1::bigint
      FROM generate_series(1, $1::bigint) n`,
    [count, NOW, DAY_MS * 1.5],
  );
  return sql;
}

/** @returns since when requests are known after a sweep, and how many rows its statements have read in all */
async function sweep(sql: Sql, remembered: number): Promise<{ since: number; read: number }> {
  let read = 0;
  const counted = async <R extends object>(text: string, values?: readonly unknown[]): Promise<Rows<R>> => {
    if (text.trimStart().startsWith("SELECT")) read += rowsOf(await stepsDone(sql, text, values));
    return sql<R>(text, values);
  };
  const upkeep = new Upkeep(new Set([TODAY, TODAY + 1]), NOW);
  for (;;)
    try {
      return { since: upkeep.sweep({ afterBody: 0, remembered }).requestsSince, read };
    } catch (error) {
      if (!(error instanceof Missing)) throw error;
      await upkeep.looks[error.look]?.(counted, [error.key]);
    }
}

test.runIf(hasPostgres)("of many requests about so many are known, without a look at all of them", async () => {
  const sql = await remember(120_000);
  // Today's are 40,000: the border lies in today, and in the day before.
  for (const remembered of [10_000, 39_000, 60_000, 100_000]) {
    const { since, read } = await sweep(sql, remembered);
    const [known] = await sql<{ count: number }>("SELECT count(*) AS count FROM requests WHERE at >= $1::bigint", [
      since,
    ]);
    expect(known?.count).toBeGreaterThan(remembered * 0.97);
    expect(known?.count).toBeLessThan(remembered * 1.03);
    expect(read).toBeLessThan(10_000);
  }
});

test.runIf(hasPostgres)("what is below the limit is all known, and not counted", async () => {
  const sql = await remember(60_000);
  const { since, read } = await sweep(sql, 200_000);
  expect(since).toBe(NOW - 2 * DAY_MS);
  expect(read).toBeLessThan(1_000);
});

test.runIf(hasPostgres)("few requests are counted one by one", async () => {
  const sql = await remember(3_000);
  const { since } = await sweep(sql, 7);
  const [known] = await sql<{ count: number }>("SELECT count(*) AS count FROM requests WHERE at >= $1::bigint", [
    since,
  ]);
  expect(known?.count).toBe(7);
});
