import { randomUUID } from "node:crypto";
import { realpathSync } from "node:fs";
import type { DatabaseSync } from "node:sqlite";
import { DAY_MS } from "../../store/days.ts";
import type { BlobsAddress } from "../../config/blobs-address.ts";
import type { Sql } from "../../store/postgres/link/link.ts";
import { nameOfStore } from "../../store/postgres/link/store-name.ts";
import { newMark, readClusterMark, setClusterMark } from "../../store/postgres/move-marks.ts";
import { BLOCK } from "../../store/postgres/tables/numbers.ts";
import { createDay } from "../../store/postgres/tables/upkeep.ts";
import { type MoveMark, MovedError, readMark, setMark } from "../../store/sqlite/moved.ts";
import { readLogId } from "../../store/sqlite/sqlite.ts";
import { AdminError } from "../admin-error.ts";
import { blobMark, sealedRows } from "../blob-copies.ts";
import { openCurrent, requireDatabase } from "../read-only.ts";
import { hasTables, makeRoom, openClusterSide, RECOUNT } from "./cluster-side.ts";
import { isSamePlace, moveFiles, type MovedFiles, NO_FILES } from "./files.ts";
import { filesOf, holdFolder, openToMove } from "./folder-side.ts";
import { intoCluster } from "./into-cluster.ts";
import { Adding, differences, type Row, type Sums, sumsQuery } from "./sums.ts";
import type { Moved, MovedTable, MoveFlags } from "./tables.ts";

/** Written at once: so many rows, or so many bytes of texts. */
const PAGE_ROWS = 2_000;
const PAGE_BYTES = 2 ** 21;

/**
 * Moves all of a folder's database into the tables of a cluster. These say first that it has not arrived, then have everything, in one
 * transaction; then the folder says that it has moved, and then the cluster that it has arrived: whenever this is killed, one of the two goes
 * on, and to run it again ends it.
 */
export async function moveIn({ db, store, files }: MoveFlags): Promise<Moved> {
  const began = performance.now();
  requireDatabase(db);
  using _ = holdFolder(db);
  openCurrent(db).close();
  const folder = openToMove(db);
  try {
    await using cluster = await openClusterSide(store);
    const { sql } = cluster;
    const [from, to] = [realpathSync(db), nameOfStore(store)];
    const about = { from, to, ...NO_FILES };
    const seconds = (): number => (performance.now() - began) / 1000;
    const left = readMark(folder, "moved");
    if (left !== undefined) {
      await finish(sql, left);
      return { ...about, finished: true, rows: {}, seconds: seconds() };
    }
    const logId = readLogId(folder, false);
    const mark = blobMark(folder) ?? logId;
    const brought = await bringFiles(folder, { from: filesOf(db), to: files, mark });
    const id = randomUUID();
    await sql("BEGIN");
    await makeRoom(sql, to, logId);
    // From here on no relay begins there, whatever becomes of this process.
    await setClusterMark(sql, "arriving", newMark(id, from));
    await sql("COMMIT");
    await sql("BEGIN");
    const rows = await copyAll(folder, sql);
    const isElsewhere = files !== undefined && !isSamePlace(files, filesOf(db));
    // What has come of a file that is not whole stays behind: whoever brings it hears where to go on.
    if (isElsewhere || files === undefined) await sql("UPDATE blobs SET come = 0 WHERE NOT sealed", []);
    for (const text of RECOUNT) await sql(text, []);
    await setNumbers(folder, sql);
    await setMeta(sql, { log_id: logId, blobs_mark: files === undefined ? undefined : mark });
    await sql("ANALYZE");
    await sql("COMMIT");
    // Already this is on disk when it returns.
    setMark(folder, "moved", { id, store: to });
    await finish(sql, { id, store: to });
    return { ...about, ...brought, finished: false, rows, seconds: seconds() };
  } finally {
    folder.close();
  }
}

/** Has the cluster know that the folder says that it has moved. @throws MovedError, if it says so of another one */
async function finish(sql: Sql, left: MoveMark): Promise<void> {
  const isThere = await hasTables(sql);
  const arriving = isThere ? await readClusterMark(sql, "arriving") : undefined;
  if (arriving?.id === left.id) return setClusterMark(sql, "arrived", arriving);
  const arrived = isThere ? await readClusterMark(sql, "arrived") : undefined;
  if (arrived?.id !== left.id) throw new MovedError("moved", left);
}

