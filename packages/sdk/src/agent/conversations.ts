/** What was said with each contact and in each group, both sides, by time. Nothing is consumed by looking at it. */
import { AgentError } from "../errors.ts";
import { fromUtf8 } from "../protocol/index.ts";
import { readAddress, teamAddress } from "../records/addresses.ts";
import { find, pad, readable, rowsUnder, toBytes } from "../records/records.ts";
import type { InboxRecord, OutboxRecord } from "../records/tables.ts";
import { namesOfTeams } from "../records/team-names.ts";
import type { ClientStore, ReadTransaction } from "../store/store.ts";
import { parseName } from "./address.ts";
import { check } from "./arguments.ts";
import { type InboxEntry, readEntry } from "./message.ts";
import { findTeam } from "./team-lookup.ts";
import { type MessageStatus, statusOf, whyNever } from "./sent.ts";

/** Rows that are read at once where all of them are. */
const PAGE = 500;
/** What is shown of a body that was searched, in characters on each side of what was found. */
const AROUND = 60;

/** A message of this agent's, as a conversation shows it. */
export interface SentEntry extends MessageStatus {
  /** The body as text: "" if it is none, or is kept no longer. */
  body: string;
  bytes: Uint8Array;
  /** False: its text was kept for its time, and is gone. */
  isKept: boolean;
  contentType: string;
  replyTo?: string;
  expectsReply: boolean;
  /** A person has written it. */
  human: boolean;
  /** Of one that will never be handled: what to do. */
  hint?: string;
  /** Of a message to a group: how many it is for, and how many of them are how far. */
  counts?: { all: number; received: number; handled: number; failed: number };
}

/** One message of a conversation. `at`: our clock, Unix milliseconds. */
export type Line = { at: number } & (
  | { own: false; message: InboxEntry & { isKept: boolean } }
  | { own: true; message: SentEntry }
);

export interface Conversation {
  /** A contact's name, or `@GROUP`. */
  with: string;
  /** When the last message came or was sent. Our clock, Unix milliseconds. */
  at: number;
  messages: number;
  /** Messages that wait for a handler. */
  unhandled: number;
}

export interface LinesOptions {
  /** So many at most, the newest; default 100. */
  last?: number;
  /** Only those before the one of this id. */
  before?: string;
}

/** A message in which a text was found. */
export interface Found {
  with: string;
  id: string;
  at: number;
  own: boolean;
  /** What stands around it, and where it is therein. */
  excerpt: string;
  from: number;
  to: number;
}

/** What went through an agent. Times in Unix milliseconds. */
export interface Passed {
  at: number;
  own: boolean;
  /** Of a message that was handled: how long after it was sent that was known here. Milliseconds. */
  handledAfter?: number;
}

/** Where one message stands. */
interface Place {
  at: number;
  own: boolean;
  seq: number;
  id: string;
}

/**
 * The conversations of an agent. Rows are by the order in which they came, whoever they are of: which belong together is remembered from one look to the
 * next, some hundred bytes a message, and only what has come since is read.
 */
export class Conversations {
  readonly #store: ClientStore;
  readonly #own: string;
  /** By contact, or by `@KEY` of a group; in the order of time. */
  readonly #places = new Map<string, Place[]>();
  readonly #ofInbox = new Map<number, string>();
  /** Of the inbox, those whose senders wait for a reply. */
  readonly #asking = new Set<number>();
  #lastIn = "";
  #lastOut = "";
  #reading: Promise<void> = Promise.resolve();

  constructor(store: ClientStore, own: string) {
    this.#store = store;
    this.#own = own;
  }

