import type { Body, Entry } from "../store.ts";
import { type EntryRow, toEntry } from "./tables/entries.ts";

/** Of so many mailboxes at most entries are read at a time. */
const MAILBOXES = 128;
/** So much is read at a time, and one entry more. Bytes. */
const MOST_BYTES = 8 * 2 ** 20;

/**
 * What fits into the room of each mailbox, one entry at least, and of all that as much as is read at a time. Of entries that share a body
 * the first alone comes with its text. Only what is handed out is taken from where the engine keeps long texts; of all else there is the length.
 */
const ENTRIES = `SELECT z.*, b.text FROM (
    SELECT y.*, sum(takes) OVER (ORDER BY i, seq) - takes AS before, count(*) OVER () AS found FROM (
      SELECT w.*, bytes + CASE WHEN is_first THEN coalesce(length, 0) ELSE 0 END AS takes FROM (
        SELECT r.i, x.*, x.body IS NOT NULL AND row_number() OVER (PARTITION BY x.body ORDER BY r.i, x.seq) = 1 AS is_first
        FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[]) WITH ORDINALITY r(m, a, messages, bytes, i)
        JOIN mailboxes own ON own.mailbox = r.m, LATERAL (
          SELECT * FROM (
            SELECT e.*, octet_length(t.text) AS length, count(*) OVER () AS waiting, row_number() OVER (ORDER BY e.seq) AS place,
              sum(e.bytes + coalesce(octet_length(t.text), 0)) OVER (ORDER BY e.seq) AS up_to
            FROM (SELECT * FROM entries WHERE entries.mailbox = r.m AND entries.seq > greatest(r.a, own.read_seq) ORDER BY entries.seq LIMIT r.messages + 1) e
            LEFT JOIN bodies t ON t.body = e.body
          ) v WHERE place = 1 OR (place <= r.messages AND up_to <= r.bytes)
        ) x
      ) w
    ) y
  ) z LEFT JOIN bodies b ON b.body = CASE WHEN z.is_first THEN z.body END
  WHERE z.before < ${MOST_BYTES} ORDER BY z.i, z.seq`;

interface FoundRow extends EntryRow {
  /** Which of the mailboxes that were asked for, from 1. */
  i: number;
  /** In this mailbox so many wait, as far as was looked. */
  waiting: number;
  /** Of all mailboxes so many fit. */
  found: number;
  text: string | null;
}

interface Room {
  messages: number;
  bytes: number;
}

export interface Found {
  entries: Entry[];
  more: boolean;
}

interface Wanted {
  mailbox: number;
  after: number;
  room: Room;
  /** When it was asked for, by `performance.now()`. */
  at: number;
  resolve: (found: Found) => void;
  reject: (error: unknown) => void;
}

interface EntryReadsOptions {
  /** Asks the engine; `since` is from when on its patience counts, by `performance.now()`. */
  ask: <R extends object>(text: string, values: unknown[], since: number) => Promise<R[]>;
  /** Up to where a mailbox is being deleted: what is read meanwhile is not handed out again. */
  deletedUpTo: (mailbox: number) => number;
}

/** Reads what waits in mailboxes: some mailboxes at a time, so that no answer is large however many ask for something. */
export class EntryReads {
  readonly #options: EntryReadsOptions;
  /** In the order of the calls. */
  #wanted: Wanted[] = [];
  #isReading = false;
  #answeredAt = 0;

  constructor(options: EntryReadsOptions) {
    this.#options = options;
  }

  /** As many entries as fit into the room, but at least one if there is any. There may be fewer, with `more` to be asked for. */
  read(mailbox: number, after: number, room: Room): Promise<Found> {
    return new Promise((resolve, reject) => {
      this.#wanted.push({ mailbox, after, room, at: performance.now(), resolve, reject });
      if (this.#isReading) return;
      this.#isReading = true;
      // What is asked for in the same turn is read together.
      setImmediate(() => void this.#run());
    });
  }

  async #run(): Promise<void> {
    while (this.#wanted.length > 0) {
      const round = this.#wanted.splice(0, MAILBOXES);
      try {
        this.#wanted.unshift(...(await this.#readSome(round)));
      } catch (error) {
        for (const { reject } of round) reject(error);
      }
    }
    this.#isReading = false;
  }

  /** @returns those of which nothing was read, since others took all that is read at a time */
  async #readSome(round: Wanted[]): Promise<Wanted[]> {
    const { ask, deletedUpTo } = this.#options;
    const rows = await ask<FoundRow>(
      ENTRIES,
      [
        round.map(({ mailbox }) => mailbox),
        round.map(({ mailbox, after }) => Math.max(after, deletedUpTo(mailbox))),
        round.map(({ room }) => room.messages),
        round.map(({ room }) => room.bytes),
      ],
      // Behind others it waits for them, which is no fault of an engine that answers.
      Math.max(round[0]?.at ?? 0, this.#answeredAt),
    );
    this.#answeredAt = performance.now();
    const last = rows.at(-1);
    const isCut = last !== undefined && rows.length < last.found;
    const read = isCut ? round.slice(0, last.i) : round;
    const found = entriesOf(rows, read.length);
    read.forEach(({ resolve }, at) => resolve(found[at] ?? { entries: [], more: false }));
    return round.slice(read.length);
  }
}

function entriesOf(rows: readonly FoundRow[], mailboxes: number): Found[] {
  const found = Array.from({ length: mailboxes }, (): Found => ({ entries: [], more: false }));
  const texts = new Map<number, string>();
  const shared = new Map<number, Body>();
  for (const row of rows) {
    if (row.body !== null && row.text !== null) texts.set(row.body, row.text);
    const text = row.body === null ? null : (texts.get(row.body) ?? null);
    const of = found[row.i - 1];
    of?.entries.push(toEntry({ ...row, text }, shared));
    if (of !== undefined) of.more = of.entries.length < row.waiting;
  }
  return found;
}
