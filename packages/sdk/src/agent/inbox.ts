/** Looks into the inbox. Nothing is consumed by them. */
import { find, list, pad, rowsUnder } from "../records/records.ts";
import type { InboxRecord } from "../records/tables.ts";
import type { ClientStore } from "../store/store.ts";
import { parseName } from "./address.ts";
import type { Conversations } from "./conversations.ts";
import { type InboxEntry, readEntry, rowByLocalId } from "./message.ts";
import { endIfLate, lateness } from "./settling.ts";
import { idMeantBy } from "./short-ids.ts";
import { wordOn } from "./unwanted.ts";

/** A message that nobody has handled yet. */
export type Pending = InboxEntry & {
  /** Somebody who takes turns with others works on it just now. */
  readonly inWork: boolean;
};

export interface PendingOptions {
  /** Only behind the message of this id. */
  after?: string | undefined;
  /** Only of this sender. */
  from?: string | undefined;
  /** Default 32. */
  limit?: number | undefined;
  /** False: each body is empty, and not read, since many of them may be large. */
  bodies?: boolean | undefined;
  /** Only those whose senders wait for a reply. */
  expectsReply?: true | undefined;
}

/** Which messages of the inbox are looked at. */
export interface InboxOptions {
  /** So many at most, the newest. */
  last?: number;
  /** Only those that had come before the message of this id. */
  before?: string;
}

/** Messages that have come, oldest first. @throws AgentError unknown_message */
export function listInbox(store: ClientStore, to: string, { last, before }: InboxOptions): Promise<InboxEntry[]> {
  return store.read(async (tx) => {
    const entries: InboxEntry[] = [];
    const after = before === undefined ? {} : { after: pad((await rowByLocalId(tx, before)).seq) };
    const rows = await list(tx, "in/", { reverse: true, ...after, ...(last === undefined ? {} : { limit: last }) });
    for (const row of rows.toSorted((a, b) => a.seq - b.seq)) entries.push(await readEntry(tx, row, to));
    return entries;
  });
}

/** A message by our id. @throws AgentError unknown_message */
export function readById(store: ClientStore, to: string, id: string): Promise<{ row: InboxRecord; entry: InboxEntry }> {
  return store.read(async (tx) => {
    // Whoever works on it is another one.
    const { claim: _claim, ...row } = await rowByLocalId(tx, id);
    return { row, entry: await readEntry(tx, row, to) };
  });
}

/** The id of a message by its beginning. @throws AgentError usage if it is the beginning of several */
export async function inboxIdOf(store: ClientStore, typed: string): Promise<string> {
  const ids = await store.read((tx) => tx.list({ prefix: `in-id/${typed}` }));
  return idMeantBy(
    typed,
    ids.map(([key]) => key.slice("in-id/".length)),
  );
}

export async function listPending(
  store: ClientStore,
  to: string,
  { after, from, limit = 32, bodies = true, expectsReply }: PendingOptions,
  hasJumped: () => boolean,
  conversations: Conversations,
): Promise<Pending[]> {
  const among = expectsReply === true ? await conversations.asking() : undefined;
  const sender = from === undefined ? undefined : parseName(from);
  const late: InboxRecord[] = [];
  const found = await store.read(async (tx) => {
    const begun = after === undefined ? undefined : `unhandled/${pad((await rowByLocalId(tx, after)).seq)}`;
    const entries: Pending[] = [];
    for await (const [key] of rowsUnder(tx, "unhandled/", begun)) {
      if (among?.has(Number(key.slice("unhandled/".length))) === false) continue;
      const row = await find(tx, "in/", key.slice("unhandled/".length));
      // A reply is for its asker.
      if (row === undefined || row.answers !== undefined || (sender !== undefined && row.from !== sender)) continue;
      if ((await wordOn(tx, row)) !== "give") continue;
      if (lateness(row, hasJumped) !== undefined) late.push(row);
      else entries.push({ ...(await readEntry(tx, row, to, bodies)), inWork: (row.claim?.until ?? 0) > Date.now() });
      if (entries.length === limit) break;
    }
    return entries;
  });
  // Where nothing can be written, that is for later.
  for (const row of late) await endIfLate(store, row, hasJumped).catch(() => undefined);
  return found;
}
