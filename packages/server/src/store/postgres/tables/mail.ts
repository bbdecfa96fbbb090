import { usernameKey } from "@aimessage/sdk/protocol";
import type { BoundedMap } from "../../bounded-map.ts";
import { sizeOf } from "../../decisions/room.ts";
import type { Swept, Tables } from "../../decisions/tables.ts";
import { type Amount, type NewEntry, type Payer, type Room, type RoomKind } from "../../decisions/work.ts";
import type { Body, Entry } from "../../store.ts";
import { type Boxes, addTo, totalsOf } from "./boxes.ts";
import { type Charges, payers } from "./charges.ts";
import { type EntryRow, entryWrites } from "./entries.ts";
import { MailReads, type SumRow } from "./mail-reads.ts";
import type { Numbers } from "./numbers.ts";
import { keyOf, type Look, type Part, type Send } from "./part.ts";

const GROUP_ID_LENGTH = 64;
const NOTHING: Readonly<Amount> = { messages: 0, bytes: 0 };
const EMPTY: Room = { all: NOTHING, strangers: NOTHING, of: () => NOTHING, ofStrangersAt: () => NOTHING };

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
  readonly reads: MailReads;
  readonly #context: MailContext;

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
    this.reads = new MailReads(() => context.now);
    this.looks = this.reads.looks;
  }

  /** Without what has gone since it was read, for which more were read than are asked for; and stubs as they are now. */
  #listed(look: string, ...of: number[]): Swept[] {
    const key = keyOf(look, ...of);
    const left = this.reads.swept(look, key).flatMap((entry): Swept[] => {
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
      const water = this.reads.highWater(mailbox);
      const own = this.#added.findLast((entry) => entry.mailbox === mailbox)?.seq ?? 0;
      return Math.max(own, water <= (this.#upTo.get(mailbox) ?? 0) ? 0 : water);
    },
    waitingForUnknown: (sender) => {
      return (
        this.reads.unknown(sender) +
        this.#added.filter((entry) => entry.unknown === true && entry.sender === sender).length
      );
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
      const isLeft = ({ mailbox, seq }: { mailbox: number; seq: number }): boolean => {
        const key = keyOf(mailbox, seq);
        return !this.#removed.has(key) && !this.#stubs.has(key);
      };
      return this.reads.nextExpiries().find(isLeft)?.expires_at ?? Infinity;
    },
    storedBefore: (time, after, limit) => {
      const old = this.#listed("old", time, after, limit);
      return { old, next: old.length < limit ? 0 : (old.at(-1)?.seq ?? 0) };
    },
    inMailbox: (mailbox, limit) => this.#listed("in mailbox", mailbox, limit),
    isFollowed: (commit) =>
      this.reads.isFollowed(
        commit,
        [...this.#removed.values()].filter((entry) => isBehind(entry, commit)).map(({ seq }) => seq),
      ),
    bodyText: (body) => this.reads.text(body),
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
    const rows = this.reads.received(mailbox, seq);
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
    const all = { messages: 0, bytes: 0 };
    for (const row of [...this.reads.sums(mailbox), ...this.#changes(mailbox)]) {
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

function isBehind(entry: Swept, { mailbox, groupId, seq }: Swept): boolean {
  return entry.mailbox === mailbox && entry.groupId === groupId && entry.seq > seq && entry.kind === "application";
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
