import type { DatabaseSync } from "node:sqlite";
import type { Addresses } from "./addresses.ts";
import { ROW_BYTES } from "../charges.ts";
import type { Blob, BlobTotals, NewBlob } from "../blob-rows.ts";
import { DAY_MS } from "../days.ts";
import { chargeOf, LEAST_CHARGE, roomForBlobs } from "../decisions/blob.ts";
import type { BlobOwner } from "../decisions/tables.ts";
import type { StoreLimits } from "../store.ts";

/** One of which nothing has come for so long is not waited for. Milliseconds. */
const UNFINISHED_MS = DAY_MS;
/** Begins the request of a file that has expired, so that its id may be used again: no client's begins so. */
const ENDED = "ended ";

interface Row {
  id: string;
  owner: string;
  address: number | null;
  token_hash: Uint8Array;
  read_hash: Uint8Array;
  bytes: number;
  readers: number;
  come: number;
  sealed: number | null;
  held: number | null;
  expires_at: number;
}

/** Bytes that are kept, of accounts, of addresses and of all. */
interface Totals {
  accounts: Map<string, number>;
  addresses: Map<number, number>;
  all: number;
  /** Those that have not come. */
  awaited: number;
}

/** Encrypted files: what is known of them, and the room that is kept for them. */
export function blobsTable(db: DatabaseSync, addresses: Addresses, limits: StoreLimits, clock: () => number) {
  const insert = db.prepare(
    `INSERT INTO blobs (id, owner, address, request_id, token_hash, read_hash, bytes, readers, come, touched_at, expires_at)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?)`,
  );
  const select = db.prepare("SELECT * FROM blobs WHERE id = ?");
  // Its index has none that belong to nobody: it is used by whoever says that none of these is meant.
  const byRequest = db.prepare("SELECT * FROM blobs WHERE owner = ? AND owner != '' AND request_id = ?");
  const setRequest = db.prepare("UPDATE blobs SET request_id = ? WHERE id = ?");
  const setToken = db.prepare("UPDATE blobs SET token_hash = ? WHERE id = ?");
  // Only bytes that come touch it: who asks again, or brings nothing, keeps no room by that.
  const advance = db.prepare(
    `UPDATE blobs SET touched_at = CASE WHEN ?1 > come THEN ?2 ELSE touched_at END, come = ?1
      WHERE id = ?3 AND come = ?4 AND sealed IS NULL`,
  );
  const seal = db.prepare("UPDATE blobs SET sealed = 1, come = bytes WHERE id = ?");
  const remove = db.prepare("DELETE FROM blobs WHERE id = ?");
  const disown = db.prepare("UPDATE blobs SET owner = '' WHERE owner = ? AND owner != ''");
  const expired = db.prepare("SELECT * FROM blobs WHERE expires_at <= ? AND coalesce(held, -1) < 0 LIMIT ?");
  const unfinished = db.prepare("SELECT * FROM blobs WHERE sealed IS NULL AND touched_at <= ? LIMIT ?");
  const sealedAfter = db.prepare("SELECT * FROM blobs WHERE id > ? AND sealed = 1 ORDER BY id LIMIT ?");
  const sums = db.prepare(
    "SELECT owner, address, count(*) AS count, sum(max(bytes, ?)) AS bytes FROM blobs GROUP BY owner, address",
  );
  const awaited = db.prepare("SELECT coalesce(sum(bytes - come), 0) AS bytes FROM blobs WHERE sealed IS NULL");
  const counts = db.prepare("SELECT count(*) AS count, coalesce(sum(bytes), 0) AS bytes FROM blobs");
  const mark = db.prepare("SELECT value FROM meta WHERE key = 'blobs_mark'");
  const setMark = db.prepare("INSERT OR IGNORE INTO meta VALUES ('blobs_mark', ?)");
  let known: Totals | undefined;

  function totals(): Totals {
    if (known !== undefined) return known;
    const { bytes: toCome } = awaited.get() as { bytes: number };
    known = { accounts: new Map(), addresses: new Map(), all: 0, awaited: toCome };
    for (const row of sums.all(LEAST_CHARGE) as unknown as Pick<Row, "owner" | "address" | "bytes">[])
      count(row, row.bytes);
    return known;
  }

  function count({ owner, address }: Pick<Row, "owner" | "address">, bytes: number): void {
    const all = totals();
    all.all += bytes;
    add(all.accounts, owner, bytes);
    if (address !== null) add(all.addresses, address, bytes);
  }

  /** Bytes that may come of files while so much of the disk is free. */
  function room(free: number): number {
    return roomForBlobs(totals(), free, limits.reserveBytes);
  }

  function drop(row: Row): void {
    totals();
    remove.run(row.id);
    count(row, -chargeOf(row.bytes));
    if (row.sealed === null) totals().awaited -= row.bytes - row.come;
    addresses.charge(row.address ?? undefined, -ROW_BYTES);
  }

  return {
    forget(): void {
      known = undefined;
    },

    byRequest(owner: string, requestId: string): Blob | undefined {
      const row = byRequest.get(owner, requestId) as Row | undefined;
      return row && toBlob(row);
    },

    room({ name, address }: BlobOwner) {
      const { accounts, addresses: places, all, awaited: toCome } = totals();
      const own = accounts.get(name) ?? 0;
      return { all, own, here: address === undefined ? own : (places.get(address) ?? 0), awaited: toCome };
    },

    add({ name, address }: BlobOwner, blob: NewBlob & Pick<Blob, "id" | "expiresAt">): void {
      const { id, requestId, tokenHash, readHash, bytes, readers, expiresAt } = blob;
      totals();
      insert.run(id, name, address ?? null, requestId, tokenHash, readHash, bytes, readers, clock(), expiresAt);
      count({ owner: name, address: address ?? null }, chargeOf(bytes));
      totals().awaited += bytes;
      addresses.charge(address, ROW_BYTES);
    },

    setToken(id: string, tokenHash: Uint8Array): void {
      setToken.run(tokenHash, id);
    },

    endRequest(id: string): void {
      setRequest.run(`${ENDED}${id}`, id);
    },

    find(id: string): Blob | undefined {
      const row = select.get(id) as Row | undefined;
      return row === undefined || ((row.held ?? -1) < 0 && row.expires_at <= clock()) ? undefined : toBlob(row);
    },

    advance(id: string, from: number, to: number): boolean {
      totals();
      const isThere = advance.run(to, clock(), id, from).changes > 0;
      if (isThere) totals().awaited -= to - from;
      return isThere;
    },

    seal(id: string): boolean {
      const row = select.get(id) as Row | undefined;
      if (row === undefined) return false;
      if (row.sealed === null) totals().awaited -= row.bytes - row.come;
      seal.run(id);
      return true;
    },

    mayCome: room,

    /** @param by Its uploader, of the account if it is given: what mail names is not its own any more. Else the relay. */
    remove(id: string, by?: { owner?: string }): boolean {
      const row = select.get(id) as Row | undefined;
      if (row === undefined) return false;
      if (by !== undefined && (row.held !== null || row.owner !== (by.owner ?? row.owner))) return false;
      drop(row);
      return true;
    },

    disown(owner: string): void {
      if (disown.run(owner).changes > 0) known = undefined;
    },

    removeOverdue(limit: number): string[] {
      const now = clock();
      const rows = [...expired.all(now, limit), ...unfinished.all(now - UNFINISHED_MS, limit)] as unknown as Row[];
      const overdue = new Map(rows.map((row) => [row.id, row]));
      for (const row of overdue.values()) drop(row);
      return [...overdue.keys()];
    },

    known: (ids: string[]): Set<string> => new Set(ids.filter((id) => select.get(id) !== undefined)),

    sealedAfter: (id: string, limit: number): Blob[] =>
      (sealedAfter.all(id, limit) as unknown as Row[]).map((row) => toBlob(row)),

    totals(): BlobTotals {
      const { count, bytes } = counts.get() as { count: number; bytes: number };
      return { count, bytes, awaited: totals().awaited };
    },

    mark: (): string | undefined => (mark.get() as { value: string } | undefined)?.value,

    setMark: (value: string): void => void setMark.run(value),
  };
}

function add<K>(amounts: Map<K, number>, key: K, bytes: number): void {
  const amount = (amounts.get(key) ?? 0) + bytes;
  if (amount > 0) amounts.set(key, amount);
  else amounts.delete(key);
}

function toBlob(row: Row): Blob {
  return {
    id: row.id,
    owner: row.owner,
    bytes: row.bytes,
    readers: row.readers,
    readHash: row.read_hash,
    tokenHash: row.token_hash,
    come: row.come,
    sealed: row.sealed === 1,
    held: row.held !== null,
    expiresAt: row.expires_at,
  };
}
