import type { DatabaseSync } from "node:sqlite";
import { type DeliveryKind, usernameKey } from "@aimessage/sdk/protocol";
import type { Addresses } from "./addresses.ts";
import { BoundedMap } from "../bounded-map.ts";
import type { Bodies } from "./bodies.ts";
import { sizeOf } from "../decisions/room.ts";
import type { Swept } from "../decisions/tables.ts";
import type { NewEntry, Payer, Room, RoomKind } from "../decisions/work.ts";
import { CountedRoom } from "./room.ts";
import { entryFrom, type EntryFields, SWEPT_COLUMNS, type SweptFields, sweptFrom } from "../entry-rows.ts";
import type { Body, Entry } from "../store.ts";

export interface EntryRow extends EntryFields {
  message: string;
  session_id: string | null;
  stranger: number | null;
  /** Of the body. */
  text: string | null;
}
type SizeArray = [
  sender: string,
  kind: DeliveryKind,
  bytes: number,
  stranger: number | null,
  address: number | null,
  body: number | null,
  from: string,
];
/** What is needed to give back what an entry took. */
type Charged = Pick<EntryRow, "mailbox" | "sender" | "kind" | "bytes" | "stranger" | "address" | "from_name">;

type Usage = Record<RoomKind, CountedRoom>;

const GROUP_ID_LENGTH = 64;

/** Of a mailbox that is yet to be made. */
const EMPTY: Room = new CountedRoom();

export type Mail = ReturnType<typeof mailTable>;

