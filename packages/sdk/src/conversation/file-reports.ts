/** Contacts' words on files that were sent to them. */
import type { OutFileRecord } from "../records/file-records.ts";
import { endFile, fileKey, sendAnew } from "../records/files.ts";
import { find } from "../records/records.ts";
import type { OutboxRecord } from "../records/tables.ts";
import type { WriteTransaction } from "../store/store.ts";
import type { Turn } from "../turn/turn.ts";

/** How often a file is sent again that was damaged when it was fetched, and one that had expired. */
const AGAIN = { damaged: 3, expired: 1 };

/** A contact has a file of a message. @returns whether that is news */
export async function fileFetched({ tx }: Turn, row: OutboxRecord, index: number): Promise<boolean> {
  const file = await find(tx, "out-file/", fileKey({ seq: row.seq, index }));
  if (file?.state !== "up") return false;
  await endFile(tx, file, { state: "fetched" });
  return true;
}

/** A contact could not fetch a file: it is sent again, as another blob under another key. @returns whether that is news */
export async function fileUnfetched(
  { tx }: Turn,
  row: OutboxRecord,
  { file: index, reason }: { file: number; reason: string },
): Promise<boolean> {
  const file = await find(tx, "out-file/", fileKey({ seq: row.seq, index }));
  if (file?.state !== "up" || !isUnfetched(reason)) return false;
  if (!(await bringAnew(tx, file, reason))) await endFile(tx, file, { state: "failed", reason });
  return true;
}

export type Unfetched = "file_expired" | "file_damaged";

/** Whether it is a word of those by which a file is sent again. */
export function isUnfetched(reason: string): reason is Unfetched {
  return reason === "file_expired" || reason === "file_damaged";
}

/** Sends a file again as another blob under another key. @returns whether it may be: not for ever */
export async function bringAnew(tx: WriteTransaction, file: OutFileRecord, reason: Unfetched): Promise<boolean> {
  const why = reason === "file_expired" ? "expired" : "damaged";
  const times = (file[why] ?? 0) + 1;
  if (times > AGAIN[why]) return false;
  const said = file.sha256 === undefined ? {} : { said: file.sha256 };
  await sendAnew(tx, file, { resent: true, [why]: times, ...said });
  return true;
}
