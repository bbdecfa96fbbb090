import type { Sql } from "../link/link.ts";
import { DAY_MS } from "../../days.ts";

/** No request takes less: below that nobody counts them. Bytes. */
const REQUEST_BYTES = 60;

/** What takes no more than this is counted one by one. Bytes. */
const FEW_BYTES = 4 * 2 ** 20;

/** How many requests a page has is seen by so many pages from the middle of a day. */
const SAMPLE = 16;

interface Day {
  day: number;
  pages: number;
}

const DAYS = `SELECT replace(c.relname, 'requests_', '')::bigint AS day, current_setting('block_size')::bigint AS page,
    coalesce(pg_relation_size(c.oid), 0) / current_setting('block_size')::bigint AS pages
  FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'requests'::regclass ORDER BY 1 DESC`;

/**
 * Since when requests are known if so many are, the newest. Where there are many that is an estimate: nothing sorts all of them, or
 * counts them. A day's requests lie in the order in which they came and take about as much as each other, so that the place of one
 * of them in the order is a place in the file. Days of which the requests are known in part are kept whole.
 * @returns Unix ms; 0 if there are no more than so many
 */
export async function oldestRequest(sql: Sql, remembered: number): Promise<number> {
  const days = await sql<Day & { page: number }>(DAYS, []);
  const bytes = days.reduce((sum, { pages, page }) => sum + pages * page, 0);
  if (bytes <= remembered * REQUEST_BYTES) return 0;
  if (bytes <= FEW_BYTES) {
    const [row] = await sql<{ at: number }>("SELECT at FROM requests ORDER BY at DESC OFFSET $1::bigint - 1 LIMIT 1", [
      remembered,
    ]);
    return row?.at ?? 0;
  }
  const counts = await Promise.all(days.map((day) => perPage(sql, day)));
  let left = remembered;
  for (const [index, { day, pages }] of days.entries()) {
    const each = counts[index] ?? 0;
    if (each * pages > left) {
      const from = Math.min(pages - 1, Math.floor(pages - left / each));
      const [row] = await sql<{ at: number | null }>(`SELECT min(at) AS at ${fromPages(day, from, 1)}`);
      return row?.at ?? day * DAY_MS;
    }
    left -= each * pages;
  }
  return 0;
}

async function perPage(sql: Sql, { day, pages }: Day): Promise<number> {
  if (pages === 0) return 0;
  const sample = Math.min(SAMPLE, pages);
  const first = Math.floor((pages - sample) / 2);
  const [row] = await sql<{ count: number }>(`SELECT count(*) AS count ${fromPages(day, first, sample)}`);
  return (row?.count ?? 0) / sample;
}

/** Without values, so that no connection keeps a prepared statement of each day. */
function fromPages(day: number, first: number, count: number): string {
  return `FROM requests_${day} WHERE ctid >= '(${first},0)' AND ctid < '(${first + count},0)'`;
}
