import type { ClosedMailbox } from "../../decisions/tables.ts";
import type { Amount, RoomKind } from "../../decisions/work.ts";
import { tableWrites } from "./columns.ts";
import type { Sql } from "../link/link.ts";
import type { Part, Send } from "./part.ts";
import { Rows } from "./rows.ts";

/** How full a mailbox is: of each kind of entries, and of those of strangers apart, how many and how many bytes. */
export const TOTALS = [
  "application",
  "application_strangers",
  "welcome",
  "welcome_strangers",
  "commit",
  "commit_strangers",
  "notice",
  "mail_of_groups",
] as const;
/** Kinds of entries that have totals of their own; others count as messages, and what the relay says itself apart. */
export const MAIL_KINDS = ["welcome", "commit"] as const;
type Total = (typeof TOTALS)[number];
type Totals = Record<`${Total}_n` | `${Total}_b`, number>;

/** A row of mailboxes: all that most decisions need of it and of its account. */
export interface Box extends Totals {
  mailbox: number;
  name: string;
  /** '' of a token account, and of a name that nobody has registered. */
  device: string;
  closed: ClosedMailbox["closed"] | null;
  drained: boolean;
  /** Of the account, where it is that account's present one; else null. */
  username: string | null;
  kind: "token" | "key" | null;
  disabled: boolean;
  address: number | null;
  seen: number;
  entered: boolean;
  login_counter: number;
  /** Of the newest entry that was ever put in, and up to where they were read, and have gone. */
  last_seq: number;
  read_seq: number;
  last_request: string | null;
  /** The relay of the connection that it is pushed to, and the claim of that. */
  listener: number | null;
  claim: number;
}

const amounts = Object.fromEntries(columnsOfTotals(TOTALS).map((name) => [name, "bigint"])) as Record<
  keyof Totals,
  "bigint"
>;

/** Columns that say something of the mailbox and its account, whichever relays live, and that are not counted. */
export const BOX_FACTS = {
  mailbox: "bigint",
  name: "text",
  device: "text",
  closed: "text",
  drained: "boolean",
  username: "text",
  kind: "text",
  disabled: "boolean",
  address: "bigint",
  seen: "bigint",
  entered: "boolean",
  login_counter: "bigint",
  last_seq: "bigint",
  last_request: "text",
} as const;

/** What changes with each message; with a connection; of an account; and of what fills a mailbox more seldom. */
const TOGETHER: (keyof Box)[][] = [
  ["last_seq", "read_seq", "last_request", ...columnsOfTotals(["application", "application_strangers"])],
  ["listener", "claim"],
  [
    "name",
    "device",
    "closed",
    "drained",
    "username",
    "kind",
    "disabled",
    "address",
    "seen",
    "entered",
    "login_counter",
  ],
  columnsOfTotals(TOTALS.filter((total) => !total.startsWith("application"))),
];

const boxTable = tableWrites<Box>(
  "mailboxes",
  ["mailbox"],
  { ...BOX_FACTS, read_seq: "bigint", listener: "bigint", claim: "bigint", ...amounts },
  TOGETHER,
);

function columnsOfTotals(totals: readonly Total[]): (keyof Totals)[] {
  return totals.flatMap((total) => [`${total}_n` as const, `${total}_b` as const]);
}

const NOTHING = Object.fromEntries(Object.keys(amounts).map((name) => [name, 0])) as unknown as Totals;

/** Columns of {@link Box} that are amounts, for the table. */
export const TOTALS_SCHEMA = Object.keys(amounts)
  .map((name) => `${name} bigint NOT NULL DEFAULT 0`)
  .join(", ");

const BOX_COLUMNS = Object.keys({ ...amounts, ...emptyBox(0, "", "") }).join(", ");

/** Locks in the order of the numbers, so that two relays never wait for each other; groups bring the mailboxes of all of their members. */
const LOCK = `SELECT ${BOX_COLUMNS} FROM mailboxes WHERE mailbox = ANY (ARRAY(
    SELECT unnest($1::bigint[])
    UNION SELECT a.mailbox FROM unnest($2::text[]) n JOIN accounts a ON a.name = n
    UNION SELECT m.mailbox FROM unnest($3::text[]) g JOIN members m ON m.group_id = g
  )) ORDER BY mailbox FOR NO KEY UPDATE`;

