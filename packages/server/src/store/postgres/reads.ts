import { setTimeout as delay } from "node:timers/promises";
import { usernameKey } from "@aimessage/sdk/protocol";
import type { Blob, BlobTotals } from "../blob-rows.ts";
import { roomForBlobs } from "../decisions/blob.ts";
import type { Account, Admission, AuditLine, DeedDone, Device, MailboxState, Refused, TeamOf } from "../store.ts";
import { accountOfRow, deviceOf, type DeviceRow, type NameRow } from "./tables/account-rows.ts";
import { type BlobRow, isThere, toBlob } from "./tables/blobs.ts";
import type { Box } from "./tables/boxes.ts";
import { payers } from "./tables/charges.ts";
import { EntryReads, type Found } from "./entry-reads.ts";
import type { Link, Sql } from "./link/link.ts";
import { LinkError, patience } from "./link/link.ts";
import { HIGH_WATER } from "./tables/mail-reads.ts";
import { isName } from "./tables/names.ts";
import { BLOCK } from "./tables/numbers.ts";
import { type InviteRow, objectionTo } from "./tables/registry.ts";
import { type MailboxChange } from "../shared.ts";
import { StorageError } from "../store.ts";

/** The engine may take so long for one answer. Milliseconds. */
const ANSWER_MS = 10_000;
/** As what waits to be written does. Milliseconds. */
const PATIENCE_MS = 15_000;
/** Between two attempts to reach it. Milliseconds. */
const PAUSE_MS = 100;

const ACCOUNT = `SELECT a.*, m.device, m.disabled, m.seen, m.entered, m.login_counter, d.device_key, d.certificate, d.counter, d.identity_key, d.derived_key
  FROM accounts a LEFT JOIN mailboxes m ON m.mailbox = a.mailbox LEFT JOIN devices d ON d.mailbox = a.mailbox WHERE a.name = $1`;

interface ReadsOptions {
  link: Link;
  clock: () => number;
  /** Up to where a mailbox is being deleted: what is read meanwhile is not handed out again. */
  deletedUpTo: (mailbox: number) => number;
  /** How long a question waits for an engine that is away: milliseconds. */
  patienceMs: number | undefined;
}

/** What a store is asked without deciding anything: on a connection of its own, of what is committed. */
export class Reads {
  readonly #link: Link;
  readonly #clock: () => number;
  readonly #deletedUpTo: (mailbox: number) => number;
  readonly #patienceMs: number;
  readonly #entries: EntryReads;

  constructor({ link, clock, deletedUpTo, patienceMs = PATIENCE_MS }: ReadsOptions) {
    this.#link = link;
    this.#clock = clock;
    this.#deletedUpTo = deletedUpTo;
    this.#patienceMs = patienceMs;
    this.#entries = new EntryReads({ ask: (text, values, since) => this.ask(text, values, since), deletedUpTo });
  }

  /**
   * Asks again, as often as it takes, while the engine is away.
   * @param since From when on patience counts, by `performance.now()`
   * @throws StorageError
   */
  async ask<R extends object>(text: string, values: unknown[] = [], since = performance.now()): Promise<R[]> {
    const end = since + this.#patienceMs;
    for (; ; await delay(PAUSE_MS))
      try {
        // A host that says nothing takes seconds to be given up, and the next one as long: that is waited for no longer than an answer.
        const sql = await patience(this.#link.use(), leftUntil(end));
        return await this.#answer<R>(sql, text, values, Math.min(ANSWER_MS, leftUntil(end)));
      } catch (error) {
        const { kind } = error instanceof LinkError ? error : {};
        if (kind === undefined || kind === "closed" || performance.now() + PAUSE_MS > end)
          throw new StorageError(
            "internal",
            error instanceof Error ? error : new Error(String(error)),
            kind !== undefined,
          );
      }
  }

  async #answer<R extends object>(sql: Sql, text: string, values: unknown[], ms: number): Promise<R[]> {
    try {
      return [...(await patience(sql<R>(text, values), ms))];
    } catch (error) {
      // Whoever came late had no time for an answer: that others share the connection with it is no reason to end theirs.
      const isSilent =
        error instanceof LinkError && error.kind === "timeout" && ms > Math.min(ANSWER_MS, this.#patienceMs) / 2;
      if (isSilent) this.#link.cut();
      throw error;
    }
  }

  async #first<R extends object>(text: string, values: unknown[] = []): Promise<R | undefined> {
    return (await this.ask<R>(text, values))[0];
  }

