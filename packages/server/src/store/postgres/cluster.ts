import { randomBytes } from "node:crypto";
import { dayOf } from "../days.ts";
import { RELAYS_SCHEMA } from "./lane/relays-schema.ts";
import type { Address } from "./link/address.ts";
import { Link, type Sql } from "./link/link.ts";
import { EngineError } from "./engine-error.ts";
import { finishMove, refuseMoved } from "./move-marks.ts";
import { TABLES_SCHEMA } from "./tables/tables-schema.ts";
import { createDay, LOCK_SCHEMA } from "./tables/upkeep.ts";

/** The oldest that has all that is used here. */
const OLDEST_ENGINE = 15;

/** Numbers that are left out when the engine may have forgotten some: none comes twice. */
const FORGOTTEN = 1_000_000;

/** Of the tables: one that is newer than a relay knows is refused. */
export const SCHEMA_VERSION = 1;

/** What all relays of a cluster know of its logs. */
interface ClusterState {
  logId: string;
  /** Requests from before are forgotten: Unix ms. */
  requestsSince: number;
}

/**
 * Has the tables there, which whoever comes first makes.
 * @param restored The database is a copy of an older one: what clients remember of it is not to be trusted
 * @throws EngineError, LinkError, or what the engine says
 */
export async function joinCluster(address: Address, schema: string, restored: boolean): Promise<ClusterState> {
  await using link = new Link(address, {
    // Whoever stands still here keeps all others out.
    settings: { search_path: schema, idle_in_transaction_session_timeout: 3000 },
  });
  const sql = await link.use();
  await refuseForgetful(sql);
  await sql("BEGIN");
  await sql("SELECT pg_advisory_xact_lock($1::bigint)", [LOCK_SCHEMA]);
  const [known] = await sql("SELECT 1 FROM pg_namespace WHERE nspname = $1", [schema]);
  if (known === undefined) await makeTables(sql, schema);
  await refuseNewer(sql);
  // Whoever makes one keeps all others out for a moment: so nobody has to who comes first on this day.
  for (const day of [0, 1]) await sql(createDay(dayOf(Date.now()) + day));
  await finishMove(sql);
  await refuseMoved(sql);
  if (restored) {
    await refuseLiving(sql);
    await sql("DELETE FROM meta WHERE key = 'log_id'", []);
    await leaveOut(sql);
  }
  await sql("INSERT INTO meta VALUES ('log_id', $1) ON CONFLICT DO NOTHING", [newLogId()]);
  const logId = (await readMeta(sql, "log_id")) ?? "";
  const requestsSince = Number((await readMeta(sql, "requests_since")) ?? 0);
  await sql("COMMIT");
  return { logId, requestsSince };
}

/** Within a transaction. */
export async function makeTables(sql: Sql, schema: string): Promise<void> {
  await sql(`CREATE SCHEMA ${schema}; ${TABLES_SCHEMA} ${RELAYS_SCHEMA}`);
  await sql("INSERT INTO meta VALUES ('schema_version', $1)", [String(SCHEMA_VERSION)]);
}

/** @throws EngineError if relays run, which believe what they remember */
async function refuseLiving(sql: Sql): Promise<void> {
  const [{ count } = { count: 0 }] = await sql<{ count: number }>(
    "SELECT count(*) AS count FROM relays WHERE seen_at > clock_timestamp() - interval '8 s'",
    [],
  );
  if (count > 0)
    throw new EngineError(
      `${count} relays run on what is to count as restored`,
      "stop them, and start one with --restored before the others; of one that was killed nothing is left after eight seconds",
    );
}

/** @throws EngineError if a newer relay has made the tables, or changed them */
async function refuseNewer(sql: Sql): Promise<void> {
  const version = await readMeta(sql, "schema_version");
  if (Number(version) > SCHEMA_VERSION)
    throw new EngineError(
      `The cluster's tables have version ${version}; this program knows ${SCHEMA_VERSION}`,
      "start a relay as new as the others",
    );
}

/** An engine that forgets what it has acknowledged when its power fails is none for mail. */
export async function refuseForgetful(sql: Sql): Promise<void> {
  const [found] = await sql<{ version: number; fsync: string; commits: string; pages: string }>(
    `SELECT current_setting('server_version_num')::int AS version, current_setting('fsync') AS fsync,
      current_setting('synchronous_commit') AS commits, current_setting('full_page_writes') AS pages`,
    [],
  );
  const { version = 0, fsync, commits, pages } = found ?? {};
  const major = Math.floor(version / 10_000);
  if (major < OLDEST_ENGINE)
    throw new EngineError(`This is PostgreSQL ${major}`, `take ${OLDEST_ENGINE} or a newer one`);
  for (const [name, value] of Object.entries({ fsync, synchronous_commit: commits, full_page_writes: pages }))
    if (value === "off")
      throw new EngineError(
        `This PostgreSQL forgets what it has acknowledged when its power fails: ${name} is off`,
        `set ${name} = on`,
      );
}

/** On a new timeline (a failover, a restored backup) what the old one gave last may be unknown here. Whoever comes first leaves it out. */
export async function heedTimeline(sql: Sql): Promise<void> {
  const [row] = await sql<{ timeline: string }>(
    "SELECT substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) AS timeline",
    [],
  );
  const timeline = row?.timeline ?? "";
  if ((await readMeta(sql, "timeline")) === timeline) return;
  await sql("BEGIN");
  await sql("SELECT pg_advisory_xact_lock($1::bigint)", [LOCK_SCHEMA]);
  const before = await readMeta(sql, "timeline");
  if (before !== timeline) {
    if (before !== undefined) await leaveOut(sql);
    await sql("INSERT INTO meta VALUES ('timeline', $1) ON CONFLICT (key) DO UPDATE SET value = excluded.value", [
      timeline,
    ]);
  }
  await sql("COMMIT");
}

/** Gives the logs a new id, unless another relay has done so already. */
export const RENEW_LOG = "UPDATE meta SET value = $1 WHERE key = 'log_id' AND value = $2";

/** Of all numbers that are known beyond the engine: to clients, and to relays. */
async function leaveOut(sql: Sql): Promise<void> {
  for (const sequence of ["blocks", "mailbox_numbers", "relays_relay_seq"])
    await sql(`SELECT setval('${sequence}', (SELECT last_value FROM ${sequence}) + $1::bigint)`, [FORGOTTEN]);
}

export async function readMeta(sql: Sql, key: string): Promise<string | undefined> {
  const [row] = await sql<{ value: string }>("SELECT value FROM meta WHERE key = $1", [key]);
  return row?.value;
}

export function newLogId(): string {
  return randomBytes(16).toString("hex");
}
