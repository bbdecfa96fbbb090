/** The link's half of files that are sent: it asks the relay for room, and has it delete what nobody needs any more. */
import { fromBase64, type RelayFrameData, toBase64 } from "../protocol/index.ts";
import { readAddress } from "../records/addresses.ts";
import type { OutFileRecord } from "../records/file-records.ts";
import {
  askLater,
  blobLength,
  dropBlob,
  endFiles,
  fileKey,
  LAST_RETRY_MS,
  nextRetry,
  sendAnew,
} from "../records/files.ts";
import { hasLeft, isFinal } from "../records/outbox-records.ts";
import { find, pad, put } from "../records/records.ts";
import type { OutboxRecord } from "../records/tables.ts";
import type { ClientStore, ReadTransaction, WriteTransaction } from "../store/store.ts";
import { takeBack } from "../trust/standing.ts";
import { type Connection, isTemporary, type Refusal } from "../wire/connection.ts";

/** Asked for in one go. */
const AT_ONCE = 32;
/** A file is kept for so long after its message has expired: it may be fetched still. Milliseconds. */
const AFTER_MS = 86_400_000;
const ASK = "blob/ask/";
const LATER = "blob/later/";
const DROP = "blob/drop/";

/** What a relay answers that has room for a file. */
type Place = Pick<RelayFrameData<"ack">, "piece_bytes" | "expires_at"> & { blob: string; token: string };

/** An answer that says nothing is as none. */
const NO_ANSWER: Refusal = {
  code: 500,
  reason: "relay_unreachable",
  message: "the relay does not say where a file is to be brought",
};

/** A file that waits for room, and its message. */
interface Waiting {
  file: OutFileRecord;
  row: OutboxRecord;
}

/** A blob that nobody needs, and how long that was put off last. Milliseconds. */
interface Drop {
  blob: string;
  before: number | undefined;
}

/** What is to be asked: keys that are seen to by that, the places of their files, those that want room, and blobs that nobody needs. */
interface Work {
  keys: string[];
  places: Set<string>;
  wanted: Waiting[];
  drops: Drop[];
}

/** How long it is until the relay is to be asked for something. Milliseconds; Infinity: until the next change. */
export async function untilAsk(tx: ReadTransaction): Promise<number> {
  for (const prefix of [ASK, DROP]) if ((await tx.list({ prefix, limit: 1 })).length > 0) return 0;
  const [first] = await tx.list({ prefix: LATER, limit: 1 });
  if (first === undefined) return Infinity;
  const now = Date.now();
  return isDue(first[0], now) ? 0 : timeOf(first[0]) - now;
}

/** Sees to what waits under `blob/ask/`, `blob/later/` and `blob/drop/`. @throws AgentError relay_unreachable */
export async function askForBlobs(store: ClientStore, connection: Connection): Promise<void> {
  const { keys, places, wanted: waiting, drops } = await store.read(look);
  const unknown = await unknownNames(store, connection, waiting);
  const wanted = waiting.filter(({ row }) => !unknown.has(row.to));
  // However far the relay is, all of it takes one way there and back.
  const [answers, dropped] = await Promise.all([
    Promise.all(wanted.map((one) => askForRoom(connection, one))),
    Promise.all(drops.map(({ blob }) => connection.ask("blob_delete", { blob }))),
  ]);
  if (keys.length + drops.length === 0) return;
  await store.write(async (tx) => {
    for (const key of keys) await tx.delete(key);
    for (const { row } of waiting) if (unknown.has(row.to)) await refuseMessage(tx, row.seq, "unknown_user");
    for (const name of unknown) await takeBack(tx, name);
    const answered = new Set<string>();
    for (const [index, answer] of answers.entries()) {
      const { file, row } = wanted[index] as Waiting;
      const place = "refusal" in answer ? undefined : placeIn(answer.frame.data as RelayFrameData<"ack">);
      if (place !== undefined) await given(tx, file, place);
      else await refused(tx, { file, row }, "refusal" in answer ? answer.refusal : NO_ANSWER);
      answered.add(file.request_id);
    }
    // What was begun anew meanwhile is asked for by itself.
    for (const at of places) {
      const now = await waitingAt(tx, at);
      if (now !== undefined && !answered.has(now.file.request_id)) await tx.put(ASK + at, "");
    }
    for (const [index, answer] of dropped.entries()) {
      const { blob, before } = drops[index] as Drop;
      await tx.delete(DROP + blob);
      // One that the relay does not know is gone already.
      if (!("refusal" in answer) || !isTemporary(answer.refusal)) continue;
      const wait = nextRetry({ before, least: answer.refusal.retry_after_ms });
      await askLater(tx, `drop/${blob}`, { wait, before: wait });
    }
  });
}

/** Of those to whom nothing has ever been sent, the names that the relay does not know: a mistyped one need not cost a whole upload. */
async function unknownNames(
  store: ClientStore,
  connection: Connection,
  waiting: readonly Waiting[],
): Promise<Set<string>> {
  const names = new Set(waiting.map(({ row }) => row.to).filter((to) => readAddress(to).kind === "pair"));
  await store.read(async (tx) => {
    for (const name of names) if ((await find(tx, "contact/", name)) !== undefined) names.delete(name);
  });
  const unknown = new Set<string>();
  const ask = async (username: string): Promise<void> => {
    const answer = await connection.ask("lookup", { username });
    if ("refusal" in answer && answer.refusal.reason === "unknown_user") unknown.add(username);
  };
  await Promise.all([...names].map(ask));
  return unknown;
}

