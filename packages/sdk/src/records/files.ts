/** Files that go with messages, as any process may see to them. */
import { type Offer, padme } from "../crypto/content.ts";
import { newStart, sealedLength } from "../crypto/streaming.ts";
import { randomId, toBase64 } from "../protocol/index.ts";
import type { ReadTransaction, WriteTransaction } from "../store/store.ts";
import type { OutFileRecord } from "./file-records.ts";
import { list, pad, put } from "./records.ts";
import type { OutboxRecord } from "./tables.ts";

/** The end of a file's key: numbers in the order of keys. */
export function fileKey({ seq, index }: { seq: number; index: number }): string {
  return `${pad(seq)}/${String(index).padStart(2, "0")}`;
}

/** Of files, with zeros behind them so that few sizes are told apart: bytes of plaintext. */
export function paddedLength({ bytes }: { bytes: number }): number {
  return padme(bytes);
}

/** What a file takes at a relay. Bytes. */
export function blobLength(file: { bytes: number }): number {
  return sealedLength(paddedLength(file));
}

/** What every blob has of its own. */
export function newSecrets(): Pick<OutFileRecord, "request_id" | "key" | "salt" | "prefix" | "read_token"> {
  const { salt, prefix } = newStart();
  return {
    request_id: randomId(),
    key: toBase64(random(32)),
    salt: toBase64(salt),
    prefix: toBase64(prefix),
    read_token: toBase64(random(32)),
  };
}

function random(bytes: number): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(bytes));
}

export function filesOf(tx: ReadTransaction, seq: number): Promise<OutFileRecord[]> {
  return list(tx, "out-file/", { under: `${pad(seq)}/` });
}

/** Places in the outbox of messages that have to wait until their files are at the relay; what is sent again has left. */
export async function waitingForFiles(tx: ReadTransaction): Promise<Set<number>> {
  const files = await list(tx, "out-file/");
  return new Set(files.filter(({ state, resent }) => state === "waits" && resent !== true).map(({ seq }) => seq));
}

/** Puts a file where it waits for room at the relay: as a blob of its own. */
export async function sendFile(tx: WriteTransaction, file: OutFileRecord): Promise<void> {
  const key = fileKey(file);
  await put(tx, "out-file/", key, file);
  await tx.delete(`blob/up/${key}`);
  await tx.put(`blob/ask/${key}`, "");
}

/** What is asked for in vain is asked for again after so long, then twice that, and so on. Milliseconds. */
const FIRST_RETRY_MS = 2_000;
export const LAST_RETRY_MS = 60_000;

/** @param before How long it was put off last @param least The relay's word */
export function nextRetry({
  before = FIRST_RETRY_MS / 2,
  least = 0,
}: { before?: number | undefined; least?: number | undefined } = {}): number {
  // Never longer, whatever the relay says: it may say another thing then.
  return Math.min(Math.max(least, 2 * before), LAST_RETRY_MS);
}

/** What is asked of the relay waits for so long. `before`: what is kept of that, for the next time. Milliseconds. */
export async function askLater(
  tx: WriteTransaction,
  at: string,
  { wait, before }: { wait: number; before?: number },
): Promise<void> {
  await tx.delete(`blob/ask/${at}`);
  await tx.put(`blob/later/${pad(Date.now() + wait)}/${at}`, before === undefined ? "" : String(before));
}

/** A relay that loses what it has of a file, again and again, is not asked without a pause: one lies, or has lost its disk. */
export async function wasInVain(tx: WriteTransaction, file: OutFileRecord): Promise<void> {
  const { vain = 0 } = file;
  const key = fileKey(file);
  const reason = vain > 0 ? { reason: "relay_unreachable" } : {};
  await put(tx, "out-file/", key, { ...file, ...reason, vain: vain + 1 });
  const wait = nextRetry({ before: FIRST_RETRY_MS * 2 ** (Math.min(vain, 10) - 2) });
  if (vain > 0) await askLater(tx, key, { wait });
}

/** Begins a file anew, as another blob under another key. */
export async function sendAnew(
  tx: WriteTransaction,
  file: OutFileRecord,
  more: Partial<OutFileRecord> = {},
): Promise<OutFileRecord> {
  await dropBlob(tx, file);
  const { blob: _blob, token: _token, block: _block, sha256: _sha256, reason: _reason, ...rest } = file;
  const { retry_after: _after, told: _told, ...kept } = rest;
  const begun: OutFileRecord = { ...kept, ...newSecrets(), ...more, state: "waits" };
  await sendFile(tx, begun);
  return begun;
}

