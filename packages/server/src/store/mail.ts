import type { DatabaseSync } from "node:sqlite";
import type { DeliveryKind } from "@aimessage/sdk/protocol";
import type { Addresses } from "./addresses.ts";
import { BoundedMap } from "./bounded-map.ts";
import { charge, emptyRoom, fits, held, isCrowded, type Payer, type Room } from "./room.ts";
import type { Entry, StoreLimits } from "./store.ts";

/** What an entry takes up beside its message: names, ids and indexes, roughly. */
const OVERHEAD_BYTES = 200;

export interface EntryRow {
  seq: number;
  mailbox: number;
  sender: string;
  from_name: string;
  device: string | null;
  kind: DeliveryKind;
  message: string;
  session_id: string | null;
  group_id: string | null;
  epoch: number | null;
  message_id: string;
  expires_at: number | null;
  stored_at: number;
  bytes: number;
  status: Entry["status"] | null;
  reason: string | null;
  stranger: number | null;
  address: number | null;
}
type SizeArray = [sender: string, kind: DeliveryKind, bytes: number, stranger: number | null, address: number | null];
type Size = Pick<EntryRow, "mailbox" | "sender" | "kind" | "bytes" | "stranger" | "address">;

export type NewEntry = Omit<Entry, "seq" | "bytes" | "storedAt"> &
  Payer & {
    /** Nobody has registered the recipient's name. */
    unknown?: boolean;
  };

/** Each kind has room of its own. */
type Usage = Record<DeliveryKind, Room>;

/** Welcomes of one sender that may wait, and commits of a peer for which there is room however many others send. */
const WELCOMES = 16;
const COMMITS = 4;

export type Mail = ReturnType<typeof mailTable>;

