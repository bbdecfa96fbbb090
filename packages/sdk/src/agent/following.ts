/** How a listener that follows the inbox gets on in it. */
import type { ClientStore } from "../store/store.ts";
import { find, list, pad } from "../records/records.ts";
import type { InboxRecord } from "../records/tables.ts";
import { type Message, readMessage } from "./message.ts";
import { endIfLate } from "./settling.ts";
import { endThese, unwantedNow, unwantedOf } from "./unwanted.ts";
import type { Changes } from "./waiting.ts";

/** Messages that are read at once. */
export const AHEAD = 32;

/** Where a listener that follows the inbox is: first what was unhandled when it began, then all that comes. */
export interface Cursor {
  waiting: string[];
  after: string;
  ready: { row: InboxRecord; message: Message }[];
  changes: Pick<Changes, "count">;
  /** How many changes there were when the owner's word on all that is `ready` was asked. */
  askedAt: number;
  hasJumped: () => boolean;
}

export function startCursor(store: ClientStore, hasJumped: () => boolean, changes: Cursor["changes"]): Promise<Cursor> {
  return store.read(async (tx) => ({
    waiting: (await tx.list({ prefix: "unhandled/" })).map(([key]) => key.slice("unhandled/".length)),
    after: pad(Number((await tx.get("meta/next-in")) ?? "1") - 1),
    ready: [],
    changes,
    askedAt: -1,
    hasJumped,
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
    if (cursor.changes.count !== cursor.askedAt) await askAgain(store, cursor);
    const next = cursor.ready.shift();
    if (next === undefined || !wanted(next.row)) continue;
    if (!(await endIfLate(store, next.row, cursor.hasJumped))) return next;
  }
}

/** Not for each message: a transaction between any two would keep what is handled from sharing one. */
async function askAgain(store: ClientStore, cursor: Cursor): Promise<void> {
  const rows = cursor.ready.map(({ row }) => row);
  const unwanted = await store.read((tx) => {
    asked(cursor);
    return unwantedNow(tx, rows);
  });
  await drop(store, cursor, unwanted);
}

/** Remembers in the transaction itself how many changes there were: it may have waited for others. */
function asked(cursor: Cursor): void {
  cursor.askedAt = cursor.changes.count;
}

async function drop(store: ClientStore, cursor: Cursor, unwanted: Set<InboxRecord>): Promise<void> {
  if (unwanted.size === 0) return;
  cursor.ready = cursor.ready.filter(({ row }) => !unwanted.has(row));
  await endThese(store, unwanted);
}

/** @returns whether there was anything behind the cursor */
async function readAhead(store: ClientStore, cursor: Cursor, to: string): Promise<boolean> {
  const { found, unwanted } = await store.read(async (tx) => {
    asked(cursor);
    const first = cursor.waiting.splice(0, AHEAD);
    const rows = first.length === 0 ? await list(tx, "in/", { after: cursor.after, limit: AHEAD }) : [];
    for (const seq of first) {
      const row = await find(tx, "in/", seq);
      if (row !== undefined) rows.push(row);
    }
    if (first.length === 0) cursor.after = pad(rows.at(-1)?.seq ?? Number(cursor.after));
    for (const row of rows) cursor.ready.push({ row, message: await readMessage(tx, row, to) });
    return { found: rows.length > 0 || first.length > 0, unwanted: await unwantedOf(tx, rows) };
  });
  await drop(store, cursor, unwanted);
  return found;
}