/** The mailboxes' entries, and how full each mailbox is. */
export function mailTable(db: DatabaseSync, addresses: Addresses, bodies: Bodies, announce: (entry: Entry) => void) {
  const insert = db.prepare(
    `INSERT INTO entries (mailbox, sender, from_name, device, kind, message, session_id, group_id, epoch, message_id,
      expires_at, stored_at, bytes, status, reason, unknown, stranger, address, pos, body)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  // SQLite makes a new program for each value that a bare `LIMIT ?` is given.
  const select = db.prepare(
    `SELECT e.*, b.text FROM entries e LEFT JOIN bodies b ON b.body = e.body
      WHERE mailbox = ? AND seq > ? AND seq <= ? ORDER BY seq LIMIT ? + 0`,
  );
  // Read as arrays, and then deleted: RETURNING fills a table of its own first, which takes twice as long.
  const sizesUpTo = db.prepare(
    "SELECT sender, kind, bytes, stranger, address, body, from_name FROM entries WHERE mailbox = ? AND seq <= ?",
  );
  sizesUpTo.setReturnArrays(true);
  const deleteUpTo = db.prepare("DELETE FROM entries WHERE mailbox = ? AND seq <= ?");
  const deleteOne = db.prepare("DELETE FROM entries WHERE seq = ?");
  const makeStub = db.prepare(
    "UPDATE entries SET kind = 'stub', message = ?, body = NULL, expires_at = NULL, bytes = ? WHERE seq = ?",
  );
  const exists = db.prepare("SELECT 1 FROM entries WHERE seq = ?");
  // What has expired is pushed to nobody: whoever waited for it would wait for ever. Of a message to a team a stub is.
  const highest = db.prepare(
    "SELECT seq FROM entries WHERE mailbox = ? AND (expires_at IS NULL OR expires_at > ? OR pos IS NOT NULL) ORDER BY seq DESC LIMIT 1",
  );
  const any = db.prepare("SELECT 1 FROM entries WHERE mailbox = ? LIMIT 1");
  const sums = db.prepare(
    `SELECT kind, sender, stranger, address, count(*) AS messages, sum(bytes) AS bytes FROM entries
      WHERE mailbox = ? GROUP BY kind, sender, stranger, address`,
  );
  const countUnknown = db.prepare("SELECT count(*) AS count FROM entries WHERE sender = ? AND unknown = 1");
  const known = db.prepare("UPDATE entries SET unknown = NULL WHERE mailbox = ?");
  const expired = db.prepare(
    `SELECT ${SWEPT_COLUMNS} FROM entries WHERE expires_at IS NOT NULL AND expires_at <= ? ORDER BY expires_at LIMIT ? + 0`,
  );
  const nextExpiry = db.prepare("SELECT MIN(expires_at) AS next FROM entries WHERE expires_at IS NOT NULL");
  const inMailbox = db.prepare(`SELECT ${SWEPT_COLUMNS} FROM entries WHERE mailbox = ? ORDER BY seq LIMIT ? + 0`);
  const behind = db.prepare(`SELECT ${SWEPT_COLUMNS} FROM entries WHERE seq > ? ORDER BY seq LIMIT ? + 0`);
  const bodyText = db.prepare("SELECT text FROM bodies WHERE body = ?");
  const follows = db.prepare(
    "SELECT 1 FROM entries WHERE mailbox = ? AND group_id = ? AND seq > ? AND kind = 'application' LIMIT 1",
  );
  const countAll = db.prepare("SELECT count(*) AS count FROM entries");

  const usages = new BoundedMap<number, Usage>();
  /** Bodies of messages to teams whose sender has been told that they expired. */
  const told = new BoundedMap<number, true>();

  function usage(mailbox: number): Usage {
    const known = usages.get(mailbox);
    if (known !== undefined) return known;
    const fresh: Usage = {
      application: new CountedRoom(),
      welcome: new CountedRoom(),
      commit: new CountedRoom(),
      notice: new CountedRoom(),
      group: new CountedRoom(),
    };
    for (const row of sums.all(mailbox) as unknown as (Charged & { messages: number })[])
      fresh[roomKindOf(row)].charge(payerOf(row), row.messages, row.bytes);
    usages.set(mailbox, fresh);
    return fresh;
  }

  /** Gives back what so many entries of one sender took. */
  function release(row: Charged, messages: number): void {
    addresses.chargeMail(row.address ?? undefined, accountOfRow(row), -row.bytes);
    usages.get(row.mailbox)?.[roomKindOf(row)].charge(payerOf(row), -messages, -row.bytes);
  }

  return {
    forget(): void {
      usages.clear();
      told.clear();
    },

    isFirst(body: number): boolean {
      const isFirst = !told.has(body);
      told.set(body, true);
      return isFirst;
    },

    addBody: (text: string, blobs: string[]): Body => bodies.add(text, blobs),

    room: (mailbox: number | undefined, kind: RoomKind): Room => (mailbox === undefined ? EMPTY : usage(mailbox)[kind]),

    add({ sender, account, address, stranger, unknown, ...rest }: NewEntry): number {
      const { mailbox, kind, bytes } = rest;
      addresses.chargeMail(address, account ?? sender, bytes);
      const { lastInsertRowid } = insert.run(
        mailbox,
        sender,
        rest.from,
        rest.device ?? null,
        kind,
        rest.message,
        rest.sessionId ?? null,
        rest.groupId ?? null,
        rest.epoch ?? null,
        rest.messageId,
        rest.expiresAt ?? null,
        rest.storedAt,
        bytes,
        rest.status ?? null,
        rest.reason ?? null,
        unknown === true ? 1 : null,
        stranger ? 1 : null,
        address ?? null,
        rest.pos ?? null,
        rest.body?.id ?? null,
      );
      usages.get(mailbox)?.[roomKindOf({ sender, kind })].charge({ sender, address, stranger }, 1, bytes);
      const seq = Number(lastInsertRowid);
      announce({ seq, ...rest });
      return seq;
    },

    isWaiting(_mailbox: number, seq: number): boolean {
      return exists.get(seq) !== undefined;
    },

    between(mailbox: number, after: number, upTo: number, room: { messages: number; bytes: number }) {
      const entries: Entry[] = [];
      const shared = new Map<number, Body>();
      let bytes = 0;
      // One more than fits is asked for, to know whether there is more.
      for (const row of select.iterate(mailbox, after, upTo, room.messages + 1)) {
        const entry = toEntry(row as unknown as EntryRow, shared);
        bytes += entry.bytes + (entry.body?.text.length ?? 0);
        if (entries.length === room.messages || (entries.length > 0 && bytes > room.bytes))
          return { entries, more: true };
        entries.push(entry);
      }
      return { entries, more: false };
    },

    received(mailbox: number, seq: number): number {
      const rows = sizesUpTo.all(mailbox, seq) as unknown as SizeArray[];
      if (rows.length > 0) deleteUpTo.run(mailbox, seq);
      // Mostly those of one sender stand together.
      for (let first = 0, next = 0; first < rows.length; first = next) {
        const [sender, kind, , stranger, address, , from_name] = rows[first] as SizeArray;
        let bytes = 0;
        for (let row = rows[next]; row !== undefined && row[0] === sender && row[1] === kind; row = rows[++next]) {
          if (row[3] !== stranger || row[4] !== address || row[6] !== from_name) break;
          bytes += row[2];
        }
        release({ mailbox, sender, kind, bytes, stranger, address, from_name }, next - first);
      }
      for (const [, , , , , body] of rows) if (body !== null) bodies.release(body);
      return rows.length;
    },

    nameIsKnown(mailbox: number): void {
      known.run(mailbox);
    },

    expired: (now: number, limit: number): Swept[] =>
      (expired.all(now, limit) as unknown as SweptFields[]).map(sweptFrom),

    nextExpiry: (): number => (nextExpiry.get() as { next: number | null }).next ?? Infinity,

    inMailbox: (mailbox: number, limit: number): Swept[] =>
      (inMailbox.all(mailbox, limit) as unknown as SweptFields[]).map(sweptFrom),

    /** In the order of `seq`, which is nearly that of time: behind a page of which nothing is old there is hardly anything that is. */
    storedBefore(time: number, after: number, limit: number): { old: Swept[]; next: number } {
      const page = behind.all(after, limit) as unknown as SweptFields[];
      const old = page.filter((row) => row.stored_at < time).map(sweptFrom);
      const isLast = page.length < limit || old.length === 0;
      return { old, next: isLast ? 0 : (page.at(-1)?.seq ?? 0) };
    },

    isFollowed: ({ mailbox, groupId, seq }: Swept): boolean => follows.get(mailbox, groupId ?? null, seq) !== undefined,

    bodyText: (body: number): string => (bodyText.get(body) as { text: string }).text,

    remove(entry: Swept): void {
      deleteOne.run(entry.seq);
      release(toCharged(entry), 1);
      if (entry.body !== undefined) bodies.release(entry.body);
    },

    toStub(entry: Swept, sha256: string): void {
      const row = toCharged(entry);
      release(row, 1);
      const bytes = sizeOf(sha256, undefined);
      makeStub.run(sha256, bytes, entry.seq);
      addresses.chargeMail(entry.address, accountOfRow(row), bytes);
      usages.get(entry.mailbox)?.[roomKindOf({ ...row, kind: "stub" })].charge(payerOf(row), 1, bytes);
      if (entry.body !== undefined) bodies.release(entry.body);
    },

    highWater(mailbox: number, now: number): number {
      return (highest.get(mailbox, now) as { seq: number } | undefined)?.seq ?? 0;
    },

    isEmpty(mailbox: number): boolean {
      return any.get(mailbox) === undefined;
    },

    waitingForUnknown(sender: string): number {
      return (countUnknown.get(sender) as { count: number }).count;
    },

    depth(): number {
      return (countAll.get() as { count: number }).count;
    },
  };
}

function toCharged({ mailbox, sender, from, kind, bytes, stranger, address }: Swept): Charged {
  return { mailbox, sender, from_name: from, kind, bytes, stranger: stranger ? 1 : null, address: address ?? null };
}

function payerOf({ sender, stranger, address }: Pick<EntryRow, "sender" | "stranger" | "address">): Payer {
  return { sender, stranger: stranger === 1, address: address ?? undefined };
}

/** Whose mail it is: of the relay's own words whom they are for. */
function accountOfRow({ sender, kind, from_name }: Pick<EntryRow, "sender" | "kind" | "from_name">): string {
  return kind === "notice" ? sender : usernameKey(from_name);
}

/** Of a team, where it is charged and not the one who has added its owner, entries have room of their own. */
function roomKindOf({ sender, kind }: Pick<EntryRow, "sender" | "kind">): RoomKind {
  // No name is so long as a group's id.
  if (sender.length === GROUP_ID_LENGTH) return "group";
  return kind === "direct" || kind === "stub" ? "application" : kind;
}

/** @param shared Bodies that were read with others. */
function toEntry(row: EntryRow, shared: Map<number, Body>): Entry {
  const { message, session_id, text } = row;
  return entryFrom(row, { message, sessionId: session_id ?? undefined, text }, shared);
}