/** The mailboxes' entries, and how full each mailbox is. */
export function mailTable(
  db: DatabaseSync,
  limits: StoreLimits,
  clock: () => number,
  addresses: Addresses,
  announce: (entry: Entry) => void,
) {
  const insert = db.prepare(
    `INSERT INTO entries (mailbox, sender, from_name, device, kind, message, session_id, group_id, epoch, message_id,
      expires_at, stored_at, bytes, status, reason, unknown, stranger, address)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const select = db.prepare("SELECT * FROM entries WHERE mailbox = ? AND seq > ? AND seq <= ? ORDER BY seq LIMIT ?");
  // Read as arrays, and then deleted: RETURNING fills a table of its own first, which takes twice as long.
  const sizesUpTo = db.prepare(
    "SELECT sender, kind, bytes, stranger, address FROM entries WHERE mailbox = ? AND seq <= ?",
  );
  sizesUpTo.setReturnArrays(true);
  const deleteUpTo = db.prepare("DELETE FROM entries WHERE mailbox = ? AND seq <= ?");
  const deleteOne = db.prepare("DELETE FROM entries WHERE seq = ?");
  const exists = db.prepare("SELECT 1 FROM entries WHERE seq = ?");
  // What has expired is pushed to nobody: whoever waited for it would wait for ever.
  const highest = db.prepare(
    "SELECT seq FROM entries WHERE mailbox = ? AND (expires_at IS NULL OR expires_at > ?) ORDER BY seq DESC LIMIT 1",
  );
  const any = db.prepare("SELECT 1 FROM entries WHERE mailbox = ? LIMIT 1");
  const sums = db.prepare(
    `SELECT kind, sender, stranger, address, count(*) AS messages, sum(bytes) AS bytes FROM entries
      WHERE mailbox = ? GROUP BY kind, sender, stranger, address`,
  );
  const countUnknown = db.prepare("SELECT count(*) AS count FROM entries WHERE sender = ? AND unknown = 1");
  const countAll = db.prepare("SELECT count(*) AS count FROM entries");

  const usages = new BoundedMap<number, Usage>();

  function usage(mailbox: number): Usage {
    const known = usages.get(mailbox);
    if (known !== undefined) return known;
    const fresh: Usage = {
      application: emptyRoom(),
      welcome: emptyRoom(),
      commit: emptyRoom(),
      notice: emptyRoom(),
    };
    for (const row of sums.all(mailbox) as unknown as (Size & { messages: number })[])
      charge(fresh[row.kind], payerOf(row), row.messages, row.bytes);
    usages.set(mailbox, fresh);
    return fresh;
  }

  /** Gives back what so many entries of one sender took. */
  function release(row: Size, messages: number): void {
    addresses.chargeMail(row.address ?? undefined, row.sender, -row.bytes);
    const known = usages.get(row.mailbox);
    if (known !== undefined) charge(known[row.kind], payerOf(row), -messages, -row.bytes);
  }

  const capacity = {
    application: { messages: limits.mailboxMessages, bytes: limits.mailboxBytes },
    welcome: { messages: limits.handshakeMessages, bytes: limits.handshakeBytes },
    commit: { messages: limits.handshakeMessages, bytes: limits.handshakeBytes },
    notice: { messages: limits.noticeMessages, bytes: Number.MAX_SAFE_INTEGER },
  };

  return {
    forget(): void {
      usages.clear();
    },

    /** Whether messages of one sender fit; else what there is too little of. */
    objection(
      mailbox: number,
      kind: DeliveryKind,
      payer: Payer,
      messages: string[],
    ): "mailbox_full" | "storage_quota" | undefined {
      if (messages.length === 0) return undefined;
      const room = usage(mailbox)[kind];
      const count = messages.length;
      if (kind === "notice") return room.messages + count <= capacity.notice.messages ? undefined : "mailbox_full";
      const bytes = sizeOfAll(messages);
      if (!addresses.hasRoom(payer.address, payer.sender, bytes)) return "storage_quota";
      const own = held(room, payer.sender);
      if (kind === "commit" && !payer.stranger && own.messages + count <= COMMITS) return undefined;
      if (kind === "welcome" && own.messages + count > WELCOMES) return "mailbox_full";
      return fits(room, capacity[kind], payer, { messages: count, bytes }) ? undefined : "mailbox_full";
    },

    /** Whether strangers' messages wait that are read before what contacts write next. */
    isBusy(mailbox: number, payer: Payer, messages: string[]): boolean {
      if (!payer.stranger) return false;
      const limit = { most: limits.strangersAheadBytes, bytes: sizeOfAll(messages) };
      return isCrowded(usage(mailbox).application, payer, limit);
    },

    add(entry: NewEntry): number {
      const bytes = sizeOf(entry.message, entry.sessionId);
      addresses.chargeMail(entry.address, entry.sender, bytes);
      const storedAt = clock();
      const { lastInsertRowid } = insert.run(
        entry.mailbox,
        entry.sender,
        entry.from,
        entry.device ?? null,
        entry.kind,
        entry.message,
        entry.sessionId ?? null,
        entry.groupId ?? null,
        entry.epoch ?? null,
        entry.messageId,
        entry.expiresAt ?? null,
        storedAt,
        bytes,
        entry.status ?? null,
        entry.reason ?? null,
        entry.unknown === true ? 1 : null,
        entry.stranger ? 1 : null,
        entry.address ?? null,
      );
      const seq = Number(lastInsertRowid);
      const known = usages.get(entry.mailbox);
      if (known !== undefined) charge(known[entry.kind], entry, 1, bytes);
      announce({
        seq,
        mailbox: entry.mailbox,
        from: entry.from,
        device: entry.device,
        kind: entry.kind,
        message: entry.message,
        sessionId: entry.sessionId,
        groupId: entry.groupId,
        epoch: entry.epoch,
        messageId: entry.messageId,
        expiresAt: entry.expiresAt,
        storedAt,
        bytes,
        status: entry.status,
        reason: entry.reason,
      });
      return seq;
    },

    isWaiting(seq: number): boolean {
      return exists.get(seq) !== undefined;
    },

    between(mailbox: number, after: number, upTo: number, room: { messages: number; bytes: number }) {
      const entries: Entry[] = [];
      let bytes = 0;
      // One more than fits is asked for, to know whether there is more.
      for (const row of select.iterate(mailbox, after, upTo, room.messages + 1)) {
        const entry = toEntry(row as unknown as EntryRow);
        bytes += entry.bytes;
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
        const [sender, kind, , stranger, address] = rows[first] as SizeArray;
        let bytes = 0;
        for (let row = rows[next]; row !== undefined && row[0] === sender && row[1] === kind; row = rows[++next]) {
          if (row[3] !== stranger || row[4] !== address) break;
          bytes += row[2];
        }
        release({ mailbox, sender, kind, bytes, stranger, address }, next - first);
      }
      return rows.length;
    },

    remove(row: Size & Pick<EntryRow, "seq">): void {
      deleteOne.run(row.seq);
      release(row, 1);
    },

    highWater(mailbox: number): number {
      return (highest.get(mailbox, clock()) as { seq: number } | undefined)?.seq ?? 0;
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

function sizeOfAll(messages: string[]): number {
  return messages.reduce((sum, message) => sum + sizeOf(message, undefined), 0);
}

function sizeOf(message: string, sessionId: string | undefined): number {
  const bytes = OVERHEAD_BYTES + Buffer.byteLength(message);
  return sessionId === undefined ? bytes : bytes + Buffer.byteLength(sessionId);
}

function payerOf({ sender, stranger, address }: Pick<EntryRow, "sender" | "stranger" | "address">): Payer {
  return { sender, stranger: stranger === 1, address: address ?? undefined };
}

function toEntry(row: EntryRow): Entry {
  return {
    seq: row.seq,
    mailbox: row.mailbox,
    from: row.from_name,
    device: row.device ?? undefined,
    kind: row.kind,
    message: row.message,
    sessionId: row.session_id ?? undefined,
    groupId: row.group_id ?? undefined,
    epoch: row.epoch ?? undefined,
    messageId: row.message_id,
    expiresAt: row.expires_at ?? undefined,
    storedAt: row.stored_at,
    bytes: row.bytes,
    status: row.status ?? undefined,
    reason: row.reason ?? undefined,
  };
}
