import { fromUtf8 } from "../protocol/index.ts";
import type { ClientStore, ReadTransaction, WriteTransaction } from "../store/store.ts";
import { emptyReceipt, find, get, type InboxRecord, isReceipt, list, pad, put, toBytes } from "./records.ts";

/** A message that has arrived. It stays unhandled, and is shown again after a restart, until `handled` or `failed`. */
export interface Message {
  readonly id: string;
  readonly from: string;
  readonly to: string;
  /** The body as text. Not valid UTF-8: "" (see `bytes`). */
  readonly body: string;
  readonly bytes: Uint8Array;
  readonly contentType: string;
  /** The sender's clock, Unix milliseconds. */
  readonly sentAt: number;
  /** Our clock, Unix milliseconds. */
  readonly receivedAt: number;
  /** It waited at the relay until we came. */
  readonly offline: boolean;
  /** The sender's fingerprint had been verified when it came. */
  readonly verified: boolean;
  readonly replyTo: string | undefined;
  readonly thread: string | undefined;
  readonly expiresAt: number | undefined;
  /** How often it has been given to a listener that shares, this time included; 0 for one that does not. */
  readonly attempt: number;
}

/** An entry of the inbox as `inbox` shows it. Its body is empty once it is deleted. */
export type InboxEntry = Message & { readonly state: InboxRecord["state"] };

export async function readMessage(tx: ReadTransaction, row: InboxRecord, to: string): Promise<Message> {
  const bytes = toBytes((await tx.get(`in-body/${pad(row.seq)}`)) ?? "");
  return {
    id: row.id,
    from: row.from_name,
    to,
    body: fromUtf8(bytes) ?? "",
    bytes,
    contentType: row.content_type,
    sentAt: row.sent_at,
    receivedAt: row.received_at,
    offline: row.offline,
    verified: row.verified,
    replyTo: row.reply_to,
    thread: row.thread,
    expiresAt: row.expires_at,
    attempt: row.attempts ?? 0,
  };
}

/** Settles a message: its sender hears of it by the next receipt. Repeating it does nothing. */
export async function settleMessage(store: ClientStore, seq: number, failure?: string): Promise<void> {
  await store.write(async (tx) => {
    const row = await get(tx, "in/", pad(seq));
    if (row?.state === "unhandled") await settleRow(tx, row, failure);
  });
}

/** What keeps a message from being given out for `delay` milliseconds. */
export function notBefore(delay: number): Required<Pick<InboxRecord, "retry_at" | "retry_after">> {
  return { retry_at: Date.now() + delay, retry_after: delay };
}

/** Its handler has failed for now: it is given out again after `delay` milliseconds. */
export async function retryMessage(store: ClientStore, seq: number, reason: string, delay: number): Promise<void> {
  await store.write(async (tx) => {
    const row = await get(tx, "in/", pad(seq));
    if (row?.state !== "unhandled") return;
    const { claim: _claim, ...rest } = row;
    await put(tx, "in/", pad(seq), { ...rest, reason: reason.slice(0, 1000), ...notBefore(delay) });
  });
}

/** Settles everything that is not handled. */
export async function failAllWaiting(store: ClientStore, reason: string): Promise<void> {
  await store.write(async (tx) => {
    for (const [key] of await tx.list({ prefix: "unhandled/" })) {
      const row = await get(tx, "in/", key.slice("unhandled/".length));
      if (row?.state === "unhandled") await settleRow(tx, row, reason);
    }
  });
}

async function settleRow(tx: WriteTransaction, row: InboxRecord, failure: string | undefined): Promise<void> {
  const { claim: _claim, retry_at: _at, retry_after: _after, reason: _reason, ...rest } = row;
  // What came too late interests nobody any more.
  if (failure !== undefined && failure !== "expired") await tx.put(`dead/${pad(row.seq)}`, "");
  await put(tx, "in/", pad(row.seq), {
    ...rest,
    state: failure === undefined ? "handled" : "failed",
    settled_at: Date.now(),
    ...(failure === undefined ? {} : { reason: failure }),
  });
  await tx.delete(`unhandled/${pad(row.seq)}`);
  const waiting = await find(tx, "receipt/", row.from);
  // One that cannot be read is nobody's to repair here, and must not keep this message from being settled.
  const receipt = waiting !== undefined && isReceipt(waiting) ? waiting : emptyReceipt();
  if (failure === undefined) receipt.handled.push(row.id);
  else receipt.failed.push({ id: row.id, reason: failure.slice(0, 1000) });
  await put(tx, "receipt/", row.from, receipt);
}

/** Messages that are read at once. */
export const AHEAD = 32;

/** Where a listener that follows the inbox is: first what was unhandled when it began, then all that comes. */
export interface Cursor {
  waiting: string[];
  after: string;
  ready: { row: InboxRecord; message: Message }[];
}

export function startCursor(store: ClientStore): Promise<Cursor> {
  return store.read(async (tx) => ({
    waiting: (await tx.list({ prefix: "unhandled/" })).map(([key]) => key.slice("unhandled/".length)),
    after: pad(Number((await tx.get("meta/next-in")) ?? "1") - 1),
    ready: [],
  }));
}

/** The next message behind a cursor, which it moves; undefined if there is none yet. */
export async function nextFollowed(
  store: ClientStore,
  cursor: Cursor,
  to: string,
  wanted: (row: InboxRecord) => boolean,
): Promise<{ row: InboxRecord; message: Message } | undefined> {
  for (;;) {
    if (cursor.ready.length === 0 && !(await readAhead(store, cursor, to))) return undefined;
    const next = cursor.ready.shift();
    if (next !== undefined && wanted(next.row) && !(await endIfExpired(store, next.row))) return next;
  }
}

/** @returns whether there was anything behind the cursor */
function readAhead(store: ClientStore, cursor: Cursor, to: string): Promise<boolean> {
  return store.read(async (tx) => {
    const first = cursor.waiting.splice(0, AHEAD);
    const rows = first.length === 0 ? await list(tx, "in/", { after: cursor.after, limit: AHEAD }) : [];
    for (const seq of first) {
      const row = await find(tx, "in/", seq);
      if (row !== undefined) rows.push(row);
    }
    if (first.length === 0) cursor.after = pad(rows.at(-1)?.seq ?? Number(cursor.after));
    for (const row of rows) cursor.ready.push({ row, message: await readMessage(tx, row, to) });
    return rows.length > 0 || first.length > 0;
  });
}

/** Settles what came too late. @returns whether it did */
export async function endIfExpired(store: ClientStore, row: InboxRecord): Promise<boolean> {
  if (row.state !== "unhandled" || row.expires_at === undefined || row.expires_at > Date.now()) return false;
  await settleMessage(store, row.seq, "expired");
  return true;
}

/** Deletes everything: the agent is gone. */
export async function erase(store: ClientStore): Promise<void> {
  await store.write(async (tx) => {
    for (const [key] of await tx.list({ prefix: "" })) await tx.delete(key);
  });
}
