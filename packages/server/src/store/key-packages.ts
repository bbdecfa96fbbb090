import { hash } from "node:crypto";
import type { DatabaseSync } from "node:sqlite";

/** A key package is valid for 89 days from when it was made; none is handed out that could end on its way. */
const LIFETIME_MS = 88 * 24 * 3600 * 1000;

/** Packages that were handed out, of one device, that are known again if they are published once more. */
const REMEMBERED = 1_000;

export type KeyPackages = ReturnType<typeof keyPackagesTable>;

/** Stocks of key packages (RFC 9750, section 5.1): each is handed out once, the last resort when none is left. */
export function keyPackagesTable(db: DatabaseSync, capacity: number, clock: () => number) {
  const insert = db.prepare(
    "INSERT OR IGNORE INTO key_packages (mailbox, digest, package, published_at) VALUES (?, ?, ?, ?)",
  );
  const trim = db.prepare(
    `UPDATE key_packages SET package = NULL WHERE number IN (SELECT number FROM key_packages
      WHERE mailbox = ? AND package IS NOT NULL ORDER BY number DESC LIMIT -1 OFFSET ?)`,
  );
  const forget = db.prepare(
    `DELETE FROM key_packages WHERE number IN (SELECT number FROM key_packages
      WHERE mailbox = ? AND package IS NULL ORDER BY number DESC LIMIT -1 OFFSET ?)`,
  );
  const countLeft = db.prepare(
    "SELECT count(*) AS count FROM key_packages WHERE mailbox = ? AND package IS NOT NULL AND published_at > ?",
  );
  const oldest = db.prepare(
    `SELECT number, package, published_at FROM key_packages WHERE mailbox = ? AND package IS NOT NULL
      AND published_at > ? ORDER BY number LIMIT 1`,
  );
  const take = db.prepare("UPDATE key_packages SET package = NULL WHERE number = ?");
  const putLastResort = db.prepare("INSERT OR REPLACE INTO last_resorts VALUES (?, ?, ?)");
  const selectLastResort = db.prepare("SELECT package FROM last_resorts WHERE mailbox = ? AND published_at > ?");
  const selectClaim = db.prepare("SELECT package FROM claims WHERE claimant = ? AND mailbox = ? AND published_at > ?");
  const putClaim = db.prepare("INSERT OR REPLACE INTO claims VALUES (?, ?, ?, ?)");
  const deleteClaim = db.prepare("DELETE FROM claims WHERE claimant = ? AND mailbox = ?");
  const deletions = [
    db.prepare("DELETE FROM key_packages WHERE mailbox = ?"),
    db.prepare("DELETE FROM last_resorts WHERE mailbox = ?"),
    db.prepare("DELETE FROM claims WHERE mailbox = ?"),
    db.prepare("DELETE FROM claims WHERE claimant = ?"),
  ];
  const outdated = [
    db.prepare("DELETE FROM key_packages WHERE published_at <= ?"),
    db.prepare("DELETE FROM last_resorts WHERE published_at <= ?"),
    db.prepare("DELETE FROM claims WHERE published_at <= ?"),
  ];

  const cutoff = (): number => clock() - LIFETIME_MS;

  function count(mailbox: number): number {
    return (countLeft.get(mailbox, cutoff()) as { count: number }).count;
  }

  return {
    count,

    /** Adds to a stock. Of more than fit the newest are kept. */
    publish(mailbox: number, packages: Uint8Array[], lastResort: Uint8Array | undefined): number {
      for (const bytes of packages) insert.run(mailbox, hash("sha256", bytes, "buffer"), bytes, clock());
      if (packages.length > 0) {
        trim.run(mailbox, capacity);
        forget.run(mailbox, REMEMBERED);
      }
      if (lastResort !== undefined) putLastResort.run(mailbox, lastResort, clock());
      return count(mailbox);
    },

    /** What this claimant holds already and has not used; it gets the same again. */
    unusedClaim(claimant: number, mailbox: number): Uint8Array | undefined {
      return (selectClaim.get(claimant, mailbox, cutoff()) as { package: Uint8Array } | undefined)?.package;
    },

    take(claimant: number, mailbox: number): Uint8Array | undefined {
      const row = oldest.get(mailbox, cutoff()) as
        | { number: number; package: Uint8Array; published_at: number }
        | undefined;
      if (row === undefined) return undefined;
      take.run(row.number);
      putClaim.run(claimant, mailbox, row.package, row.published_at);
      return row.package;
    },

    lastResort(mailbox: number): Uint8Array | undefined {
      return (selectLastResort.get(mailbox, cutoff()) as { package: Uint8Array } | undefined)?.package;
    },

    /** The claimant has opened a group with it. */
    used(claimant: number, mailbox: number): void {
      deleteClaim.run(claimant, mailbox);
    },

    removeAll(mailbox: number): void {
      for (const statement of deletions) statement.run(mailbox);
    },

    sweep(): void {
      for (const statement of outdated) statement.run(cutoff());
    },
  };
}