export function emptyBox(mailbox: number, name: string, device: string): Box {
  return {
    mailbox,
    name,
    device,
    closed: null,
    drained: false,
    username: null,
    kind: null,
    disabled: false,
    address: null,
    seen: 0,
    entered: false,
    login_counter: 0,
    last_seq: 0,
    read_seq: 0,
    last_request: null,
    listener: null,
    claim: 0,
    ...NOTHING,
  };
}

/** Of which mailboxes a batch is to have the locks. */
export interface Locks {
  mailboxes: readonly number[];
  /** Lower case. */
  names: readonly string[];
  groups: readonly string[];
}

/** The mailboxes that a batch has locked. What is in them, what their devices have sent, and their groups change only under these locks. */
export class Boxes extends Rows<number, Box> implements Part {
  /** One that is missing can only be locked from the start, in the order of all. */
  readonly looks = {};
  /** Of accounts, their present mailboxes as they were read, and those that were made. */
  readonly #active = new Map<string, number>();
  readonly #made = new Map<string, number>();

  constructor() {
    super(LOCK_LOOK);
  }

  async lock(sql: Sql, { mailboxes, names, groups }: Locks): Promise<void> {
    const rows = await sql<Box>(LOCK, [mailboxes, names, groups]);
    for (const mailbox of mailboxes) this.learn(mailbox, undefined);
    for (const box of rows) {
      this.learn(box.mailbox, box);
      if (isActive(box)) this.#active.set(box.name, box.mailbox);
    }
  }

  /** The locked mailbox of an account, as it was read, or made since. */
  activeOf(name: string): Box | undefined {
    const mailbox = this.#made.get(name) ?? this.#active.get(name);
    const box = mailbox === undefined ? undefined : this.get(mailbox);
    return box !== undefined && isActive(box) ? box : undefined;
  }

  /** A row that may be changed in place: it is copied once. @throws Missing */
  own(mailbox: number): Box {
    const made = this.made.get(mailbox);
    if (made !== undefined) return made;
    const box = this.get(mailbox);
    if (box === undefined) throw new Error(`There is no mailbox ${mailbox}`);
    const own = { ...box };
    this.put(mailbox, own);
    return own;
  }

  /** @throws Missing */
  change(mailbox: number, change: Partial<Box>): void {
    const own = Object.assign(this.own(mailbox), change);
    if (change.kind !== undefined) this.put(mailbox, own);
  }

  override put(mailbox: number, box: Box): void {
    super.put(mailbox, box);
    if (isActive(box)) this.#made.set(box.name, mailbox);
  }

  override undo(): void {
    super.undo();
    this.#made.clear();
  }

  write(send: Send): void {
    const { added, changed, removed } = this.written;
    if (removed.length > 0) send(boxTable.remove, boxTable.keys(removed));
    if (added.length > 0) send(...boxTable.insert(added));
    if (changed.length > 0) send(...boxTable.update(changed));
  }
}

/** Names what can only be read by locking it. */
export const LOCK_LOOK = "lock";

/** Whether a mailbox is the present one of an account. */
export function isActive({ closed, kind }: Box): boolean {
  return closed === null && kind !== null;
}

/** How much of a kind lies in a mailbox: all of it, and that of strangers. */
export function totalsOf(box: Box, kind: RoomKind): { all: Amount; strangers: Amount } {
  const [own, theirs] = columnsOf(kind);
  const strangers =
    theirs === undefined ? { messages: 0, bytes: 0 } : { messages: box[`${theirs}_n`], bytes: box[`${theirs}_b`] };
  const all = { messages: strangers.messages + box[`${own}_n`], bytes: strangers.bytes + box[`${own}_b`] };
  return { all, strangers };
}

/** Adds so much to what is counted in a row. */
export function addTo(box: Box, kind: RoomKind, stranger: boolean, { messages, bytes }: Amount): void {
  const [own, theirs] = columnsOf(kind);
  const total = stranger && theirs !== undefined ? theirs : own;
  box[`${total}_n`] += messages;
  box[`${total}_b`] += bytes;
}

/** Made once: each message asks. */
const COLUMNS: Record<RoomKind, [own: Total, strangers: Total | undefined]> = {
  application: ["application", "application_strangers"],
  welcome: ["welcome", "welcome_strangers"],
  commit: ["commit", "commit_strangers"],
  notice: ["notice", undefined],
  group: ["mail_of_groups", undefined],
};

function columnsOf(kind: RoomKind): [own: Total, strangers: Total | undefined] {
  return COLUMNS[kind];
}