  /** The one with the newest message first. */
  async list(): Promise<Conversation[]> {
    await this.#catchUp();
    const { names, waiting } = await this.#store.read(async (tx) => ({
      names: await namesOfTeams(tx),
      waiting: await tx.list({ prefix: "unhandled/" }),
    }));
    const unhandled = new Map<string, number>();
    for (const [key] of waiting) {
      const who = this.#ofInbox.get(Number(key.slice("unhandled/".length)));
      if (who !== undefined) unhandled.set(who, (unhandled.get(who) ?? 0) + 1);
    }
    const all = Array.from(this.#places, ([who, places]): Conversation[] => {
      const name = nameOf(who, names);
      const last = places.at(-1);
      if (name === undefined || last === undefined) return [];
      return [{ with: name, at: last.at, messages: places.length, unhandled: unhandled.get(who) ?? 0 }];
    });
    return all.flat().toSorted((a, b) => b.at - a.at);
  }

  /** The newest messages of a conversation, oldest first. @throws AgentError unknown_group, unknown_message (`before`), usage */
  async lines(name: string, { last = 100, before }: LinesOptions = {}): Promise<Line[]> {
    check("look", { last, before }, "options");
    await this.#catchUp();
    const places = await this.#of(name);
    const end = before === undefined ? places.length : places.findIndex(({ id }) => id === before);
    if (end === -1)
      throw new AgentError("unknown_message", `no message ${before} is in the conversation with ${name}`, {
        hint: "look again from the newest on",
      });
    return this.#read(places.slice(Math.max(0, end - last), end));
  }

  /** Some messages of a conversation as they are now; without those that are not known any more. @throws AgentError unknown_group */
  async some(name: string, ids: readonly string[]): Promise<Line[]> {
    await this.#catchUp();
    const wanted = new Set(ids);
    return this.#read((await this.#of(name)).filter(({ id }) => wanted.has(id)));
  }

  /** Messages whose bodies are kept and have this text in them, the newest first. Upper and lower case are the same. */
  async search(text: string, { last = 100 }: { last?: number } = {}): Promise<Found[]> {
    check("text", { text }, "text");
    check("look", { last }, "options");
    if (text === "") return [];
    const wanted = new RegExp(RegExp.escape(text), "iu");
    await this.#catchUp();
    const found: Found[] = [];
    const all = Array.from(this.#places, ([who, places]) => places.map((place) => ({ who, place }))).flat();
    all.sort((a, b) => b.place.at - a.place.at);
    const names = await this.#store.read(namesOfTeams);
    for (let from = 0; from < all.length && found.length < last; from += PAGE)
      // Others want to write, too.
      await this.#store.read(async (tx) => {
        for (const { who, place } of all.slice(from, from + PAGE)) {
          const name = nameOf(who, names);
          if (name === undefined || found.length === last) continue;
          const body = await tx.get(`${place.own ? "out" : "in"}-body/${pad(place.seq)}`);
          const match = body === undefined ? null : wanted.exec(fromUtf8(toBytes(body)) ?? "");
          if (match === null) continue;
          found.push({ with: name, id: place.id, at: place.at, own: place.own, ...excerptOf(match) });
        }
      });
    return found;
  }

  /** Which rows of the inbox expect a reply, handled or not. */
  async asking(): Promise<ReadonlySet<number>> {
    await this.#catchUp();
    return this.#asking;
  }

  /** What went through it since a time (Unix milliseconds), in no order. */
  async passed(since: number): Promise<Passed[]> {
    await this.#catchUp();
    const recent = [...this.#places.values()].flatMap((places) => places.filter(({ at }) => at >= since));
    return this.#store.read(async (tx) => {
      const all: Passed[] = [];
      for (const { at, own, seq } of recent) {
        const row = own ? await find(tx, "out/", pad(seq)) : undefined;
        const handled = row?.state === "handled" ? { handledAfter: row.updated_at - row.created_at } : {};
        all.push({ at, own, ...handled });
      }
      return all;
    });
  }

  async #of(name: string): Promise<Place[]> {
    const who = name.startsWith("@")
      ? teamAddress((await this.#store.read((tx) => teamByName(tx, name))).key)
      : parseName(name);
    return this.#places.get(who) ?? [];
  }

  #read(places: readonly Place[]): Promise<Line[]> {
    return this.#store.read(async (tx) => {
      const lines: Line[] = [];
      for (const { own, seq, at } of places) {
        const line = own ? await readSent(tx, seq) : await readCame(tx, seq, this.#own);
        if (line !== undefined) lines.push({ at, ...line } as Line);
      }
      return lines;
    });
  }

  /** One at a time, each from where the one before has come to. */
  #catchUp(): Promise<void> {
    const next = this.#reading.then(() => this.#store.read((tx) => this.#readNew(tx)));
    this.#reading = next.catch(() => undefined);
    return next;
  }

  async #readNew(tx: ReadTransaction): Promise<void> {
    const touched = new Set<Place[]>();
    const add = (who: string, place: Place): void => {
      const places = this.#places.get(who) ?? [];
      this.#places.set(who, places);
      if ((places.at(-1)?.at ?? 0) > place.at) touched.add(places);
      places.push(place);
    };
    for await (const [key, value] of rowsUnder(tx, "in/", this.#lastIn || undefined, PAGE)) {
      this.#lastIn = key;
      const row = readable(value) as InboxRecord | undefined;
      if (row === undefined) continue;
      const who = row.team === undefined ? row.from : teamAddress(row.team);
      this.#ofInbox.set(row.seq, who);
      if (row.expects_reply === true) this.#asking.add(row.seq);
      add(who, { at: row.received_at, own: false, seq: row.seq, id: row.local_id });
    }
    for await (const [key, value] of rowsUnder(tx, "out/", this.#lastOut || undefined, PAGE)) {
      this.#lastOut = key;
      const row = readable(value) as OutboxRecord | undefined;
      if (row?.kind === "message") add(row.to, { at: row.created_at, own: true, seq: row.seq, id: row.id });
    }
    for (const places of touched) places.sort((a, b) => a.at - b.at);
  }
}

