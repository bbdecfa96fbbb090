/** What a message says of its files as it leaves. */
import type { Content } from "../crypto/content.ts";
import { utf8 } from "../protocol/index.ts";
import { offersOf } from "../records/files.ts";
import type { OutboxRecord } from "../records/tables.ts";
import type { Turn } from "../turn/turn.ts";

/** A row's body, and where its files lie by now. */
export async function withFiles(turn: Turn, row: OutboxRecord, body: Uint8Array): Promise<Omit<Content, "header">> {
  if (row.files === undefined) return { body };
  const { places, offers: files } = await offersOf(turn.tx, row.of ?? row.seq);
  const said = row.kind === "offer" ? utf8(JSON.stringify({ places })) : body;
  // A message tells of all of its files, or, where its recipient has fetched some already, of none.
  const isAll = row.kind === "offer" || files.length === row.files;
  return files.length === 0 || !isAll ? { body: said } : { body: said, files };
}
