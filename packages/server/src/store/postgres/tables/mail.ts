import { type DeliveryKind, usernameKey } from "@aimessage/sdk/protocol";
import type { BoundedMap } from "../../bounded-map.ts";
import { sizeOf } from "../../decisions/room.ts";
import type { Swept, Tables } from "../../decisions/tables.ts";
import { type Amount, Missing, type NewEntry, type Payer, type Room, type RoomKind } from "../../decisions/work.ts";
import type { Body, Entry } from "../../store.ts";
import { type Boxes, addTo, totalsOf } from "./boxes.ts";
import { type Charges, payers } from "./charges.ts";
import { SWEPT_COLUMNS, type SweptFields, sweptFrom } from "../../entry-rows.ts";
import { type EntryRow, entryWrites, RECEIVED, type ReceivedRow } from "./entries.ts";
import type { Sql } from "../link/link.ts";
import type { Numbers } from "./numbers.ts";
import { keyOf, type Look, type Part, type Send, valuesOf } from "./part.ts";

/** A sweep looks at entries in three ways, of which each may remove as many as it is given. */
const MORE = 3;

/** Of many texts so much is read at a time, in the order in which they are asked for: the others are asked for again. Bytes. */
const MOST_TEXTS = 4 * 2 ** 20;
const TEXTS = `SELECT body, text FROM (
    SELECT body, text, sum(octet_length(text)) OVER (ORDER BY n) - octet_length(text) AS before
    FROM unnest($1::bigint[]) WITH ORDINALITY x(body, n) JOIN bodies USING (body)
  ) t WHERE before < ${MOST_TEXTS}`;

const GROUP_ID_LENGTH = 64;
const NOTHING: Readonly<Amount> = { messages: 0, bytes: 0 };
const EMPTY: Room = { all: NOTHING, strangers: NOTHING, of: () => NOTHING, ofStrangersAt: () => NOTHING };

/** What entries of a mailbox take that have something in common. */
interface SumRow {
  kind: DeliveryKind;
  sender: string;
  stranger: boolean;
  address: number | null;
  messages: number;
  bytes: number;
}

interface MailContext {
  boxes: Boxes;
  charges: Charges;
  numbers: Numbers;
  /** Bodies of messages to teams whose sender has been told that they expired. */
  told: BoundedMap<number, true>;
  now: number;
}

/** The mailboxes' entries, and how full each mailbox is. */
export class Mail implements Part {
  readonly looks: Record<string, Look>;
  readonly #context: MailContext;
  readonly #waters = new Map<number, number>();
  readonly #sums = new Map<number, SumRow[]>();
  readonly #unknown = new Map<string, number>();
  readonly #received = new Map<number, ReceivedRow[]>();
  readonly #swept = new Map<string, Swept[]>();
  readonly #texts = new Map<number, string>();
  readonly #followed = new Map<string, boolean>();
  #nextExpiries: { mailbox: number; seq: number; expires_at: number }[] | undefined;

  #added: (NewEntry & { seq: number; before: number })[] = [];
  #bodies: (Body & { blobs: string[] })[] = [];
  readonly #upTo = new Map<number, number>();
  readonly #removed = new Map<string, Swept>();
  readonly #stubs = new Map<string, { entry: Swept; sha256: string; bytes: number }>();
  readonly #named: number[] = [];
  readonly #toldNow = new Set<number>();
  /** Bodies that lose entries, and name files. */
  readonly #released = new Set<number>();

