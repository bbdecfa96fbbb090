import type { Sql } from "../link/link.ts";

/**
 * Statements are planned for tables of any size: by their indexes. Whether there is a row in another table is asked by a subquery for one of
 * its columns: EXISTS among what is selected may read all of that table first.
 */
export const PLANS = {
  plan_cache_mode: "force_generic_plan",
  enable_seqscan: "off",
  enable_hashjoin: "off",
  enable_mergejoin: "off",
  // What is planned once and asked often takes less time than to compile it.
  jit: "off",
};

/** Parameters of the connection of a lane. A relay that has stopped holds its locks for three seconds, which is less than others wait for it. */
export const LANE_SETTINGS = {
  idle_in_transaction_session_timeout: 3000,
  lock_timeout: 5000,
  ...PLANS,
};

/** How soon the engine notices, also in the middle of a statement, that nobody waits for it any more. Milliseconds. */
const HANG_UP_MS = 500;

/** Has the engine free at once what a transaction has locked that was given up, for whoever does it again. One that cannot (on Windows) frees it when it is done. */
export async function heedHangUps(sql: Sql): Promise<void> {
  await sql(`SET client_connection_check_interval = ${HANG_UP_MS}`).catch(() => {});
}
