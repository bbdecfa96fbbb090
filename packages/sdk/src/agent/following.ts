/** How a listener that follows the inbox gets on in it. */
import type { ClientStore } from "../store/store.ts";
import { find, list, pad } from "../records/records.ts";
import type { InboxRecord } from "../records/tables.ts";
import { type Message, readMessage } from "./message.ts";
import { endIfLate } from "./settling.ts";
import { endUnwantedOf } from "./unwanted.ts";
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
    if (cursor.changes.count !== cursor.askedAt) await dropUnwanted(store, cursor);
    const next = cursor.ready.shift();
    if (next === undefined || !wanted(next.row)) continue;
    if (!(await endIfLate(store, next.row, cursor.hasJumped))) return next;
  }
}

/** Not for each message: a transaction between any two would keep what is handled from sharing one. */
async function dropUnwanted(store: ClientStore, cursor: Cursor): Promise<void> {
  cursor.askedAt = cursor.changes.count;
  const ended = await endUnwantedOf(
    store,
    cursor.ready.map(({ row }) => row),
  );
  if (ended.size > 0) cursor.ready = cursor.ready.filter(({ row }) => !ended.has(row.seq));
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
    cursor.askedAt = -1;
    if (first.length === 0) cursor.after = pad(rows.at(-1)?.seq ?? Number(cursor.after));
    for (const row of rows) cursor.ready.push({ row, message: await readMessage(tx, row, to) });
    return rows.length > 0 || first.length > 0;
  });
}
