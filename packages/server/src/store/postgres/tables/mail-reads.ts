import type { DeliveryKind } from "@aimessage/sdk/protocol";
import type { Swept } from "../../decisions/tables.ts";
import { Missing } from "../../decisions/work.ts";
import { SWEPT_COLUMNS, type SweptFields, sweptFrom } from "../../entry-rows.ts";
import { RECEIVED, type ReceivedRow } from "./entries.ts";
import type { Sql } from "../link/link.ts";
import { keyOf, type Look, valuesOf } from "./part.ts";

/** A sweep looks at entries in three ways, of which each may remove as many as it is given. */
const MORE = 3;

/** Of many texts so much is read at a time, in the order in which they are asked for: the others are asked for again. Bytes. */
const MOST_TEXTS = 4 * 2 ** 20;
const TEXTS = `SELECT body, text FROM (
    SELECT body, text, sum(octet_length(text)) OVER (ORDER BY n) - octet_length(text) AS before
    FROM unnest($1::bigint[]) WITH ORDINALITY x(body, n) JOIN bodies USING (body)
  ) t WHERE before < ${MOST_TEXTS}`;

/** What entries of a mailbox take that have something in common. */
export interface SumRow {
  kind: DeliveryKind;
  sender: string;
  stranger: boolean;
  address: number | null;
  messages: number;
  bytes: number;
}

/** What has expired is pushed to nobody: whoever waited for it would wait for ever. Of a message to a team a stub is. */
export const HIGH_WATER = `SELECT m.mailbox, (SELECT seq FROM entries e WHERE e.mailbox = m.mailbox AND e.seq > m.read_seq
    AND (expires_at IS NULL OR expires_at > $2::bigint OR pos IS NOT NULL) ORDER BY seq DESC LIMIT 1) AS seq
  FROM mailboxes m WHERE m.mailbox = ANY ($1::bigint[])`;

const FOLLOWED = `SELECT x.at FROM unnest($1::bigint[], $2::text[], $3::bigint[]) WITH ORDINALITY x(m, g, s, at) WHERE EXISTS
  (SELECT 1 FROM entries e WHERE e.mailbox = x.m AND e.seq > x.s AND e.group_id = x.g AND e.kind = 'application'
    AND NOT EXISTS (SELECT 1 FROM unnest($4::bigint[], $5::bigint[]) gone(at, seq) WHERE gone.at = x.at AND gone.seq = e.seq))`;

interface Expiry {
  mailbox: number;
  seq: number;
  expires_at: number;
}

/** What a batch has read of the mailboxes' entries, as it was before the batch. What it asks for and was not read is {@link Missing}. */
export class MailReads {
  readonly looks: Record<string, Look>;
  readonly #now: () => number;
  readonly #waters = new Map<number, number>();
  readonly #sums = new Map<number, SumRow[]>();
  readonly #unknown = new Map<string, number>();
  readonly #received = new Map<number, ReceivedRow[]>();
  readonly #swept = new Map<string, Swept[]>();
  readonly #texts = new Map<number, string>();
  readonly #followed = new Map<string, boolean>();
  #nextExpiries: Expiry[] | undefined;

  constructor(now: () => number) {
    this.#now = now;
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
        this.#nextExpiries = await sql<Expiry>(
          "SELECT mailbox, seq, expires_at FROM entries WHERE expires_at IS NOT NULL ORDER BY expires_at LIMIT 501",
          [],
        );
      },
      text: async (sql, keys) => {
        for (const { body, text } of await sql<{ body: number; text: string }>(TEXTS, [keys.map(Number)]))
          this.#texts.set(body, text);
      },
      followed: async (sql, keys) => {
        const all = keys.map((key) => valuesOf(key) as [number, string, number, ...number[]]);
        const gone = all.flatMap(([, , , ...seqs], at) => seqs.map((seq) => ({ at: at + 1, seq })));
        const rows = await sql<{ at: number }>(FOLLOWED, [
          all.map(([mailbox]) => mailbox),
          all.map(([, group]) => group),
          all.map(([, , seq]) => seq),
          gone.map(({ at }) => at),
          gone.map(({ seq }) => seq),
        ]);
        for (const key of keys) this.#followed.set(key, false);
        for (const { at } of rows) this.#followed.set(keys[at - 1] ?? "", true);
      },
    };
  }

  async readHighWater(sql: Sql, mailboxes: readonly number[]): Promise<void> {
    for (const mailbox of mailboxes) this.#waters.set(mailbox, 0);
    for (const { mailbox, seq } of await sql<{ mailbox: number; seq: number }>(HIGH_WATER, [mailboxes, this.#now()]))
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

  highWater(mailbox: number): number {
    return found("high water", String(mailbox), this.#waters.get(mailbox));
  }

  sums(mailbox: number): SumRow[] {
    return found("sums", String(mailbox), this.#sums.get(mailbox));
  }

  unknown(sender: string): number {
    return found("unknown", sender, this.#unknown.get(sender));
  }

  received(mailbox: number, seq: number): ReceivedRow[] {
    return found("received", keyOf(mailbox, seq), this.#received.get(mailbox));
  }

  swept(look: string, key: string): Swept[] {
    return found(look, key, this.#swept.get(key));
  }

  nextExpiries(): Expiry[] {
    return found("next expiry", "next expiry", this.#nextExpiries);
  }

  text(body: number): string {
    return found("text", String(body), this.#texts.get(body));
  }

  /** @param gone Places of what this batch has removed behind it, which is read still */
  isFollowed({ mailbox, groupId = "", seq }: Pick<Swept, "mailbox" | "groupId" | "seq">, gone: number[]): boolean {
    const key = keyOf(mailbox, groupId, seq, ...gone);
    return found("followed", key, this.#followed.get(key));
  }
}

function found<T>(look: string, key: string, value: T | undefined): T {
  if (value === undefined) throw new Missing(look, key);
  return value;
}
