/** How a listener that follows the inbox gets on in it. */
import type { ClientStore, ReadTransaction } from "../store/store.ts";
import { find, list, pad } from "../records/records.ts";
import type { InboxRecord } from "../records/tables.ts";
import type { Tier } from "../records/tier.ts";
import { HELD_BACK } from "../trust/held.ts";
import { type Message, readMessage, trustIn } from "./message.ts";
import { endIfLate } from "./settling.ts";
import { endThese, unwantedOf } from "./unwanted.ts";

/** Messages that are read at once. */
export const AHEAD = 32;
const NONE = { claimed: [], wanted: new Set<InboxRecord>() };

interface Ready {
  row: InboxRecord;
  message: Message;
}

/** Where a listener that follows the inbox is: first what was unhandled when it began, then all that comes. */
export interface Cursor {
  waiting: string[];
  after: string;
  ready: Ready[];
  /** Another listener has them in hand, and the owner does not want them handed out: that may be over later. */
  aside: string[];
  /** The version of the store in which the owner's word on all that is `ready` was asked. */
  askedAt: string;
  heldBack: string | undefined;
  hasJumped: () => boolean;
}

export function startCursor(store: ClientStore, hasJumped: () => boolean): Promise<Cursor> {
  return store.read(async (tx) => ({
    waiting: (await tx.list({ prefix: "unhandled/" })).map(([key]) => key.slice("unhandled/".length)),
    after: pad(Number((await tx.get("meta/next-in")) ?? "1") - 1),
    ready: [],
    aside: [],
    askedAt: "",
    heldBack: undefined,
    hasJumped,
  }));
}

/** The next message behind a cursor, which it moves; undefined if there is none yet. */
export async function nextFollowed(
  store: ClientStore,
  cursor: Cursor,
  to: string,
  wanted: (row: InboxRecord) => boolean,
): Promise<Ready | undefined> {
  cursor.waiting.push(...cursor.aside.splice(0));
  for (;;) {
    if (cursor.ready.length === 0 && !(await readAhead(store, cursor, to))) return undefined;
    // Not for each message: a transaction between any two would keep what is handled from sharing one.
    if (store.version() !== cursor.askedAt) while (await askAgain(store, cursor));
    const next = cursor.ready.shift();
    if (next === undefined || !wanted(next.row)) continue;
    if (!(await endIfLate(store, next.row, cursor.hasJumped))) return next;
  }
}

/** @returns whether something was written, which has taken its time */
async function askAgain(store: ClientStore, cursor: Cursor): Promise<boolean> {
  const unwanted = await store.read(async (tx) => {
    const rows = cursor.ready.map(({ row }) => row);
    const isGone = await asked(store, cursor, tx);
    await renewTrust(tx, cursor.ready);
    return unwantedOf(tx, rows, isGone);
  });
  return drop(store, cursor, unwanted);
}

/** Remembers in the transaction itself as of when the owner's word is. @returns whether messages have left the inbox since the last time */
async function asked(store: ClientStore, cursor: Cursor, tx: ReadTransaction): Promise<boolean> {
  const heldBack = (await tx.get(HELD_BACK)) as string | undefined;
  const isGone = heldBack !== cursor.heldBack;
  cursor.askedAt = store.version();
  cursor.heldBack = heldBack;
  return isGone;
}

async function renewTrust(tx: ReadTransaction, ready: Ready[]): Promise<void> {
  const tiers = new Map<string, Tier>();
  for (const one of ready) {
    const sender = `${one.row.from}/${one.row.identity_key}`;
    const trust = tiers.get(sender) ?? (await trustIn(tx, one.row));
    tiers.set(sender, trust);
    if (trust !== one.message.trust) one.message = { ...one.message, trust };
  }
}

async function drop(store: ClientStore, cursor: Cursor, unwanted: Set<InboxRecord>): Promise<boolean> {
  const open = [...unwanted].filter(({ state }) => state === "unhandled");
  const { claimed, wanted } = open.length === 0 ? NONE : await endThese(store, open);
  cursor.ready = cursor.ready.filter(({ row }) => !unwanted.has(row) || wanted.has(row));
  cursor.aside.push(...claimed);
  return open.length > 0;
}

/** @returns whether there was anything behind the cursor */
async function readAhead(store: ClientStore, cursor: Cursor, to: string): Promise<boolean> {
  const { found, unwanted } = await store.read(async (tx) => {
    await asked(store, cursor, tx);
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