/** What is to be asked now. */
async function look(tx: ReadTransaction): Promise<Work> {
  const now = Date.now();
  const rows = new Map(await tx.list({ prefix: LATER, limit: AT_ONCE }));
  const due = [...rows.keys()].filter((key) => isDue(key, now));
  const asks = (await tx.list({ prefix: ASK, limit: AT_ONCE })).map(([key]) => key);
  const places = new Set([...asks, ...due.filter((key) => !key.includes("/drop/"))].map(placeOf));
  const wanted: Waiting[] = [];
  for (const at of places) {
    const one = await waitingAt(tx, at);
    if (one !== undefined) wanted.push(one);
  }
  const drops = new Map<string, Drop>();
  for (const [key] of await tx.list({ prefix: DROP, limit: AT_ONCE })) {
    const blob = key.slice(DROP.length);
    drops.set(blob, { blob, before: undefined });
  }
  for (const key of due.filter((each) => each.includes("/drop/"))) {
    const blob = key.slice(key.lastIndexOf("/") + 1);
    drops.set(blob, { blob, before: Number(rows.get(key)) || undefined });
  }
  return {
    keys: [...asks, ...due],
    places,
    wanted,
    drops: [...drops.values()],
  };
}

/** One that is so far ahead is of a clock that was wrong. */
function isDue(key: string, now: number): boolean {
  return timeOf(key) <= now || timeOf(key) > now + LAST_RETRY_MS;
}

function timeOf(key: string): number {
  return Number(key.slice(LATER.length, key.indexOf("/", LATER.length)));
}

/** The last two parts of a key: a file's place. */
function placeOf(key: string): string {
  return key.split("/").slice(-2).join("/");
}

/** A file that waits for room still; one that has its token has it. */
async function waitingAt(tx: ReadTransaction, at: string): Promise<Waiting | undefined> {
  const file = await find(tx, "out-file/", at);
  const row = file === undefined ? undefined : await find(tx, "out/", pad(file.seq));
  if (file?.state !== "waits" || file.token !== undefined || row === undefined) return undefined;
  return file.resent === true || !isFinal(row.state) ? { file, row } : undefined;
}

async function askForRoom(
  connection: Connection,
  { file, row }: Waiting,
): Promise<Awaited<ReturnType<Connection["ask"]>>> {
  return connection.ask("blob", {
    request_id: file.request_id,
    bytes: blobLength(file),
    readers: file.readers ?? 1,
    read_hash: await hashOf(file.read_token),
    ...(row.expires_at === undefined ? {} : { ttl_ms: Math.max(1, row.expires_at - Date.now()) + AFTER_MS }),
  });
}

/** Where a file is to be brought; undefined if the relay does not say so. */
function placeIn({ blob, token, ...more }: RelayFrameData<"ack">): Place | undefined {
  return blob === undefined || token === undefined ? undefined : { blob, token, ...more };
}

/** The relay has room for it. */
async function given(tx: WriteTransaction, asked: OutFileRecord, place: Place): Promise<void> {
  const key = fileKey(asked);
  const file = await find(tx, "out-file/", key);
  const { blob, token, piece_bytes, expires_at } = place;
  // It was begun anew meanwhile, and asks for room of its own, or has ended.
  if (file?.request_id !== asked.request_id || file.state !== "waits") return dropBlob(tx, { blob });
  // The relay does not know the one any more of which something was sent.
  if (file.blob !== undefined && file.blob !== blob) {
    await dropBlob(tx, { blob });
    return void (await sendAnew(tx, file));
  }
  // How much goes at once is what the relay says now.
  const { reason: _reason, retry_after: _after, piece_bytes: _before, ...rest } = file;
  await put(tx, "out-file/", key, {
    ...rest,
    blob,
    token,
    ...(piece_bytes === undefined ? {} : { piece_bytes }),
    ...(expires_at === undefined ? {} : { expires_at }),
  });
  await tx.put(`blob/up/${key}`, "");
}

async function refused(
  tx: WriteTransaction,
  { file: asked, row }: Waiting,
  { reason, retry_after_ms: least, ...refusal }: Refusal,
): Promise<void> {
  const key = fileKey(asked);
  const file = await find(tx, "out-file/", key);
  if (file?.request_id !== asked.request_id || file.state !== "waits") return;
  if (!isTemporary({ reason, ...refusal })) return refuseMessage(tx, row.seq, reason);
  const after = nextRetry({ before: file.retry_after, least });
  await put(tx, "out-file/", key, { ...file, reason, retry_after: after });
  await askLater(tx, key, { wait: after });
}

/** A file of it will never be there: what has not left does not leave without it. */
async function refuseMessage(tx: WriteTransaction, seq: number, reason: string): Promise<void> {
  const row = await find(tx, "out/", pad(seq));
  if (row === undefined) return;
  const isOver = row.state === "queued" && !hasLeft(row);
  await endFiles(tx, row, { all: isOver, reason: isOver ? undefined : reason });
  if (isOver) await put(tx, "out/", pad(seq), { ...row, state: "refused", reason, updated_at: Date.now() });
}

async function hashOf(token: string): Promise<string> {
  return toBase64(new Uint8Array(await crypto.subtle.digest("SHA-256", fromBase64(token) as Uint8Array<ArrayBuffer>)));
}
