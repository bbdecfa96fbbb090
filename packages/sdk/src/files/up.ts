/** What follows when a file is up. */
import { frameId } from "../crypto/content.ts";
import type { OutFileRecord } from "../records/file-records.ts";
import { fileKey, filesOf } from "../records/files.ts";
import { find, nextSeq, pad, put } from "../records/records.ts";
import type { OutboxRecord } from "../records/tables.ts";
import type { WriteTransaction } from "../store/store.ts";

/** Frames of one message that tell where its files lie now have these numbers: what is sent again for another reason has lower ones. */
const OFFER_IDS = [5, 6, 7, 8, 9];

/** Files of a message are up that has left before: its recipient hears where they lie now. */
export async function offerAgain(tx: WriteTransaction, row: OutboxRecord): Promise<void> {
  const attempt = await freeFrame(tx, row.id);
  if (attempt === undefined) return;
  const seq = await nextSeq(tx, "out");
  const now = Date.now();
  const offer: OutboxRecord = {
    seq,
    id: row.id,
    kind: "offer",
    to: row.to,
    ...(row.identity_key === undefined ? {} : { identity_key: row.identity_key }),
    content_type: "application/json",
    created_at: now,
    updated_at: now,
    state: "queued",
    attempt,
    files: row.files ?? 0,
    of: row.seq,
  };
  await put(tx, "out/", pad(seq), offer);
  await tx.put(`out-body/${pad(seq)}`, "");
  await tx.put(`out-id/${frameId(row.id, attempt)}`, String(seq));
  await tx.put(`queue/${row.to}/${pad(seq)}`, "");
}

async function freeFrame(tx: WriteTransaction, id: string): Promise<number | undefined> {
  for (const attempt of OFFER_IDS) if ((await tx.get(`out-id/${frameId(id, attempt)}`)) === undefined) return attempt;
  return undefined;
}

/** A file is up. When all of its message are, that leaves, or its recipient hears where they lie now. */
export async function fileIsUp(tx: WriteTransaction, file: OutFileRecord, sha256: string): Promise<void> {
  const key = fileKey(file);
  const { token: _token, reason: _reason, claim: _claim, ...rest } = file;
  await put(tx, "out-file/", key, { ...rest, state: "up", sha256 });
  await tx.delete(`blob/up/${key}`);
  const row = await find(tx, "out/", pad(file.seq));
  if (row === undefined || (await filesOf(tx, file.seq)).some(({ state }) => state === "waits")) return;
  if (file.resent === true) await offerAgain(tx, row);
  else if (row.state === "queued") await tx.put(`queue/${row.to}/${pad(row.seq)}`, "");
}
