/** The link's half of files that are sent: it asks the relay for room, and has it delete what nobody needs any more. */
import { fromBase64, type RelayFrameData, toBase64 } from "../protocol/index.ts";
import type { OutFileRecord } from "../records/file-records.ts";
import { blobLength, endFiles, fileKey, sendAnew } from "../records/files.ts";
import { isFinal } from "../records/outbox-records.ts";
import { find, get, pad, put } from "../records/records.ts";
import type { OutboxRecord } from "../records/tables.ts";
import type { ClientStore, WriteTransaction } from "../store/store.ts";
import { type Connection, isTemporary, type Refusal } from "../wire/connection.ts";

/** Asked for in one go. */
const AT_ONCE = 32;
/** What is refused for now is asked for again after so long, then twice that, and so on. Milliseconds. */
const FIRST_RETRY_MS = 2_000;
const LAST_RETRY_MS = 60_000;
/** A file is kept for so long after its message has expired: it may be fetched still. Milliseconds. */
const AFTER_MS = 86_400_000;

/** What came of it: whether anything was done, and when there is more to do (Unix ms; Infinity: at the next change). */
export interface Asked {
  done: boolean;
  next: number;
}

/** Sees to what waits under `blob/ask/` and `blob/drop/`. @throws AgentError relay_unreachable */
export async function askForBlobs(store: ClientStore, connection: Connection): Promise<Asked> {
  const asks = await store.read((tx) => tx.list({ prefix: "blob/ask/", limit: AT_ONCE }));
  const result: Asked = { done: false, next: Infinity };
  for (const [key] of asks) {
    const at = key.slice("blob/ask/".length);
    const wait = await ask(store, connection, at);
    if (wait === undefined) result.done = true;
    else result.next = Math.min(result.next, wait);
  }
  const drops = await store.read((tx) => tx.list({ prefix: "blob/drop/", limit: AT_ONCE }));
  for (const [key] of drops) {
    const answer = await connection.ask("blob_delete", { blob: key.slice("blob/drop/".length) });
    // One that the relay does not know is gone already.
    if ("refusal" in answer && isTemporary(answer.refusal)) result.next = Date.now() + FIRST_RETRY_MS;
    else await store.write((tx) => tx.delete(key));
  }
  result.done ||= drops.length === AT_ONCE || asks.length === AT_ONCE;
  return result;
}

/** @returns when it is to be asked again; undefined if it need not */
async function ask(store: ClientStore, connection: Connection, at: string): Promise<number | undefined> {
  const { file, row } = await store.read(async (tx) => {
    const record = await find(tx, "out-file/", at);
    return { file: record, row: record === undefined ? undefined : await find(tx, "out/", pad(record.seq)) };
  });
  const isWanted = file?.state === "waits" && row !== undefined && (file.resent === true || !isFinal(row.state));
  if (!isWanted) {
    await store.write((tx) => tx.delete(`blob/ask/${at}`));
    return undefined;
  }
  if ((file.retry_at ?? 0) > Date.now()) return file.retry_at;
  const answer = await connection.ask("blob", {
    request_id: file.request_id,
    bytes: blobLength(file),
    readers: 1,
    read_hash: await hashOf(file.read_token),
    ...(row.expires_at === undefined ? {} : { ttl_ms: Math.max(1, row.expires_at - Date.now()) + AFTER_MS }),
  });
  if ("refusal" in answer) return store.write((tx) => refused(tx, file, row, answer.refusal));
  await store.write((tx) => given(tx, file, answer.frame.data as RelayFrameData<"ack">));
  return undefined;
}

/** The relay has room for it. */
async function given(tx: WriteTransaction, asked: OutFileRecord, answer: RelayFrameData<"ack">): Promise<void> {
  const key = fileKey(asked);
  const file = await get(tx, "out-file/", key);
  const { blob, token, piece_bytes, expires_at } = answer;
  // It was begun anew meanwhile, and is asked for again.
  if (file?.request_id !== asked.request_id || file.state !== "waits" || blob === undefined || token === undefined)
    return;
  await tx.delete(`blob/ask/${key}`);
  // The relay does not know the one any more of which something was sent.
  if (file.blob !== undefined && file.blob !== blob) return sendAnew(tx, file);
  const { reason: _reason, retry_at: _at, retry_after: _after, ...rest } = file;
  await put(tx, "out-file/", key, {
    ...rest,
    blob,
    token,
    ...(piece_bytes === undefined ? {} : { piece_bytes }),
    ...(expires_at === undefined ? {} : { expires_at }),
  });
}

/** @returns when it is to be asked again; undefined if it never is */
async function refused(
  tx: WriteTransaction,
  asked: OutFileRecord,
  row: OutboxRecord,
  { reason, retry_after_ms: least = 0, ...refusal }: Refusal,
): Promise<number | undefined> {
  const key = fileKey(asked);
  const file = await get(tx, "out-file/", key);
  if (file === undefined) return undefined;
  if (isTemporary({ reason, ...refusal })) {
    const after = Math.max(least, Math.min(2 * (file.retry_after ?? FIRST_RETRY_MS / 2), LAST_RETRY_MS));
    const at = Date.now() + after;
    await put(tx, "out-file/", key, { ...file, reason, retry_at: at, retry_after: after });
    return at;
  }
  await refuseMessage(tx, row.seq, reason);
  return undefined;
}

/** A file of it will never be there: what has not left does not leave without it. */
async function refuseMessage(tx: WriteTransaction, seq: number, reason: string): Promise<void> {
  const row = await get(tx, "out/", pad(seq));
  if (row === undefined) return;
  await endFiles(tx, row);
  if (row.state !== "queued") return;
  await put(tx, "out/", pad(seq), { ...row, state: "refused", reason, updated_at: Date.now() });
}

async function hashOf(token: string): Promise<string> {
  return toBase64(new Uint8Array(await crypto.subtle.digest("SHA-256", fromBase64(token) as Uint8Array<ArrayBuffer>)));
}
