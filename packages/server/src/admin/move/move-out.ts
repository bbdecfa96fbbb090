import { randomUUID } from "node:crypto";
import { existsSync, realpathSync } from "node:fs";
import type { DatabaseSync } from "node:sqlite";
import { readMeta } from "../../store/postgres/cluster.ts";
import type { BlobsAddress } from "../../config/blobs-address.ts";
import type { Sql } from "../../store/postgres/link/link.ts";
import { nameOfStore } from "../../store/postgres/link/store-name.ts";
import { newMark, readClusterMark, refuseMoved, setClusterMark } from "../../store/postgres/move-marks.ts";
import { BLOCK } from "../../store/postgres/tables/numbers.ts";
import { readMark, setMark } from "../../store/sqlite/moved.ts";
import { AdminError } from "../admin-error.ts";
import { setBlobMark } from "../blob-copies.ts";
import { databaseFile } from "../read-only.ts";
import { hasTables, keepRelaysOut, openClusterSide } from "./cluster-side.ts";
import { isSamePlace, moveFiles, type MovedFiles, NO_FILES, type WholeFile } from "./files.ts";
import { addUp, filesOf, holdFolder, makeDatabase, openToMove, rowsInto } from "./folder-side.ts";
import { intoFolder } from "./into-folder.ts";
import { Adding, differences, type Row } from "./sums.ts";
import type { Moved, MovedTable, MoveFlags } from "./tables.ts";

/** Read at once. A message may have a megabyte. */
const PAGE_ROWS = 1_000;
const LARGE_ROWS = 64;
const LARGE = new Set(["entries", "bodies"]);

/**
 * Moves all of a cluster into an empty folder. The folder says that not everything has arrived until the cluster says that it has moved;
 * meanwhile no relay of it can begin. Whenever this is killed, to run it again ends it, or the cluster goes on as if nothing had been.
 */
export async function moveOut({ db, store, files }: MoveFlags): Promise<Moved> {
  const began = performance.now();
  using _ = holdFolder(db);
  await using cluster = await openClusterSide(store);
  const { sql } = cluster;
  const [from, to] = [nameOfStore(store), realpathSync(db)];
  const about = { from, to, ...NO_FILES };
  const seconds = (): number => (performance.now() - began) / 1000;
  if (!(await hasTables(sql)))
    throw new AdminError(`There is no cluster in ${from}`, "name the database that its relays have");
  if (await finish(sql, db)) return { ...about, finished: true, rows: {}, seconds: seconds() };
  await refuseMoved(sql);
  const id = randomUUID();
  const folder = makeDatabase(db, { id, store: from });
  try {
    await sql("BEGIN");
    await keepRelaysOut(sql);
    const brought = await bringFiles(sql, { from: files, to: filesOf(db) });
    folder.exec("BEGIN");
    const { rows, wrong } = await copyAll(sql, folder);
    if (wrong.length > 0)
      throw new AdminError(
        `What has come is not what was sent: ${wrong.join("; ")}`,
        "nothing was changed, and the relays may go on; please report this",
      );
    // What has come of a file that is not whole stays behind: whoever brings it hears where to go on.
    if (files === undefined || !isSamePlace(files, filesOf(db)))
      folder.exec("UPDATE blobs SET come = 0 WHERE sealed IS NULL");
    await setNumbers(sql, folder);
    await setMeta(sql, folder, files !== undefined);
    folder.exec("COMMIT");
    await setClusterMark(sql, "moved", newMark(id, to));
    await sql("COMMIT");
    setMark(folder, "arriving", undefined);
    return { ...about, ...brought, finished: false, rows, seconds: seconds() };
  } finally {
    folder.close();
  }
}

/** Ends a move whose last step is missing. */
async function finish(sql: Sql, db: string): Promise<boolean> {
  const moved = await readClusterMark(sql, "moved");
  if (moved === undefined || !existsSync(databaseFile(db))) return false;
  const folder = openToMove(db);
  try {
    const arriving = readMark(folder, "arriving");
    if (arriving?.id !== moved.id) return false;
    setMark(folder, "arriving", undefined);
    return true;
  } finally {
    folder.close();
  }
}

async function bringFiles(
  sql: Sql,
  { from, to }: { from: BlobsAddress | undefined; to: BlobsAddress },
): Promise<MovedFiles> {
  const next = async (after: string): Promise<WholeFile[]> =>
    sql<WholeFile>("SELECT id, bytes FROM blobs WHERE sealed AND id > $1 ORDER BY id LIMIT $2::bigint", [
      after,
      PAGE_ROWS,
    ]);
  const first = await next("");
  if (first.length === 0) return NO_FILES;
  if (from === undefined)
    throw new AdminError("There are encrypted files", "say where the relays have them with --files");
  if (isSamePlace(from, to)) return NO_FILES;
  async function* pages() {
    for (let page = first; page.length > 0; page = await next(page.at(-1)?.id ?? "")) yield page;
  }
  const mark = (await readMeta(sql, "blobs_mark")) ?? (await readMeta(sql, "log_id")) ?? "";
  return moveFiles({ from, to, known: await readMeta(sql, "blobs_mark"), mark, pages: pages() });
}

async function copyAll(sql: Sql, folder: DatabaseSync): Promise<{ rows: Record<string, number>; wrong: string[] }> {
  const rows: Record<string, number> = {};
  const wrong: string[] = [];
  for (const moved of intoFolder) {
    const { count, sums } = await copy(sql, folder, moved);
    wrong.push(...differences(moved.table, sums, addUp(folder, moved).sums));
    rows[moved.table] = count;
  }
  return { rows, wrong };
}

async function copy(sql: Sql, folder: DatabaseSync, moved: MovedTable): Promise<Adding> {
  const adding = new Adding(moved);
  const write = rowsInto(folder, moved);
  const size = LARGE.has(moved.table) ? LARGE_ROWS : PAGE_ROWS;
  await sql(`DECLARE page NO SCROLL CURSOR FOR ${moved.select}`);
  for (let rows: Row[] = []; ;) {
    rows = await sql<Row>(`FETCH ${size} FROM page`);
    for (const row of rows) adding.add(row);
    write(rows);
    if (rows.length < size) break;
  }
  await sql("CLOSE page");
  return adding;
}

/** No number is given twice, not even of what is gone. */
async function setNumbers(sql: Sql, folder: DatabaseSync): Promise<void> {
  const [given] = await sql<{ blocks: number; mailboxes: number }>(
    "SELECT (SELECT last_value FROM blocks) AS blocks, (SELECT last_value FROM mailbox_numbers) AS mailboxes",
    [],
  );
  const { blocks = 0, mailboxes = 0 } = given ?? {};
  const highest = blocks * BLOCK + BLOCK - 1;
  const set = folder.prepare("UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = ?");
  const add = folder.prepare(
    "INSERT INTO sqlite_sequence (name, seq) SELECT ?1, 0 WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = ?1)",
  );
  for (const [table, number] of [
    ["entries", highest],
    ["bodies", highest],
    ["mailboxes", mailboxes],
  ] as const) {
    add.run(table);
    // A whole number: the column has no type that would make it one.
    set.run(BigInt(number), table);
  }
}

/** @param hasFiles Files have a place, whose mark goes with it */
async function setMeta(sql: Sql, folder: DatabaseSync, hasFiles: boolean): Promise<void> {
  const logId = (await readMeta(sql, "log_id")) ?? "";
  folder.prepare("INSERT INTO meta VALUES ('log_id', ?)").run(logId);
  if (hasFiles) setBlobMark(folder, (await readMeta(sql, "blobs_mark")) ?? logId);
}
