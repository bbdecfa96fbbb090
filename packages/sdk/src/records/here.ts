/** Files of messages that are here. */
import type { WriteTransaction } from "../store/store.ts";
import { oweFile } from "./owed.ts";
import type { InboxRecord } from "./tables.ts";

/** A file is here: its sender hears so, and nobody needs its key any more. @returns what its message says from now on */
export async function fileIsHere(tx: WriteTransaction, row: InboxRecord, index: number): Promise<InboxRecord> {
  await oweFile(tx, row, { index });
  const files = (row.files ?? []).map((file, place) => {
    const { key: _key, token: _token, streamed: _streamed, ...said } = file;
    return place === index ? said : file;
  });
  return { ...row, files };
}

/** Files that somebody has read count as here when their message is handled: whoever dies before may read them again. */
export async function streamedAreHere(tx: WriteTransaction, row: InboxRecord): Promise<InboxRecord> {
  let now = row;
  for (const [index, { streamed }] of (row.files ?? []).entries())
    if (streamed === true) now = await fileIsHere(tx, now, index);
  return now;
}
