/** Where files of a message lie now that has left before. */
import { frameId } from "../crypto/content.ts";
import type { WriteTransaction } from "../store/store.ts";
import type { OutFileRecord } from "./file-records.ts";
import { endFile, fileKey, filesOf } from "./files.ts";
import { nextSeq, pad, put } from "./records.ts";
import type { OutboxRecord } from "./tables.ts";

/**
 * Frames of one message that tell where its files lie now have numbers from here on, each its own, whatever became of the others: the relay knows those for
 * days. There are enough for each of 16 files to be sent again as often as it may be. What is sent again for another reason has lower ones.
 */
const FIRST_OFFER = 10;
const LAST_OFFER = 99;

/** Files of a message are up that has left before, and those of them of which its recipient has not heard: it does now. */
export async function offerAgain(tx: WriteTransaction, row: OutboxRecord): Promise<void> {
  const untold = (await filesOf(tx, row.seq)).filter(({ state, key }) => state === "up" && key !== "");
  if (untold.length === 0) return;
  const { offers = 0 } = row;
  const attempt = FIRST_OFFER + offers;
  if (attempt > LAST_OFFER) return endUntold(tx, untold);
  await put(tx, "out/", pad(row.seq), { ...row, offers: offers + 1 });
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
  for (const file of untold) await put(tx, "out-file/", fileKey(file), { ...file, told: seq });
  await tx.put(`out-body/${pad(seq)}`, "");
  await tx.put(`out-id/${frameId(row.id, attempt)}`, String(seq));
  await tx.put(`queue/${row.to}/${pad(seq)}`, "");
}

async function endUntold(tx: WriteTransaction, files: OutFileRecord[]): Promise<void> {
  for (const file of files) await endFile(tx, file, { state: "failed", reason: "not_told" });
}
