import type { BlobsAddress } from "../../config/blobs-address.ts";
import type { ColumnType } from "../../store/postgres/tables/columns.ts";

/** What of a table goes where: rows as the other side gives them, for the columns of this one. */
export interface MovedTable {
  table: string;
  /** By their names, in the order in which `select` gives them. */
  columns: Readonly<Record<string, ColumnType>>;
  /** Asks the side from which rows come, in the order in which they are to be written. */
  select: string;
  /** Columns that are free text in SQLite, and JSON in the engine, whose text takes no NUL. */
  json?: readonly string[];
}

/** What has been moved. */
export interface Moved {
  /** A folder and a cluster, or the other way round. */
  from: string;
  to: string;
  /** Everything was there already: only the last step was left of a move that was cut short. */
  finished: boolean;
  /** Rows, by table of the side that they are in now. */
  rows: Record<string, number>;
  files: number;
  file_bytes: number;
  missing_files: number;
  seconds: number;
}

export interface MoveFlags {
  /** A folder. */
  db: string;
  /** URL of a cluster's database. */
  store: string;
  /** Where the cluster has encrypted files; undefined: nowhere. */
  files: BlobsAddress | undefined;
}