interface Places {
  from: { folder: string };
  to: BlobsAddress | undefined;
  mark: string;
}

async function bringFiles(folder: DatabaseSync, { from, to, mark }: Places): Promise<MovedFiles> {
  const next = sealedRows(folder);
  const first = next();
  if (first.length === 0) return NO_FILES;
  if (to === undefined)
    throw new AdminError(
      "There are encrypted files, and the cluster has no place for them",
      `say where its relays will have them with --files; ${from.folder} itself will do if all of them can reach it`,
    );
  if (isSamePlace(from, to)) return NO_FILES;
  async function* pages() {
    for (let page = first; page.length > 0; page = next()) yield page;
  }
  return moveFiles({ from, to, known: blobMark(folder), mark, pages: pages() });
}

async function copyAll(folder: DatabaseSync, sql: Sql): Promise<Record<string, number>> {
  for (const { day } of folder.prepare(`SELECT DISTINCT at / ${DAY_MS} AS day FROM requests`).all())
    await sql(createDay(Number(day)));
  const rows: Record<string, number> = {};
  const wrong: string[] = [];
  // One look for all of them.
  folder.exec("BEGIN");
  for (const moved of intoCluster) {
    const { count, sums } = await copy(folder, sql, moved);
    const [here] = await sql<Sums>(sumsQuery(moved), []);
    wrong.push(...differences(moved.table, sums, here ?? {}));
    rows[moved.table] = count;
  }
  folder.exec("COMMIT");
  if (wrong.length > 0) throw new AdminError(`What has come is not what was sent: ${wrong.join("; ")}`, REPORT);
  return rows;
}

const REPORT = "nothing was changed, and the relay may go on where it was; please report this";

async function copy(folder: DatabaseSync, sql: Sql, moved: MovedTable): Promise<Adding> {
  const { table, columns, select } = moved;
  const names = Object.keys(columns);
  const lists = Object.values(columns).map((type, at) => `$${at + 1}::${type}[]`);
  const insert = `INSERT INTO ${table} (${names.join(", ")}) OVERRIDING SYSTEM VALUE SELECT * FROM unnest(${lists.join(", ")})`;
  const adding = new Adding(moved);
  let page: Row[] = [];
  let bytes = 0;
  const write = async (): Promise<void> => {
    if (page.length > 0)
      await sql(
        insert,
        names.map((name) => page.map((row) => row[name])),
      );
    [page, bytes] = [[], 0];
  };
  for (const row of folder.prepare(select).iterate() as Iterable<Row>) {
    adding.add(row);
    page.push(row);
    for (const value of Object.values(row))
      if (typeof value === "string" || value instanceof Uint8Array) bytes += value.length;
    if (page.length === PAGE_ROWS || bytes >= PAGE_BYTES) await write();
  }
  await write();
  return adding;
}

/** Numbers of their own, and what gives them. */
const NUMBERED: [table: string, column: string][] = [
  ["addresses", "id"],
  ["groups", "number"],
  ["key_packages", "number"],
  ["peers", "number"],
  ["audit", "number"],
];

/** No number is given twice, not even of what is gone. */
async function setNumbers(folder: DatabaseSync, sql: Sql): Promise<void> {
  const given = (table: string): number =>
    Number(folder.prepare("SELECT max(seq) AS seq FROM sqlite_sequence WHERE name = ?").get(table)?.["seq"] ?? 0);
  // Texts have places of entries as their numbers.
  const highest = Math.max(given("entries"), given("bodies"));
  await sql("SELECT setval('blocks', $1::bigint)", [Math.floor(highest / BLOCK) + 1]);
  await sql("SELECT setval('mailbox_numbers', $1::bigint)", [Math.max(1, given("mailboxes"))]);
  for (const [table, column] of NUMBERED)
    await sql(
      `SELECT setval(pg_get_serial_sequence('${table}', '${column}'), greatest(1, $1::bigint, (SELECT max(${column}) FROM ${table})))`,
      [given(table)],
    );
}

async function setMeta(sql: Sql, values: Record<string, string | undefined>): Promise<void> {
  for (const [key, value] of Object.entries(values))
    if (value !== undefined) await sql("INSERT INTO meta VALUES ($1, $2)", [key, value]);
}
