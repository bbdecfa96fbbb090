import { DAY_MS } from "../../days.ts";
import type { Swept } from "../../decisions/tables.ts";
import type { NewEntry } from "../../decisions/work.ts";
import { entryFrom, type EntryFields } from "../../entry-rows.ts";
import type { Body, Entry } from "../../store.ts";
import { tableWrites } from "./columns.ts";
import type { Send } from "./part.ts";

/** A file stays so long after the last entry that names it: whoever has acknowledged that and ended before it had the file comes again. Milliseconds. */
const KEPT_MS = DAY_MS;

/** Free text as JSON: the engine's takes neither NUL nor half a character, and JavaScript's has both. */
export interface EntryRow extends EntryFields {
  session_id: string | null;
  unknown: boolean;
  stranger: boolean;
  message: string;
}

export const entryTable = tableWrites<EntryRow>("entries", ["mailbox", "seq"], {
  mailbox: "bigint",
  seq: "bigint",
  sender: "text",
  from_name: "text",
  device: "text",
  kind: "text",
  session_id: "text",
  group_id: "text",
  epoch: "bigint",
  message_id: "text",
  expires_at: "bigint",
  stored_at: "bigint",
  bytes: "bigint",
  status: "text",
  reason: "text",
  unknown: "boolean",
  stranger: "boolean",
  address: "bigint",
  pos: "bigint",
  body: "bigint",
  message: "text",
});

export type ReceivedRow = Pick<
  EntryRow,
  "mailbox" | "seq" | "sender" | "from_name" | "kind" | "bytes" | "stranger" | "address" | "body"
> & { files: boolean | null };

/** What is about to be deleted: who gets back what. */
export const RECEIVED = `SELECT e.mailbox, e.seq, e.sender, e.from_name, e.kind, e.bytes, e.stranger, e.address, e.body, b.files
  FROM unnest($1::bigint[], $2::bigint[]) x(m, s) JOIN mailboxes own ON own.mailbox = x.m
  JOIN entries e ON e.mailbox = x.m AND e.seq > own.read_seq AND e.seq <= x.s
  LEFT JOIN bodies b ON b.body = e.body ORDER BY e.mailbox, e.seq`;

/** What a batch has made of mail. */
interface MailChanges {
  added: readonly (NewEntry & { seq: number })[];
  bodies: readonly (Body & { blobs: string[] })[];
  /** Mailboxes, and up to where they are read; where that began is in their rows still. */
  upTo: ReadonlyMap<number, number>;
  removed: readonly Swept[];
  stubs: readonly { entry: Swept; sha256: string; bytes: number }[];
  /** Mailboxes whose names are known now. */
  named: readonly number[];
  /** Bodies that lose entries, and may name files. */
  released: readonly number[];
  now: number;
}

export function entryWrites(send: Send, changes: MailChanges): void {
  const { added, bodies, upTo, removed, stubs, named, released, now } = changes;
  if (upTo.size > 0)
    send(
      `DELETE FROM entries e USING unnest($1::bigint[], $2::bigint[]) x(m, s) JOIN mailboxes own ON own.mailbox = x.m
        WHERE e.mailbox = x.m AND e.seq > own.read_seq AND e.seq <= x.s`,
      [[...upTo.keys()], [...upTo.values()]],
    );
  if (removed.length > 0)
    send(
      "DELETE FROM entries e USING unnest($1::bigint[], $2::bigint[]) x(m, s) WHERE e.mailbox = x.m AND e.seq = x.s",
      [removed.map(({ mailbox }) => mailbox), removed.map(({ seq }) => seq)],
    );
  if (stubs.length > 0)
    send(
      `UPDATE entries e SET kind = 'stub', message = x.t, body = NULL, expires_at = NULL, bytes = x.b
        FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::bigint[]) x(m, s, t, b) WHERE e.mailbox = x.m AND e.seq = x.s`,
      [
        stubs.map(({ entry }) => entry.mailbox),
        stubs.map(({ entry }) => entry.seq),
        stubs.map(({ sha256 }) => JSON.stringify(sha256)),
        stubs.map(({ bytes }) => bytes),
      ],
    );
  if (named.length > 0) send("UPDATE entries SET unknown = false WHERE mailbox = ANY ($1::bigint[])", [named]);
  if (bodies.length > 0)
    send("INSERT INTO bodies (body, text, files) SELECT * FROM unnest($1::bigint[], $2::text[], $3::boolean[])", [
      bodies.map(({ id }) => id),
      bodies.map(({ text }) => text),
      bodies.map(({ blobs }) => blobs.length > 0),
    ]);
  if (added.length > 0) send(...entryTable.insert(added.map(toRow)));
  if (released.length > 0) releaseFiles(send, released, now);
}

/** Files are held by nothing that is there any more, and go as those that expire. Two that delete the last entries at once wait for each other. */
function releaseFiles(send: Send, bodies: readonly number[], now: number): void {
  send("SELECT 1 FROM bodies WHERE body = ANY ($1::bigint[]) AND files ORDER BY body FOR UPDATE", [bodies]);
  send(
    `UPDATE blobs SET held = -held, expires_at = $2::bigint WHERE held = ANY ($1::bigint[])
      AND NOT EXISTS (SELECT 1 FROM entries e WHERE e.body = held)`,
    [bodies, now + KEPT_MS],
  );
}

function toRow(entry: NewEntry & { seq: number }): EntryRow {
  return {
    mailbox: entry.mailbox,
    seq: entry.seq,
    sender: entry.sender,
    from_name: entry.from,
    device: entry.device ?? null,
    kind: entry.kind,
    session_id: entry.sessionId === undefined ? null : JSON.stringify(entry.sessionId),
    group_id: entry.groupId ?? null,
    epoch: entry.epoch ?? null,
    message_id: entry.messageId,
    expires_at: entry.expiresAt ?? null,
    stored_at: entry.storedAt,
    bytes: entry.bytes,
    status: entry.status ?? null,
    reason: entry.reason ?? null,
    unknown: entry.unknown === true,
    stranger: entry.stranger,
    address: entry.address ?? null,
    pos: entry.pos ?? null,
    body: entry.body?.id ?? null,
    message: JSON.stringify(entry.message),
  };
}

/** @param shared Bodies that were read with others. */
export function toEntry(row: EntryRow & { text: string | null }, shared: Map<number, Body>): Entry {
  const { message, session_id, text } = row;
  const sessionId = session_id === null ? undefined : (JSON.parse(session_id) as string);
  return entryFrom(row, { message: JSON.parse(message) as string, sessionId, text }, shared);
}
