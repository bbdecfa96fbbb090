import { hostname } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import * as z from "zod";
import { readMark } from "../sqlite/moved.ts";
import { EngineError } from "./engine-error.ts";
import type { Sql } from "./link/link.ts";

const Mark = z.object({ id: z.string(), folder: z.string(), host: z.string() });

/** What a cluster's tables say of a move from a folder, or to one. */
interface ClusterMark {
  /** Random; the other side has the same. */
  id: string;
  /** The whole path. */
  folder: string;
  /** The machine on which that is. */
  host: string;
}

/**
 * `arriving`: all is here, and the folder may not know yet that it has moved. `arrived`: it does. `moved`: everything is in a folder now.
 */
type ClusterMarkKey = "arriving" | "arrived" | "moved";

export function newMark(id: string, folder: string): ClusterMark {
  return { id, folder, host: hostname() };
}

export async function readClusterMark(sql: Sql, key: ClusterMarkKey): Promise<ClusterMark | undefined> {
  const [row] = await sql<{ value: string }>("SELECT value FROM meta WHERE key = $1", [key]);
  return row && Mark.parse(JSON.parse(row.value));
}

/** Puts a mark in the place of those that are there. */
export async function setClusterMark(sql: Sql, key: ClusterMarkKey, mark: ClusterMark): Promise<void> {
  await sql(
    `WITH gone AS (DELETE FROM meta WHERE key IN ('arriving', 'arrived', 'moved') AND key <> $1)
      INSERT INTO meta VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value`,
    [key, JSON.stringify(mark)],
  );
}

/** @throws EngineError unless relays may use these tables */
export async function refuseMoved(sql: Sql): Promise<void> {
  const arriving = await readClusterMark(sql, "arriving");
  if (arriving !== undefined)
    throw new EngineError(
      `What moves here from ${arriving.folder} on ${arriving.host} has not arrived`,
      `run this again there, it finishes or begins anew: aimessage-server migrate --db ${arriving.folder} --store ...; unless that folder says that it has moved, its relay may go on`,
    );
  const moved = await readClusterMark(sql, "moved");
  if (moved !== undefined)
    throw new EngineError(
      `This cluster has moved to ${moved.folder} on ${moved.host}`,
      `it goes on there: aimessage-server --db ${moved.folder}`,
    );
}

/** Ends a move whose process was killed, where the folder can be asked whether it says that it has moved. */
export async function finishMove(sql: Sql): Promise<void> {
  const arriving = await readClusterMark(sql, "arriving");
  if (arriving !== undefined && hasLeft(arriving)) await setClusterMark(sql, "arrived", arriving);
}

function hasLeft({ id, folder, host }: ClusterMark): boolean {
  if (host !== hostname()) return false;
  try {
    const db = new DatabaseSync(join(folder, "relay.db"), { readOnly: true });
    try {
      return readMark(db, "moved")?.id === id;
    } finally {
      db.close();
    }
  } catch {
    // It is not there, or not for this user: whoever has moved it says it.
    return false;
  }
}
