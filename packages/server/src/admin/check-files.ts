import { lstatSync } from "node:fs";
import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { blobPath, MARK } from "../store/blob-layout.ts";
import type { Problem } from "../store/problem.ts";
import { hasBlobs, missingMark, sealedRows } from "./blob-copies.ts";
import { blobsIn, sizeOf } from "./blob-files.ts";

/** A relay removes files without a row that are an hour old, and looks for them every hour. Milliseconds. */
const LEFT_MS = 3 * 3_600_000;
/** How long a relay that removes files may take for one. Milliseconds. */
const MOMENT_MS = 1_000;

/**
 * Compares the rows of encrypted files with the files, where a relay may be at work. It removes a row before its file, and makes a row
 * before its file: so what is asked last is the row.
 * @param database Outside of a transaction: each question is about the moment at which it is asked.
 */
export function brokenFiles(database: DatabaseSync, db: string): Problem[] {
  if (!hasBlobs(database)) return [];
  const folder = join(db, "blobs");
  const mark = missingMark(database, folder);
  if (mark !== undefined) return [elsewhere(database, folder, mark)];
  const { lost, damaged } = ofRows(database, folder);
  const unknown = withoutRow(database, folder);
  const found: [problem: string, count: number, about: string][] = [
    ["blobs_without_file", lost, "encrypted files that are not there: whoever asks for one hears so"],
    ["blob_sizes", damaged, "encrypted files that are of another size than was uploaded"],
    ["files_without_blob", unknown, "files of which the database knows nothing: a relay removes them when it starts"],
  ];
  return found.filter(([, count]) => count > 0).map(([problem, count, about]) => ({ problem, count, about }));
}

function elsewhere(database: DatabaseSync, folder: string, mark: string): Problem {
  const row = database.prepare("SELECT count(*) AS count FROM blobs WHERE sealed = 1").get();
  const about = `${folder} is not the folder of this database's encrypted files: its relay takes, hands out and removes none until it is there; if they are lost for good, write ${mark} into ${join(folder, MARK)}`;
  return { problem: "blobs_elsewhere", count: Math.max(1, (row as { count: number }).count), about };
}

function ofRows(database: DatabaseSync, folder: string): { lost: number; damaged: number } {
  const isThere = database.prepare("SELECT 1 FROM blobs WHERE id = ? AND sealed = 1");
  const counts = { lost: 0, damaged: 0 };
  const next = sealedRows(database);
  for (let rows = next(); rows.length > 0; rows = next())
    for (const { id, bytes } of rows) {
      const size = sizeOf(folder, id);
      if (size === bytes || isThere.get(id) === undefined) continue;
      counts[size === undefined ? "lost" : "damaged"] += 1;
    }
  return counts;
}

function withoutRow(database: DatabaseSync, folder: string): number {
  const row = database.prepare("SELECT 1 FROM blobs WHERE id = ?");
  let left: string[] = [];
  for (const id of blobsIn(folder)) if (isOld(folder, id) && row.get(id) === undefined) left.push(id);
  // The rows of many may just have gone: as long as files go, too, it is not over.
  for (let before = left.length + 1; left.length > 0 && left.length < before;) {
    before = left.length;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, MOMENT_MS);
    left = left.filter((id) => sizeOf(folder, id) !== undefined);
  }
  return left.length;
}

function isOld(folder: string, id: string): boolean {
  const found = lstatSync(blobPath(folder, id), { throwIfNoEntry: false });
  return found !== undefined && Date.now() - found.mtimeMs > LEFT_MS;
}