/** As it is called here; undefined if nothing is known of that group any more. */
function nameOf(who: string, names: ReadonlyMap<string, string>): string | undefined {
  const address = readAddress(who);
  if (address.kind === "pair") return address.name;
  const name = names.get(address.key);
  return name === undefined ? undefined : `@${name}`;
}

async function teamByName(tx: ReadTransaction, name: string): Promise<{ key: string }> {
  // Of one that is over, what was said is still known.
  for (const [key, called] of await namesOfTeams(tx)) if (`@${called}` === name) return { key };
  return findTeam(tx, name);
}

async function readCame(tx: ReadTransaction, seq: number, own: string): Promise<Omit<Line, "at"> | undefined> {
  const row = await find(tx, "in/", pad(seq));
  if (row === undefined) return undefined;
  const entry = await readEntry(tx, row, own);
  // An empty text and one that is gone look alike.
  const isKept = entry.bytes.length > 0 || (await tx.get(`in-body/${pad(seq)}`)) !== undefined;
  return { own: false, message: { ...entry, isKept } };
}

async function readSent(tx: ReadTransaction, seq: number): Promise<Omit<Line, "at"> | undefined> {
  const row = await find(tx, "out/", pad(seq));
  if (row === undefined) return undefined;
  const body = await tx.get(`out-body/${pad(seq)}`);
  const bytes = toBytes(body ?? "");
  const { recipients } = row;
  const message: SentEntry = {
    ...(await statusOf(tx, row)),
    body: fromUtf8(bytes) ?? "",
    bytes,
    isKept: body !== undefined,
    contentType: row.content_type,
    ...(row.reply_to === undefined ? {} : { replyTo: row.reply_to }),
    expectsReply: row.expects_reply === true,
    human: row.human === true,
    ...wayOutOf(row),
    ...(recipients === undefined ? {} : { counts: countsOf(recipients) }),
  };
  return { own: true, message };
}

function wayOutOf(row: OutboxRecord): { hint?: string } {
  if (row.state !== "failed" && row.state !== "refused" && row.state !== "expired") return {};
  const { hint } = whyNever(row);
  return hint === undefined ? {} : { hint };
}

function countsOf({
  all,
  gone,
  received,
  handled,
  failed,
}: NonNullable<OutboxRecord["recipients"]>): NonNullable<SentEntry["counts"]> {
  return { all: all - gone, received, handled, failed };
}

function excerptOf({ input, index, 0: { length } }: RegExpExecArray): Pick<Found, "excerpt" | "from" | "to"> {
  const begin = Math.max(0, index - AROUND);
  const excerpt = input.slice(begin, index + length + AROUND).toWellFormed();
  return { excerpt, from: index - begin, to: index - begin + length };
}
