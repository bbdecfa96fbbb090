/** Rows of encrypted files in copies of a database, which no relay uses. */
import { rmSync } from "node:fs";
import type { DatabaseSync } from "node:sqlite";
import { asOwnerOf } from "@aimessage/sdk/program";
import { ROW_BYTES } from "../store/charges.ts";
import { blobPath } from "../store/blob-layout.ts";
import { type BlobFolder, carrier, markOf, sizeOf } from "./blob-files.ts";
import { openReadOnly } from "./read-only.ts";

/** Rows that are read at once. */
const PAGE = 1000;

interface SealedRow {
  id: string;
  bytes: number;
}

/** What has become of the files of a copy. */
export interface Gathered {
  files: number;
  file_bytes: number;
  /** Ids of those that are not there, or not whole. */
  missing: string[];
}

/** The files that are whole, a page at a time, in the order of their ids. A database of before there were any has none. */
export function sealedRows(database: DatabaseSync): () => SealedRow[] {
  if (!hasBlobs(database)) return () => [];
  const select = database.prepare("SELECT id, bytes FROM blobs WHERE id > ? AND sealed = 1 ORDER BY id LIMIT ?");
  let after = "";
  return () => {
    const rows = select.all(after, PAGE) as unknown as SealedRow[];
    after = rows.at(-1)?.id ?? after;
    return rows;
  };
}

/** Brings the files that the rows of a copy name from one folder to another. @param copy The database, where `to.owner` may read it. */
export function gather(copy: string, from: BlobFolder, to: BlobFolder): Gathered {
  const gathered: Gathered = { files: 0, file_bytes: 0, missing: [] };
  const files = carrier(from, to);
  const inCopy = <T>(work: () => T): T => asOwnerOf(to.owner, work);
  const { database, next } = inCopy(() => {
    const opened = openReadOnly(copy);
    return { database: opened, next: sealedRows(opened) };
  });
  try {
    for (let rows = inCopy(next); rows.length > 0; rows = inCopy(next))
      for (const { id, bytes } of rows) {
        if (!files.bring(id) || inCopy(() => sizeOf(to.path, id)) !== bytes) {
          gathered.missing.push(id);
          inCopy(() => rmSync(blobPath(to.path, id), { force: true }));
          continue;
        }
        gathered.files += 1;
        gathered.file_bytes += bytes;
      }
    files.sync();
  } finally {
    inCopy(() => database.close());
  }
  return gathered;
}

/** Takes out rows, and what is charged for them to addresses. */
export function dropBlobs(database: DatabaseSync, ids: readonly string[]): void {
  if (ids.length === 0) return;
  const remove = database.prepare("DELETE FROM blobs WHERE id = ? RETURNING address");
  const giveBack = database.prepare("UPDATE addresses SET bytes = bytes - ? WHERE id = ?");
  // As the store does with those that have nothing any more.
  const forget = database.prepare("DELETE FROM addresses WHERE id = ? AND accounts <= 0 AND bytes <= 0");
  // Also from the pages that are free then.
  database.exec("PRAGMA secure_delete = ON; BEGIN");
  for (const id of ids) {
    const { address = null } = (remove.get(id) ?? {}) as { address?: number | null };
    if (address === null) continue;
    giveBack.run(ROW_BYTES, address);
    forget.run(address);
  }
  database.exec("COMMIT");
}

/** Takes out the rows of those that are not whole: whoever uploads one begins anew. */
export function dropUnsealed(database: DatabaseSync): void {
  if (!hasBlobs(database)) return;
  const rows = database.prepare("SELECT id FROM blobs WHERE sealed IS NULL").all() as { id: string }[];
  dropBlobs(
    database,
    rows.map(({ id }) => id),
  );
}

/** The mark of the folder in which the files of a database lie; undefined if it has had none. */
export function blobMark(database: DatabaseSync): string | undefined {
  const row = database.prepare("SELECT value FROM meta WHERE key = 'blobs_mark'").get();
  return (row as { value: string } | undefined)?.value;
}

/** The mark that the folder of a database's files must have and has not, as where a disk is not mounted: of that nothing follows for them. */
export function missingMark(database: DatabaseSync, folder: string): string | undefined {
  const mark = blobMark(database);
  return mark === undefined || markOf(folder) === mark ? undefined : mark;
}

export function setBlobMark(database: DatabaseSync, mark: string): void {
  database.prepare("INSERT OR REPLACE INTO meta VALUES ('blobs_mark', ?)").run(mark);
}

export function hasBlobs(database: DatabaseSync): boolean {
  return database.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'blobs'").get() !== undefined;
}
