import { tableWrites } from "./columns.ts";
import type { Sql } from "../link/link.ts";
import type { Look, Part, Send } from "./part.ts";
import { Missing } from "../../decisions/work.ts";
import { BoundedMap } from "../../bounded-map.ts";

interface Charge {
  payer: string;
  relay: number;
  bytes: number;
}

/** A row for each payer and relay: no relay ever waits for another one's. What a payer is charged is their sum. */
const table = tableWrites<Charge>("charges", ["payer", "relay"], { payer: "text", relay: "bigint", bytes: "bigint" });
/** How an insertion into charges ends. */
export const SUMS_OF = "ON CONFLICT (payer, relay) DO UPDATE SET bytes = charges.bytes + excluded.bytes";

/** What the other relays have charged is read again so often. Milliseconds. */
const FRESH_MS = 1_000;

/** Who pays, as text. */
export const payers = {
  address: (id: number): string => `@${id}`,
  /** Of an account's mail. Lower case. */
  account: (name: string): string => name,
  blobs: "blobs:",
  /** Those of which not everything has come. */
  blobsAwaited: "blobs awaited:",
  blobsOf: (name: string): string => `blobs of:${name}`,
  blobsAt: (address: number): string => `blobs at:${address}`,
};

/**
 * A statement whose rows give back what they were charged: of each `address`, and how many `bytes`. It ends with `RETURNING`, or selects.
 * @param before What the statement refers to, as `name AS (...),`
 */
export function givingBack(statement: string, before = ""): string {
  return `WITH ${before} gone AS (${statement}), sums AS (SELECT '@' || address AS payer, sum(bytes) AS bytes FROM gone WHERE address IS NOT NULL GROUP BY address)
    INSERT INTO charges (payer, relay, bytes) SELECT payer, $1::bigint, -bytes FROM sums WHERE bytes <> 0
    ${SUMS_OF}`;
}

/** What a relay remembers of charges: its own are exact, and those of others are at most a second old. */
export class KnownCharges extends BoundedMap<string, { bytes: number; at: number }> {
  fresh(payer: string): number | undefined {
    const known = this.get(payer);
    return known !== undefined && performance.now() - known.at < FRESH_MS ? known.bytes : undefined;
  }
}

/** What accounts and addresses have lying here, as a batch sees it. */
export class Charges implements Part {
  readonly looks: Record<string, Look>;
  readonly #relay: number;
  readonly #known: KnownCharges;
  readonly #read = new Map<string, number>();
  readonly #added = new Map<string, number>();

  constructor(relay: number, known: KnownCharges) {
    this.#relay = relay;
    this.#known = known;
    this.looks = { charges: (sql, payers_) => this.read(sql, payers_) };
  }

  async read(sql: Sql, keys: readonly string[]): Promise<void> {
    const stale = keys.filter((payer) => this.#known.fresh(payer) === undefined);
    for (const payer of keys) this.#read.set(payer, this.#known.fresh(payer) ?? 0);
    if (stale.length === 0) return;
    const rows = await sql<{ payer: string; bytes: number }>(
      "SELECT payer, sum(bytes)::bigint AS bytes FROM charges WHERE payer = ANY ($1::text[]) GROUP BY payer",
      [stale],
    );
    for (const { payer, bytes } of rows) this.#read.set(payer, bytes);
    const at = performance.now();
    for (const payer of stale) this.#known.set(payer, { bytes: this.#read.get(payer) ?? 0, at });
  }

  /** @throws Missing */
  of(payer: string): number {
    const read = this.#read.get(payer) ?? this.#known.fresh(payer);
    if (read === undefined) throw new Missing("charges", payer);
    this.#read.set(payer, read);
    return read + (this.#added.get(payer) ?? 0);
  }

  add(payer: string, bytes: number): void {
    if (bytes !== 0) this.#added.set(payer, (this.#added.get(payer) ?? 0) + bytes);
  }

  /** Bytes of an address, if that is known. */
  addAt(address: number | undefined, bytes: number): void {
    if (address !== undefined) this.add(payers.address(address), bytes);
  }

  undo(): void {
    this.#added.clear();
  }

  write(send: Send): void {
    const rows = [...this.#added].filter(([, bytes]) => bytes !== 0);
    if (rows.length === 0) return;
    const [insert, values] = table.insert(rows.map(([payer, bytes]) => ({ payer, relay: this.#relay, bytes })));
    send(`${insert} ${SUMS_OF}`, values);
  }

  committed(): void {
    for (const [payer, bytes] of this.#added) {
      const known = this.#known.get(payer);
      if (known !== undefined) known.bytes += bytes;
    }
  }
}
