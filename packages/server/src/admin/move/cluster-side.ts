/** The tables of a cluster, into which or from which everything moves. */
import { refuseForgetful, makeTables } from "../../store/postgres/cluster.ts";
import { CHARGED, TOTAL } from "../../store/postgres/check.ts";
import { parseAddress } from "../../store/postgres/link/address.ts";
import { Link, type Sql } from "../../store/postgres/link/link.ts";
import { readClusterMark } from "../../store/postgres/move-marks.ts";
import { SCHEMA } from "../../store/postgres/postgres.ts";
import { TOTALS } from "../../store/postgres/tables/boxes.ts";
import { LOCK_MOVE, LOCK_SCHEMA } from "../../store/postgres/tables/upkeep.ts";
import { AdminError } from "../admin-error.ts";

/** Unseen for so long a relay is dead, as relays have it among themselves. Seconds. */
const DEAD_S = 8;

/** A connection for all of a move: what breaks it ends the move. */
interface ClusterSide extends AsyncDisposable {
  sql: Sql;
}

/** @throws AdminError if somebody else moves something there, EngineError, LinkError, AddressError, or what the engine says */
export async function openClusterSide(url: string): Promise<ClusterSide> {
  await using parts = new AsyncDisposableStack();
  const settings = {
    search_path: SCHEMA,
    application_name: "aimessage migrate",
    statement_timeout: 0,
    idle_in_transaction_session_timeout: 0,
    lock_timeout: 10_000,
  };
  const sql = await parts.use(new Link(parseAddress(url), { settings })).use();
  await refuseForgetful(sql);
  const [row] = await sql<{ ours: boolean }>("SELECT pg_try_advisory_lock($1::bigint) AS ours", [LOCK_MOVE]);
  if (row?.ours !== true)
    throw new AdminError("Another `migrate` is at work on this store", "wait until it is done: both would do the same");
  const running = parts.move();
  return { sql, [Symbol.asyncDispose]: () => running.disposeAsync() };
}

export async function hasTables(sql: Sql): Promise<boolean> {
  const [row] = await sql<{ there: boolean }>("SELECT to_regclass('relays') IS NOT NULL AS there", []);
  return row?.there === true;
}

/**
 * Makes the tables anew, within a transaction: where there are none, where nothing has ever been in them, and where what is in them has moved
 * away, or had not arrived.
 * @throws AdminError where they are in use
 */
export async function makeRoom(sql: Sql, name: string, logId: string): Promise<void> {
  await sql("SELECT pg_advisory_xact_lock($1::bigint)", [LOCK_SCHEMA]);
  if (await hasTables(sql)) await refuseUsed(sql, name, logId);
  await sql(`DROP SCHEMA IF EXISTS ${SCHEMA} CASCADE`);
  await makeTables(sql, SCHEMA);
}

async function refuseUsed(sql: Sql, name: string, logId: string): Promise<void> {
  if ((await readClusterMark(sql, "arriving")) !== undefined) return;
  await refuseLiving(sql);
  const [found] = await sql<{ accounts: number; mailboxes: number; invites: number; log_id: string | null }>(
    `SELECT (SELECT count(*) FROM accounts) AS accounts, (SELECT count(*) FROM mailboxes) AS mailboxes, (SELECT count(*) FROM invites) AS invites,
      (SELECT value FROM meta WHERE key = 'log_id') AS log_id`,
    [],
  );
  const { accounts = 0, mailboxes = 0, invites = 0, log_id = null } = found ?? {};
  if (accounts + mailboxes + invites === 0) return;
  // What has moved to a folder comes back.
  if (log_id === logId && (await readClusterMark(sql, "moved")) !== undefined) return;
  throw new AdminError(
    `There is a cluster in ${name} already, with ${accounts} accounts`,
    `name another database, or, if nobody needs what is in it: DROP SCHEMA ${SCHEMA} CASCADE`,
  );
}

/** From here to the end of the transaction no relay begins, beats or commits. @throws AdminError if one lives */
export async function keepRelaysOut(sql: Sql): Promise<void> {
  await sql("LOCK TABLE relays IN SHARE ROW EXCLUSIVE MODE");
  await refuseLiving(sql);
  // What froze, or lost its way, writes nothing any more when it comes back.
  await sql("DELETE FROM relays", []);
}

async function refuseLiving(sql: Sql): Promise<void> {
  const [row] = await sql<{ living: number }>(
    "SELECT count(*) AS living FROM relays WHERE seen_at > clock_timestamp() - make_interval(secs => $1::int)",
    [DEAD_S],
  );
  const living = row?.living ?? 0;
  if (living > 0)
    throw new AdminError(
      `${living === 1 ? "A relay lives" : `${living} relays live`} on this store`,
      `stop all of them first; one that was killed counts as living for ${DEAD_S} seconds`,
    );
}

/** Counts what is kept as sums, in tables in which it is not. */
export const RECOUNT = [
  `UPDATE mailboxes m SET ${TOTALS.map((total) => `${total}_n = x.${total}_n, ${total}_b = x.${total}_b`).join(", ")}
    FROM (SELECT mailbox, ${TOTALS.map(
      (total) => `count(*) FILTER (WHERE total = '${total}') AS ${total}_n,
        coalesce(sum(bytes) FILTER (WHERE total = '${total}'), 0) AS ${total}_b`,
    ).join(
      ", ",
    )} FROM (SELECT mailbox, bytes, ${TOTAL} AS total FROM entries) e GROUP BY mailbox) x WHERE m.mailbox = x.mailbox`,
  `INSERT INTO charges (payer, relay, bytes) SELECT payer, 0, sum(bytes) FROM (${CHARGED}) c WHERE bytes <> 0 GROUP BY payer`,
];