  async account(username: string): Promise<Account | undefined> {
    if (!isName(username)) return undefined;
    const row = await this.#first<NameRow & Box & DeviceRow>(ACCOUNT, [usernameKey(username)]);
    return row && accountOfRow(row);
  }

  async device(username: string, id: string): Promise<(Device & { active: boolean }) | undefined> {
    const row = await this.#first<Box & DeviceRow>(
      `SELECT m.mailbox, m.device, m.closed, m.login_counter, d.* FROM mailboxes m JOIN devices d USING (mailbox)
        WHERE m.name = $1 AND m.device = $2 AND m.closed IS DISTINCT FROM 'unregistered' ORDER BY m.mailbox DESC LIMIT 1`,
      [usernameKey(username), id],
    );
    if (row === undefined || row.device_key === null) return undefined;
    return { ...deviceOf(row, row), active: row.closed === null };
  }

  async objection(admission: Admission): Promise<Refused | undefined> {
    const hash = typeof admission === "object" ? admission.invite : undefined;
    const row =
      hash === undefined ? undefined : await this.#first<InviteRow>("SELECT * FROM invites WHERE hash = $1", [hash]);
    return objectionTo(admission, () => row, this.#clock());
  }

  async isBlocked(owner: string, peer: string): Promise<boolean> {
    return (
      (await this.#first("SELECT 1 FROM peers WHERE owner = $1 AND peer = $2 AND blocked", [owner, peer])) !== undefined
    );
  }

  async look(mailbox: number): Promise<Omit<MailboxState, "logId">> {
    const now = this.#clock();
    const [row, water] = await Promise.all([
      this.#first<{ last_value: number; keys: number; last_request: string | null }>(
        `SELECT (SELECT last_value FROM blocks) AS last_value, (SELECT last_request FROM mailboxes WHERE mailbox = $1) AS last_request,
          (SELECT count(*) FROM key_packages WHERE mailbox = $1 AND package IS NOT NULL AND valid_until > $2) AS keys`,
        [mailbox, now],
      ),
      this.#first<{ seq: number | null }>(HIGH_WATER, [[mailbox], now]),
    ]);
    const seq = water?.seq ?? 0;
    return {
      lastSeq: (row?.last_value ?? 0) * BLOCK + BLOCK - 1,
      highWater: seq > this.#deletedUpTo(mailbox) ? seq : 0,
      keyPackages: row?.keys ?? 0,
      lastRequest: row?.last_request ?? undefined,
    };
  }

  async countKeys(mailbox: number): Promise<number> {
    const row = await this.#first<{ keys: number }>(
      "SELECT count(*) AS keys FROM key_packages WHERE mailbox = $1 AND package IS NOT NULL AND valid_until > $2",
      [mailbox, this.#clock()],
    );
    return row?.keys ?? 0;
  }

  async changed(mailboxes: readonly number[]): Promise<MailboxChange[]> {
    return this.ask<MailboxChange>(
      `SELECT x.m AS mailbox, coalesce(m.username, m.name, '') AS username, CASE WHEN m.closed = 'device_replaced' THEN 'replaced'
          WHEN m.mailbox IS NULL OR m.closed IS NOT NULL THEN 'removed' WHEN m.disabled THEN 'disabled' ELSE 'unclaimed' END AS what
        FROM unnest($1::bigint[]) x(m) LEFT JOIN mailboxes m ON m.mailbox = x.m LEFT JOIN relays r ON r.relay = m.listener
        WHERE m.mailbox IS NULL OR m.closed IS NOT NULL OR m.disabled OR r.relay IS NULL`,
      [mailboxes],
    );
  }

  async online(): Promise<string[]> {
    const rows = await this.ask<{ username: string }>(
      "SELECT username FROM mailboxes m JOIN relays r ON r.relay = m.listener WHERE m.closed IS NULL AND m.username IS NOT NULL",
    );
    return rows.map(({ username }) => username);
  }

  async teamsOf(mailbox: number): Promise<TeamOf[]> {
    return this.ask<TeamOf>(
      // What it leaves by its own will is its own still; of an account that was removed nobody has any.
      `SELECT m.group_id AS "groupId", g.epoch, m.device, m.lapsed, m.leaves FROM mailboxes own JOIN members m ON m.name = own.name AND m.team
        JOIN groups g ON g.group_id = m.group_id LEFT JOIN mailboxes b ON b.mailbox = m.mailbox
        WHERE own.mailbox = $1 AND (NOT m.leaves OR (b.mailbox IS NOT NULL AND b.closed IS DISTINCT FROM 'unregistered'))`,
      [mailbox],
    );
  }

  entries(mailbox: number, after: number, room: { messages: number; bytes: number }): Promise<Found> {
    return this.#entries.read(mailbox, after, room);
  }

  async depth(): Promise<number> {
    return (await this.#first<{ count: number }>("SELECT count(*) AS count FROM entries"))?.count ?? 0;
  }

  async audit(last: number): Promise<AuditLine[]> {
    const rows = await this.ask<AuditRow>("SELECT * FROM audit ORDER BY number DESC LIMIT $1::bigint", [last]);
    return rows.toReversed().map(toLine);
  }

  async blob(id: string): Promise<Blob | undefined> {
    const row = await this.#first<BlobRow>("SELECT * FROM blobs WHERE id = $1", [id]);
    return row !== undefined && isThere(row, this.#clock()) ? toBlob(row) : undefined;
  }

  async knownBlobs(ids: string[]): Promise<Set<string>> {
    const rows = await this.ask<{ id: string }>("SELECT id FROM blobs WHERE id = ANY ($1::text[])", [ids]);
    return new Set(rows.map(({ id }) => id));
  }

  async sealedAfter(id: string, limit: number): Promise<Blob[]> {
    const rows = await this.ask<BlobRow>("SELECT * FROM blobs WHERE id > $1 AND sealed ORDER BY id LIMIT $2::bigint", [
      id,
      limit,
    ]);
    return rows.map(toBlob);
  }

  async blobTotals(): Promise<BlobTotals> {
    const row = await this.#first<BlobTotals>(
      `SELECT count(*) AS count, coalesce(sum(bytes), 0)::bigint AS bytes,
        coalesce(sum(bytes - come) FILTER (WHERE NOT sealed), 0)::bigint AS awaited FROM blobs`,
    );
    return row ?? { count: 0, bytes: 0, awaited: 0 };
  }

  async blobRoom(free: number, reserveBytes: number): Promise<number> {
    const rows = await this.ask<{ payer: string; bytes: number }>(
      "SELECT payer, sum(bytes)::bigint AS bytes FROM charges WHERE payer = ANY ($1::text[]) GROUP BY payer",
      [[payers.blobs, payers.blobsAwaited]],
    );
    const of = (payer: string): number => rows.find((row) => row.payer === payer)?.bytes ?? 0;
    return roomForBlobs({ all: of(payers.blobs), awaited: of(payers.blobsAwaited) }, free, reserveBytes);
  }

  async meta(key: string): Promise<string | undefined> {
    return (await this.#first<{ value: string }>("SELECT value FROM meta WHERE key = $1", [key]))?.value;
  }
}

function leftUntil(end: number): number {
  return Math.max(0, end - performance.now());
}

export interface AuditRow {
  kind: AuditLine["kind"];
  at: number;
  who: string;
  what: string;
  target: string | null;
  outcome: DeedDone["outcome"] | null;
  count: number | null;
}

export function toLine({ kind, at, who, what, target, outcome, count }: AuditRow): AuditLine {
  if (kind === "refusal") return { kind, hour: at, reason: what, who, count: count ?? 0 };
  return { kind, at, who, what, target: target ?? "", outcome: outcome ?? "done" };
}