  constructor(context: MailContext) {
    this.#context = context;
    this.looks = {
      "high water": (sql, keys) => this.readHighWater(sql, keys.map(Number)),
      sums: (sql, keys) => this.#readSums(sql, keys.map(Number)),
      unknown: async (sql, keys) => {
        for (const sender of keys) this.#unknown.set(sender, 0);
        for (const { sender, count } of await sql<{ sender: string; count: number }>(
          "SELECT sender, count(*) AS count FROM entries WHERE unknown AND sender = ANY ($1::text[]) GROUP BY sender",
          [keys],
        ))
          this.#unknown.set(sender, count);
      },
      received: (sql, keys) =>
        this.readReceived(
          sql,
          keys.map((key) => valuesOf(key) as [number, number]),
        ),
      expired: (sql, keys) =>
        this.#readSwept(
          sql,
          keys,
          `SELECT ${SWEPT_COLUMNS} FROM entries WHERE expires_at <= $1 ORDER BY expires_at, seq LIMIT $2::bigint * ${MORE}`,
        ),
      "in mailbox": (sql, keys) =>
        this.#readSwept(
          sql,
          keys,
          `SELECT ${SWEPT_COLUMNS} FROM entries WHERE mailbox = $1 ORDER BY seq LIMIT $2::bigint * ${MORE}`,
        ),
      // By time, which has an index of ranges: entries of many mailboxes lie in the order in which they came.
      old: (sql, keys) =>
        this.#readSwept(
          sql,
          keys,
          `SELECT ${SWEPT_COLUMNS} FROM entries WHERE stored_at < $1 AND seq > $2 ORDER BY seq LIMIT $3::bigint * ${MORE}`,
        ),
      "next expiry": async (sql) => {
        this.#nextExpiries = await sql<{ mailbox: number; seq: number; expires_at: number }>(
          "SELECT mailbox, seq, expires_at FROM entries WHERE expires_at IS NOT NULL ORDER BY expires_at LIMIT 501",
          [],
        );
      },
      text: async (sql, keys) => {
        for (const { body, text } of await sql<{ body: number; text: string }>(TEXTS, [keys.map(Number)]))
          this.#texts.set(body, text);
      },
      followed: async (sql, keys) => {
        const all = keys.map((key) => valuesOf(key) as [number, string, number]);
        const rows = await sql<{ at: number }>(
          `SELECT x.at FROM unnest($1::bigint[], $2::text[], $3::bigint[]) WITH ORDINALITY x(m, g, s, at) WHERE EXISTS
            (SELECT 1 FROM entries e WHERE e.mailbox = x.m AND e.seq > x.s AND e.group_id = x.g AND e.kind = 'application')`,
          [all.map(([mailbox]) => mailbox), all.map(([, group]) => group), all.map(([, , seq]) => seq)],
        );
        for (const key of keys) this.#followed.set(key, false);
        for (const { at } of rows) this.#followed.set(keys[at - 1] ?? "", true);
      },
    };
  }

  async readHighWater(sql: Sql, mailboxes: readonly number[]): Promise<void> {
    for (const mailbox of mailboxes) this.#waters.set(mailbox, 0);
    for (const { mailbox, seq } of await sql<{ mailbox: number; seq: number }>(HIGH_WATER, [
      mailboxes,
      this.#context.now,
    ]))
      this.#waters.set(mailbox, seq);
  }

  /** @param places Mailboxes, and up to where each has been read. */
  async readReceived(sql: Sql, places: readonly (readonly [mailbox: number, seq: number])[]): Promise<void> {
    const upTo = new Map<number, number>();
    for (const [mailbox, seq] of places) upTo.set(mailbox, Math.max(seq, upTo.get(mailbox) ?? 0));
    for (const mailbox of upTo.keys()) this.#received.set(mailbox, []);
    for (const row of await sql<ReceivedRow>(RECEIVED, [[...upTo.keys()], [...upTo.values()]]))
      this.#received.get(row.mailbox)?.push(row);
  }

  async #readSums(sql: Sql, mailboxes: number[]): Promise<void> {
    for (const mailbox of mailboxes) this.#sums.set(mailbox, []);
    for (const row of await sql<SumRow & { mailbox: number }>(
      `SELECT mailbox, kind, sender, stranger, address, count(*) AS messages, sum(bytes)::bigint AS bytes FROM entries
        WHERE mailbox = ANY ($1::bigint[]) GROUP BY mailbox, kind, sender, stranger, address`,
      [mailboxes],
    ))
      this.#sums.get(row.mailbox)?.push(row);
  }

  async #readSwept(sql: Sql, keys: string[], text: string): Promise<void> {
    for (const key of keys) this.#swept.set(key, (await sql<SweptFields>(text, valuesOf(key).slice(1))).map(sweptFrom));
  }

  /** Without what has gone since it was read, for which more were read than are asked for; and stubs as they are now. */
  #listed(look: string, ...of: number[]): Swept[] {
    const key = keyOf(look, ...of);
    const found = this.#swept.get(key);
    if (found === undefined) throw new Missing(look, key);
    const left = found.flatMap((entry): Swept[] => {
      const place = keyOf(entry.mailbox, entry.seq);
      if (this.#removed.has(place)) return [];
      const stub = this.#stubs.get(place);
      return [stub === undefined ? entry : { ...entry, kind: "stub", bytes: stub.bytes, body: undefined }];
    });
    return left.slice(0, of.at(-1));
  }

  readonly tables: Tables["mail"] = {
    room: (mailbox, kind) => (mailbox === undefined ? EMPTY : this.#room(mailbox, kind)),
    // Requests bring with them what they stand for, but for those of the same batch.
    isWaiting: (mailbox, seq) =>
      this.#added.some((entry) => entry.mailbox === mailbox && entry.seq === seq) ||
      (seq > (this.#upTo.get(mailbox) ?? 0) && this.isWaiting(mailbox, seq)),
    highWater: (mailbox) => {
      const water = this.#waters.get(mailbox);
      if (water === undefined) throw new Missing("high water", String(mailbox));
      const own = this.#added.findLast((entry) => entry.mailbox === mailbox)?.seq ?? 0;
      return Math.max(own, water <= (this.#upTo.get(mailbox) ?? 0) ? 0 : water);
    },
    waitingForUnknown: (sender) => {
      const count = this.#unknown.get(sender);
      if (count === undefined) throw new Missing("unknown", sender);
      return count + this.#added.filter((entry) => entry.unknown === true && entry.sender === sender).length;
    },
    add: (entry) => this.#add(entry),
    addBody: (text, blobs) => {
      const body = { id: this.#context.numbers.place(), text, blobs };
      this.#bodies.push(body);
      this.onHold(blobs, body.id);
      return body;
    },
    isEmpty: (mailbox) => {
      const box = this.#context.boxes.get(mailbox);
      const kinds: RoomKind[] = ["application", "welcome", "commit", "notice", "group"];
      return box === undefined || kinds.every((kind) => totalsOf(box, kind).all.messages === 0);
    },
    nameIsKnown: (mailbox) => void this.#named.push(mailbox),
    expired: (now, limit) => this.#listed("expired", now, limit),
    nextExpiry: () => {
      if (this.#nextExpiries === undefined) throw new Missing("next expiry", "next expiry");
      const isLeft = ({ mailbox, seq }: { mailbox: number; seq: number }): boolean => {
        const key = keyOf(mailbox, seq);
        return !this.#removed.has(key) && !this.#stubs.has(key);
      };
      return this.#nextExpiries.find(isLeft)?.expires_at ?? Infinity;
    },
    storedBefore: (time, after, limit) => {
      const old = this.#listed("old", time, after, limit);
      return { old, next: old.length < limit ? 0 : (old.at(-1)?.seq ?? 0) };
    },
    inMailbox: (mailbox, limit) => this.#listed("in mailbox", mailbox, limit),
    isFollowed: ({ mailbox, groupId, seq }) => {
      const key = keyOf(mailbox, groupId ?? "", seq);
      const found = this.#followed.get(key);
      if (found === undefined) throw new Missing("followed", key);
      return found;
    },
    bodyText: (body) => {
      const text = this.#texts.get(body);
      if (text === undefined) throw new Missing("text", String(body));
      return text;
    },
    isFirst: (body) => {
      const isFirst = !this.#context.told.has(body) && !this.#toldNow.has(body);
      this.#toldNow.add(body);
      return isFirst;
    },
    remove: (entry) => {
      this.#removed.set(keyOf(entry.mailbox, entry.seq), entry);
      this.#release(entry, 1);
    },
    toStub: (entry, sha256) => {
      const bytes = sizeOf(sha256, undefined);
      this.#stubs.set(keyOf(entry.mailbox, entry.seq), { entry, sha256, bytes });
      this.#release(entry, 1);
      this.#charge({ ...entry, kind: "stub", bytes }, 1);
    },
  };

  /** Whether an entry is there: set by the requests, which read it with them. */
  isWaiting: (mailbox: number, seq: number) => boolean = () => false;
  /** Files that a body names are kept as long as it is. */
  onHold: (blobs: string[], body: number) => void = () => {};

  /** Deletes up to a place; returns how many entries. */
  received(mailbox: number, seq: number): number {
    const rows = this.#received.get(mailbox);
    if (rows === undefined) throw new Missing("received", keyOf(mailbox, seq));
    const from = this.#upTo.get(mailbox) ?? 0;
    const gone = rows.filter((row) => row.seq > from && row.seq <= seq);
    if (gone.length === 0) return 0;
    const box = this.#context.boxes.own(mailbox);
    // Whoever looks for entries begins behind them, and not among what is left of those that have gone.
    box.read_seq = Math.max(box.read_seq, gone.at(-1)?.seq ?? 0);
    this.#upTo.set(mailbox, Math.max(from, seq));
    for (const { sender, kind, bytes, stranger, address, from_name, body, files } of gone) {
      this.#charge(
        { mailbox, sender, kind, bytes: -bytes, stranger, address: address ?? undefined, from: from_name },
        -1,
      );
      if (body !== null && files) this.#released.add(body);
    }
    return gone.length;
  }

  /** New entries, for those who wait for them. */
  get added(): readonly Entry[] {
    return this.#added;
  }

  #room(mailbox: number, kind: RoomKind): Room {
    const box = this.#context.boxes.get(mailbox);
    if (box === undefined) return EMPTY;
    const sum = (matches: (row: SumRow) => boolean): Amount => this.#sum(mailbox, kind, matches);
    return {
      ...totalsOf(box, kind),
      of: (sender) => sum((row) => row.sender === sender),
      ofStrangersAt: (place) => sum((row) => row.stranger && (row.address ?? row.sender) === place),
    };
  }

  /** Of what was read, less what has gone since, and with what has come. */
  #sum(mailbox: number, kind: RoomKind, matches: (row: SumRow) => boolean): Amount {
    const rows = this.#sums.get(mailbox);
    if (rows === undefined) throw new Missing("sums", String(mailbox));
    const all = { messages: 0, bytes: 0 };
    for (const row of [...rows, ...this.#changes(mailbox)]) {
      if (roomKindOf(row) !== kind || !matches(row)) continue;
      all.messages += row.messages;
      all.bytes += row.bytes;
    }
    return all;
  }

  readonly #changed = new Map<number, SumRow[]>();

  #changes(mailbox: number): SumRow[] {
    return this.#changed.get(mailbox) ?? [];
  }

  #add(entry: NewEntry): number {
    const { boxes, numbers } = this.#context;
    const { mailbox } = entry;
    const before = boxes.get(mailbox)?.last_seq ?? 0;
    const seq = numbers.place();
    this.#added.push({ ...entry, seq, before });
    this.#charge(entry, 1);
    boxes.own(mailbox).last_seq = seq;
    return seq;
  }

  #release(entry: Swept, messages: number): void {
    this.#charge({ ...entry, bytes: -entry.bytes }, -messages);
    if (entry.body !== undefined) this.#released.add(entry.body);
  }

  /** Counts what comes, or with less than nothing what goes: in the mailbox, and at whoever pays. */
  #charge(entry: Charged, messages: number): void {
    const { boxes, charges } = this.#context;
    const { mailbox, sender, kind, bytes, stranger, address } = entry;
    charges.addAt(address, bytes);
    charges.add(payers.account(accountOf(entry)), bytes);
    const box = boxes.get(mailbox);
    if (box !== undefined) addTo(boxes.own(mailbox), roomKindOf(entry), stranger, { messages, bytes });
    const row = { kind, sender, stranger, address: address ?? null, messages, bytes };
    const changes = this.#changed.get(mailbox);
    if (changes === undefined) this.#changed.set(mailbox, [row]);
    else changes.push(row);
  }

  undo(): void {
    this.#added = [];
    this.#bodies = [];
    for (const each of [this.#upTo, this.#removed, this.#stubs, this.#toldNow, this.#released, this.#changed])
      each.clear();
    this.#named.length = 0;
  }

  write(send: Send): void {
    entryWrites(send, {
      added: this.#added,
      bodies: this.#bodies,
      upTo: this.#upTo,
      removed: [...this.#removed.values()],
      stubs: [...this.#stubs.values()],
      named: this.#named,
      released: [...this.#released],
      now: this.#context.now,
    });
  }

  committed(): void {
    for (const body of this.#toldNow) this.#context.told.set(body, true);
  }
}

type Charged = Pick<NewEntry, "mailbox" | "kind" | "bytes" | "from"> & Payer;

/** Whose mail it is: of the relay's own words whom they are for. */
function accountOf({ sender, kind, from, account }: Charged): string {
  return account ?? (kind === "notice" ? sender : usernameKey(from));
}

/** Of a team, where it is charged and not the one who has added its owner, entries have room of their own. */
function roomKindOf({ sender, kind }: Pick<EntryRow, "sender" | "kind">): RoomKind {
  // No name is so long as a group's id.
  if (sender.length === GROUP_ID_LENGTH) return "group";
  return kind === "direct" || kind === "stub" ? "application" : kind;
}

/** What has expired is pushed to nobody: whoever waited for it would wait for ever. Of a message to a team a stub is. */
export const HIGH_WATER = `SELECT m.mailbox, (SELECT seq FROM entries e WHERE e.mailbox = m.mailbox AND e.seq > m.read_seq
    AND (expires_at IS NULL OR expires_at > $2::bigint OR pos IS NOT NULL) ORDER BY seq DESC LIMIT 1) AS seq
  FROM mailboxes m WHERE m.mailbox = ANY ($1::bigint[])`;
