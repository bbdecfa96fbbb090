import type { DatabaseSync } from "node:sqlite";
import type { StoreLimits } from "../store.ts";

/** Addresses that are remembered; beyond them all are read again. */
const REMEMBERED = 20_000;

interface Totals {
  accounts: number;
  bytes: number;
  changed: boolean;
}

export type Addresses = ReturnType<typeof addressesTable>;

/**
 * From where accounts were registered, by number, and what these have lying here: mail that others have not read, key packages,
 * groups, names. Each row that is charged bears the number, so that the same is given back when it goes.
 */
export function addressesTable(db: DatabaseSync, limits: Pick<StoreLimits, "addressAccounts" | "addressBytes">) {
  const select = db.prepare("SELECT id FROM addresses WHERE address = ?");
  const selectTotals = db.prepare("SELECT accounts, bytes FROM addresses WHERE id = ?");
  const insert = db.prepare("INSERT INTO addresses (address, accounts, bytes) VALUES (?, 0, 0)");
  const update = db.prepare("UPDATE addresses SET accounts = ?, bytes = ? WHERE id = ?");
  const remove = db.prepare("DELETE FROM addresses WHERE id = ?");
  const known = new Map<number, Totals>();
  /** Of those in `known`: their row is not up to date. */
  const changed = new Map<number, Totals>();
  /** Bytes that single accounts have left in mailboxes since the relay was started. */
  const accounts = new Map<string, number>();

  function totals(id: number): Totals {
    let found = known.get(id);
    if (found === undefined) {
      const row = selectTotals.get(id) as { accounts: number; bytes: number } | undefined;
      known.set(id, (found = { accounts: row?.accounts ?? 0, bytes: row?.bytes ?? 0, changed: false }));
    }
    return found;
  }

  function change(id: number): Totals {
    const found = totals(id);
    if (!found.changed) {
      found.changed = true;
      changed.set(id, found);
    }
    return found;
  }

  return {
    forget(): void {
      known.clear();
      changed.clear();
      // Their mail of before is not counted again: that lets in more, and nobody less.
      accounts.clear();
    },

    /** The number of an address, made if there is none; undefined if it is not known. */
    idOf(address: string): number | undefined {
      if (address === "") return undefined;
      const row = select.get(address) as { id: number } | undefined;
      return row?.id ?? Number(insert.run(address).lastInsertRowid);
    },

    /** Whether one account more may be registered from there. */
    takesAccount(id: number | undefined): boolean {
      if (id === undefined) return true;
      const { accounts: registered, bytes } = totals(id);
      return registered < limits.addressAccounts && bytes < limits.addressBytes;
    },

    countAccount(id: number | undefined, count: 1 | -1): void {
      if (id !== undefined) change(id).accounts += count;
    },

    bytes: (id: number) => totals(id).bytes,
    mail: (account: string) => accounts.get(account) ?? 0,

    /** Adds to what is there, or gives back. */
    charge(id: number | undefined, bytes: number): void {
      if (id !== undefined && bytes !== 0) change(id).bytes += bytes;
    },

    /** The same of mail. */
    chargeMail(id: number | undefined, account: string, bytes: number): void {
      if (id !== undefined) change(id).bytes += bytes;
      const left = (accounts.get(account) ?? 0) + bytes;
      // Below nothing is what had been there before the start.
      if (left > 0) accounts.set(account, left);
      else accounts.delete(account);
    },

    /** Writes what has changed, in the transaction in which it has. */
    flush(): void {
      for (const [id, total] of changed) {
        total.changed = false;
        if (total.accounts > 0 || total.bytes > 0) update.run(total.accounts, total.bytes, id);
        else {
          remove.run(id);
          known.delete(id);
        }
      }
      changed.clear();
      if (known.size > REMEMBERED) known.clear();
    },
  };
}
