import { givingBack } from "./charges.ts";
import { tableWrites } from "./columns.ts";

export interface StockRow {
  /** Undefined of one that is new. */
  number?: number;
  digest: Uint8Array;
  package?: Uint8Array;
  bytes: number;
  address: number | null;
  published_at: number;
  valid_until: number;
}

export interface PackageRow {
  mailbox: number;
  package: Uint8Array;
  address: number | null;
  published_at: number;
  valid_until: number;
}
export type ClaimRow = PackageRow & { claimant: number; claimed_at: number };

export const lastResorts = tableWrites<PackageRow>("last_resorts", ["mailbox"], {
  mailbox: "bigint",
  package: "bytea",
  address: "bigint",
  published_at: "bigint",
  valid_until: "bigint",
});
export const claims = tableWrites<ClaimRow>("claims", ["claimant", "mailbox"], {
  claimant: "bigint",
  mailbox: "bigint",
  package: "bytea",
  address: "bigint",
  published_at: "bigint",
  valid_until: "bigint",
  claimed_at: "bigint",
});

const CHARGED = "RETURNING address, coalesce(length(package), 0) AS bytes";
export const ADD = `INSERT INTO key_packages (mailbox, digest, package, address, published_at, valid_until)
  SELECT $1::bigint, d, p, a, t, v FROM unnest($2::bytea[], $3::bytea[], $4::bigint[], $5::bigint[], $6::bigint[]) WITH ORDINALITY x(d, p, a, t, v, n) ORDER BY n`;
export const FORGET = `DELETE FROM key_packages WHERE number IN (SELECT number FROM key_packages
  WHERE mailbox = $1 AND package IS NULL ORDER BY number DESC OFFSET $2::bigint)`;
export const USED = givingBack(
  `DELETE FROM claims c USING unnest($2::bigint[], $3::bigint[]) x(a, b) WHERE c.claimant = x.a AND c.mailbox = x.b RETURNING c.address, length(c.package) AS bytes`,
);
export const CLAIMS_OF = givingBack(`DELETE FROM claims WHERE mailbox = $2 ${CHARGED}`);
export const REMOVE_ALL = [
  givingBack(`DELETE FROM key_packages WHERE mailbox = $2 ${CHARGED}`),
  givingBack(`DELETE FROM last_resorts WHERE mailbox = $2 ${CHARGED}`),
  CLAIMS_OF,
  givingBack(`DELETE FROM claims WHERE claimant = $2 ${CHARGED}`),
];
/** Who publishes or claims has read what lies there, under the lock of its owner: of those that are locked the rest goes the next time. */
function deleting(table: string, which: string): string {
  return givingBack(
    `DELETE FROM ${table} WHERE ${which} AND mailbox IN (SELECT mailbox FROM free) ${CHARGED}`,
    `free AS (SELECT mailbox FROM mailboxes WHERE mailbox = ANY (ARRAY(SELECT mailbox FROM ${table} WHERE ${which}))
      FOR NO KEY UPDATE SKIP LOCKED),`,
  );
}
export const OUTDATED = ["key_packages", "last_resorts", "claims"].map((table) =>
  deleting(table, "valid_until <= $2::bigint"),
);
export const FORGOTTEN = deleting("claims", "claimed_at <= $2::bigint");

export function listsOf(rows: StockRow[]): unknown[] {
  return [
    rows.map(({ digest }) => digest),
    rows.map((row) => row.package ?? null),
    rows.map(({ address }) => address),
    rows.map(({ published_at }) => published_at),
    rows.map(({ valid_until }) => valid_until),
  ];
}
