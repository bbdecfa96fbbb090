/** Where files of a message lie now that has left before. */
import { frameId } from "../crypto/content.ts";
import { randomId } from "../protocol/index.ts";
import type { WriteTransaction } from "../store/store.ts";
import type { OutFileRecord } from "./file-records.ts";
import { endFile, fileKey, filesOf } from "./files.ts";
import { directAddress, readAddress } from "./addresses.ts";
import { whomFor } from "./rosters.ts";
import { get, nextSeq, pad, put } from "./records.ts";
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
  const address = readAddress(row.to);
  if (address.kind === "team") return offerToMembers(tx, row, { team: address.key, files: untold });
  const { offers = 0 } = row;
  const attempt = FIRST_OFFER + offers;
  if (attempt > LAST_OFFER) return endUntold(tx, untold);
  await put(tx, "out/", pad(row.seq), { ...row, offers: offers + 1 });
  const { id, to, identity_key } = row;
  const seq = await addOffer(tx, row, { id, to, attempt, ...(identity_key === undefined ? {} : { identity_key }) });
  for (const file of untold) await put(tx, "out-file/", fileKey(file), { ...file, told: seq });
}

/** @returns its place in the outbox */
async function addOffer(
  tx: WriteTransaction,
  { seq: of, files = 0 }: OutboxRecord,
  more: Pick<OutboxRecord, "id" | "to" | "attempt" | "identity_key">,
): Promise<number> {
  const seq = await nextSeq(tx, "out");
  const now = Date.now();
  const offer: OutboxRecord = {
    seq,
    kind: "offer",
    ...more,
    content_type: "application/json",
    created_at: now,
    updated_at: now,
    state: "queued",
    files,
    of,
  };
  await put(tx, "out/", pad(seq), offer);
  await tx.put(`out-body/${pad(seq)}`, "");
  await tx.put(`out-id/${frameId(more.id, more.attempt)}`, String(seq));
  await tx.put(`queue/${more.to}/${pad(seq)}`, "");
  return seq;
}

/** Of a team each member that still waits for one of them is told by itself: those who have come since were not sent it. */
async function offerToMembers(
  tx: WriteTransaction,
  row: OutboxRecord,
  { team, files }: { team: string; files: OutFileRecord[] },
): Promise<void> {
  for (const [name, by] of await whomFor(tx, row)) {
    const words = (await get(tx, "to/", `${pad(row.seq)}/${name}`))?.files;
    if (files.every(({ index }) => words?.[index] !== undefined)) continue;
    await addOffer(tx, row, { id: randomId(), to: directAddress(team, name), attempt: 0, identity_key: by });
  }
}

async function endUntold(tx: WriteTransaction, files: OutFileRecord[]): Promise<void> {
  for (const file of files) await endFile(tx, file, { state: "failed", reason: "not_told" });
}
