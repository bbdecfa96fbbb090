import { hash } from "node:crypto";
import type { DatabaseSync } from "node:sqlite";
import { handedOutUntil } from "../package-lifetime.ts";
import type { Addresses } from "./addresses.ts";
import type { Published, StockOwner } from "../decisions/tables.ts";
import type { StoreLimits } from "../store.ts";

/** A row was charged for its package, wherever that is. */
const CHARGED = "RETURNING address, length(package) AS bytes";

/** Packages that were handed out, of one device, that are known again if they are published once more. */
const REMEMBERED = 1_000;

export type KeyPackages = ReturnType<typeof keyPackagesTable>;

/** Stocks of key packages (RFC 9750, section 5.1): each is handed out once, the last resort when none is left. */
export function keyPackagesTable(
  db: DatabaseSync,
  addresses: Addresses,
  limits: Pick<StoreLimits, "keyPackages" | "claimAge">,
  clock: () => number,
) {
  const insert = db.prepare(
    `INSERT OR IGNORE INTO key_packages (mailbox, digest, package, published_at, address, valid_until)
      VALUES (?, ?, ?, ?, ?, ?)`,
  );
  const tooMany = db.prepare(
    `SELECT number, address, length(package) AS bytes FROM key_packages
      WHERE mailbox = ? AND package IS NOT NULL ORDER BY number DESC LIMIT -1 OFFSET ?`,
  );
  const forget = db.prepare(
    `DELETE FROM key_packages WHERE number IN (SELECT number FROM key_packages
      WHERE mailbox = ? AND package IS NULL ORDER BY number DESC LIMIT -1 OFFSET ?)`,
  );
  const countLeft = db.prepare(
    "SELECT count(*) AS count FROM key_packages WHERE mailbox = ? AND package IS NOT NULL AND valid_until > ?",
  );
  const oldest = db.prepare(
    `SELECT number, package, published_at, address, valid_until FROM key_packages
      WHERE mailbox = ? AND package IS NOT NULL AND valid_until > ? ORDER BY number LIMIT 1`,
  );
  const take = db.prepare("UPDATE key_packages SET package = NULL WHERE number = ?");
  const putLastResort = db.prepare("INSERT INTO last_resorts VALUES (?, ?, ?, ?, ?)");
  const removeLastResort = db.prepare(`DELETE FROM last_resorts WHERE mailbox = ? ${CHARGED}`);
  const selectLastResort = db.prepare("SELECT package FROM last_resorts WHERE mailbox = ? AND valid_until > ?");
  const selectClaim = db.prepare(
    "SELECT package FROM claims WHERE claimant = ? AND mailbox = ? AND valid_until > ? AND claimed_at > ?",
  );
  const putClaim = db.prepare("INSERT INTO claims VALUES (?, ?, ?, ?, ?, ?, ?)");
  const deleteClaim = db.prepare(`DELETE FROM claims WHERE claimant = ? AND mailbox = ? ${CHARGED}`);
  const deleteClaimsOf = db.prepare(`DELETE FROM claims WHERE mailbox = ? ${CHARGED}`);
  const deletions = [
    db.prepare(`DELETE FROM key_packages WHERE mailbox = ? ${CHARGED}`),
    removeLastResort,
    deleteClaimsOf,
    db.prepare(`DELETE FROM claims WHERE claimant = ? ${CHARGED}`),
  ];
  const outdated = [
    db.prepare(`DELETE FROM key_packages WHERE valid_until <= ? ${CHARGED}`),
    db.prepare(`DELETE FROM last_resorts WHERE valid_until <= ? ${CHARGED}`),
    db.prepare(`DELETE FROM claims WHERE valid_until <= ? ${CHARGED}`),
  ];
  const forgetClaims = db.prepare(`DELETE FROM claims WHERE claimed_at <= ? ${CHARGED}`);

  /** Gives back what these rows were charged. */
  function giveBack(rows: unknown[]): void {
    for (const { address, bytes } of rows as { address: number | null; bytes: number | null }[])
      addresses.charge(address ?? undefined, -(bytes ?? 0));
  }

  /** Takes all but so many out of a stock. */
  function keepNewest(mailbox: number, count: number): void {
    const rows = tooMany.all(mailbox, count) as { number: number }[];
    for (const { number } of rows) take.run(number);
    giveBack(rows);
  }

  function count(mailbox: number): number {
    return (countLeft.get(mailbox, clock()) as { count: number }).count;
  }

  return {
    count,

    bytes(mailbox: number): number {
      const rows = tooMany.all(mailbox, 0) as { bytes: number }[];
      return rows.reduce((sum, { bytes }) => sum + bytes, 0);
    },

    /**
     * Adds to a stock what is valid, or replaces it: then nobody is handed out again what was there before, not even by a claim that was
     * not used. Of more than fit the newest are kept.
     */
    publish({ mailbox, address }: StockOwner, { packages, lastResort, replace }: Published): number {
      const from = address ?? null;
      if (replace) {
        keepNewest(mailbox, 0);
        giveBack(deleteClaimsOf.all(mailbox));
      }
      for (const bytes of packages) {
        const until = handedOutUntil(bytes, clock());
        if (until === 0) continue;
        const { changes } = insert.run(mailbox, hash("sha256", bytes, "buffer"), bytes, clock(), from, until);
        if (Number(changes) > 0) addresses.charge(address, bytes.length);
      }
      if (packages.length > 0) {
        keepNewest(mailbox, limits.keyPackages);
        forget.run(mailbox, REMEMBERED);
      }
      const lastUntil = lastResort === undefined ? 0 : handedOutUntil(lastResort, clock());
      if (lastResort !== undefined && lastUntil > 0) {
        giveBack(removeLastResort.all(mailbox));
        putLastResort.run(mailbox, lastResort, clock(), from, lastUntil);
        addresses.charge(address, lastResort.length);
      }
      return count(mailbox);
    },

    unusedClaim(claimant: number, mailbox: number): Uint8Array | undefined {
      return (
        selectClaim.get(claimant, mailbox, clock(), clock() - limits.claimAge) as { package: Uint8Array } | undefined
      )?.package;
    },

    take(claimant: number, mailbox: number): Uint8Array | undefined {
      const row = oldest.get(mailbox, clock()) as
        | { number: number; package: Uint8Array; published_at: number; address: number | null; valid_until: number }
        | undefined;
      if (row === undefined) return undefined;
      // Still charged to its owner, until the claim is over.
      take.run(row.number);
      giveBack(deleteClaim.all(claimant, mailbox));
      putClaim.run(claimant, mailbox, row.package, row.published_at, row.address, clock(), row.valid_until);
      return row.package;
    },

    lastResort(mailbox: number): Uint8Array | undefined {
      return (selectLastResort.get(mailbox, clock()) as { package: Uint8Array } | undefined)?.package;
    },

    /** The claimant has opened a group with it. */
    used(claimant: number, mailbox: number): void {
      giveBack(deleteClaim.all(claimant, mailbox));
    },

    removeAll(mailbox: number): void {
      for (const statement of deletions) giveBack(statement.all(mailbox));
    },

    sweep(): void {
      for (const statement of outdated) giveBack(statement.all(clock()));
      giveBack(forgetClaims.all(clock() - limits.claimAge));
    },
  };
}