/** The relay need not keep it any more. */
export async function dropBlob(tx: WriteTransaction, { blob }: { blob?: string }): Promise<void> {
  if (blob !== undefined) await tx.put(`blob/drop/${blob}`, "");
}

/** Nothing is done for a file any more; of its keys nothing stays. */
export async function endFile(
  tx: WriteTransaction,
  file: OutFileRecord,
  { state, reason }: { state: "fetched" | "failed"; reason?: string | undefined },
): Promise<void> {
  await dropBlob(tx, file);
  await tx.delete(`blob/ask/${fileKey(file)}`);
  await hasEnded(tx, file);
  const { claim: _claim, reason: _reason, token: _token, ...rest } = withoutSecrets(file);
  await put(tx, "out-file/", fileKey(file), { ...rest, state, ...(reason === undefined ? {} : { reason }) });
}

/** Its bytes are not needed any more: whoever brings files lets go of what a stream gave. */
export async function hasEnded(tx: WriteTransaction, file: OutFileRecord): Promise<void> {
  if (file.kept === true) await tx.put(`blob/up/${fileKey(file)}`, "");
  else await tx.delete(`blob/up/${fileKey(file)}`);
}

function withoutSecrets(file: OutFileRecord): OutFileRecord {
  return { ...file, key: "", salt: "", prefix: "", read_token: "" };
}

/** The other side has been told where files of a message lie: their keys go as bodies do. `by`: the offer that told it, if not the message. */
export async function wereTold(tx: WriteTransaction, seq: number, by?: number): Promise<void> {
  for (const file of await filesOf(tx, seq))
    if (file.state === "up" && file.key !== "" && file.told === by && (by !== undefined || file.resent !== true))
      await put(tx, "out-file/", fileKey(file), withoutSecrets(file));
}

/**
 * The other side has a message of which files are not up: another store has sent it, of which this one is an old copy. It hears where they lie
 * when they are.
 */
export async function haveLeft(tx: WriteTransaction, seq: number): Promise<void> {
  for (const file of await filesOf(tx, seq))
    if (file.state === "waits" && file.resent !== true)
      await put(tx, "out-file/", fileKey(file), { ...file, resent: true });
}

/** A message has ended: so do its files that are not up, or all, where its recipient never hears of them. */
export async function endFiles(
  tx: WriteTransaction,
  { seq, files }: OutboxRecord,
  { all = false, reason }: { all?: boolean; reason?: string | undefined } = {},
): Promise<void> {
  if (files === undefined) return;
  for (const file of await filesOf(tx, seq))
    if (file.state === "waits" || (all && file.state === "up")) await endFile(tx, file, { state: "failed", reason });
}

/** An offer is not taken: its recipient never hears where the files lie that it told of. */
export async function endOffered(tx: WriteTransaction, { of, seq }: OutboxRecord, reason?: string): Promise<void> {
  if (of === undefined) return;
  for (const file of await filesOf(tx, of))
    if (file.state === "up" && file.key !== "" && file.told === seq)
      await endFile(tx, file, { state: "failed", reason });
}

/** A message is forgotten: so is what is known of its files. */
export async function forgetFiles(tx: WriteTransaction, { seq, files }: OutboxRecord): Promise<void> {
  if (files === undefined) return;
  for (const file of await filesOf(tx, seq)) {
    if (file.state !== "fetched" && file.state !== "failed") await endFile(tx, file, { state: "failed" });
    await tx.delete(`out-file/${fileKey(file)}`);
  }
}

/** What is said of the files of a message that are up, by their places in it: of those that were fetched there is nothing to be said. */
export async function offersOf(tx: ReadTransaction, seq: number): Promise<{ places: number[]; offers: Offer[] }> {
  const [places, offers]: [number[], Offer[]] = [[], []];
  for (const file of await filesOf(tx, seq)) {
    const offer = file.state === "up" ? offerOf(file) : undefined;
    if (offer === undefined) continue;
    places.push(file.index);
    offers.push(offer);
  }
  return { places, offers };
}

function offerOf({ name, bytes, type, blob, read_token, key, sha256, expires_at }: OutFileRecord): Offer | undefined {
  if (blob === undefined || sha256 === undefined || key === "") return undefined;
  const more = type === undefined ? {} : { type };
  return { name, bytes, ...more, blob, token: read_token, key, sha256, expires_at: expires_at ?? 0 };
}
