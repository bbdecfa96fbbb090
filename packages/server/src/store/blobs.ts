import { randomBytes } from "node:crypto";
import type { DatabaseSync } from "node:sqlite";
import { type Addresses, ROW_BYTES } from "./addresses.ts";
import type { Blob, BlobTotals, NewBlob } from "./blob-rows.ts";
import { DAY_MS } from "./days.ts";
import type { Refused, StoreLimits } from "./store.ts";

/** However small, each takes a file of the disk. Bytes. */
const LEAST_CHARGE = 2 ** 16;
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

/** Of a disk that is not small mail is left so much more than it must have, at least. Bytes. */
const LEFT_TO_MAIL = 2 ** 28;

/** The account that asks for room. */
export interface BlobOwner {
  /** Lower-case name. */
  name: string;
  address: number | undefined;
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
  const byRequest = db.prepare("SELECT * FROM blobs WHERE owner = ? AND request_id = ?");
  const setRequest = db.prepare("UPDATE blobs SET request_id = ? WHERE id = ?");
  const setToken = db.prepare("UPDATE blobs SET token_hash = ? WHERE id = ?");
  // Only bytes that come touch it: who asks again, or brings nothing, keeps no room by that.
  const advance = db.prepare(
    `UPDATE blobs SET touched_at = CASE WHEN ?1 > come THEN ?2 ELSE touched_at END, come = ?1
      WHERE id = ?3 AND come = ?4 AND sealed IS NULL`,
  );
  const seal = db.prepare("UPDATE blobs SET sealed = 1, come = bytes WHERE id = ?");
  const remove = db.prepare("DELETE FROM blobs WHERE id = ?");
  const disown = db.prepare("UPDATE blobs SET owner = '' WHERE owner = ?");
  const expired = db.prepare("SELECT * FROM blobs WHERE expires_at <= ? AND coalesce(held, -1) < 0 LIMIT ?");
  const unfinished = db.prepare("SELECT * FROM blobs WHERE sealed IS NULL AND touched_at <= ? LIMIT ?");
  const sealedAfter = db.prepare("SELECT * FROM blobs WHERE id > ? AND sealed = 1 ORDER BY id LIMIT ?");
  const sums = db.prepare(
    "SELECT owner, address, count(*) AS count, sum(max(bytes, ?)) AS bytes FROM blobs GROUP BY owner, address",
  );
  const awaited = db.prepare("SELECT coalesce(sum(bytes - come), 0) AS bytes FROM blobs WHERE sealed IS NULL");
  const counts = db.prepare("SELECT count(*) AS count, coalesce(sum(bytes), 0) AS bytes FROM blobs");
  const mark = db.prepare("SELECT value FROM meta WHERE key = 'blobs_mark'");
  const setMark = db.prepare("INSERT OR REPLACE INTO meta VALUES ('blobs_mark', ?)");
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

  /** Whoever has much has less of what is left: neither one account nor one address takes it all. */
  function fits({ name, address }: BlobOwner, bytes: number, most: number): boolean {
    const { accounts, addresses: places, all } = totals();
    const own = accounts.get(name) ?? 0;
    const here = address === undefined ? own : (places.get(address) ?? 0);
    const mostOfOne = Math.min(limits.accountBlobs, Math.floor((most - (all - own)) / 4));
    return own + bytes <= mostOfOne && here + bytes <= Math.floor((most - (all - here)) / 2);
  }

  /** Bytes that may come of files while so much of the disk is free. */
  function room(free: number): number {
    if (free === Infinity) return Infinity;
    const { all, awaited: toCome } = totals();
    return free - leftToMail(free + all - toCome, limits.reserveBytes);
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

    reserve(owner: BlobOwner, blob: NewBlob): Blob | Refused {
      const now = clock();
      const before = byRequest.get(owner.name, blob.requestId) as Row | undefined;
      if (before !== undefined && before.expires_at > now) {
        const isSame =
          before.bytes === blob.bytes && before.readers === blob.readers && equal(before.read_hash, blob.readHash);
        if (!isSame) return { refused: "message_id_reused" };
        setToken.run(blob.tokenHash, before.id);
        return toBlob({ ...before, token_hash: blob.tokenHash });
      }
      // Its file and its room go with it, when it is removed.
      if (before !== undefined) setRequest.run(`${ENDED}${before.id}`, before.id);
      if (blob.bytes > limits.blobBytes) return { refused: "blob_too_large" };
      // Of a disk that is smaller than what files may take there are shares, too: one account must not leave nothing to others.
      const toCome = totals().awaited;
      const left = room(blob.free ?? Infinity);
      if (left - toCome < blob.bytes) return { refused: "storage_full" };
      const most = Math.min(limits.blobs, totals().all - toCome + left);
      if (!fits(owner, chargeOf(blob.bytes), most)) return { refused: "blob_quota" };
      const row: Row = {
        id: randomBytes(16).toString("hex"),
        owner: owner.name,
        address: owner.address ?? null,
        token_hash: blob.tokenHash,
        read_hash: blob.readHash,
        bytes: blob.bytes,
        readers: blob.readers,
        come: 0,
        sealed: null,
        held: null,
        expires_at: now + Math.min(blob.ttl ?? limits.blobAge, limits.blobAge),
      };
      const { id, address, token_hash, read_hash, bytes, readers, expires_at } = row;
      insert.run(id, row.owner, address, blob.requestId, token_hash, read_hash, bytes, readers, now, expires_at);
      count(row, chargeOf(bytes));
      totals().awaited += bytes;
      addresses.charge(owner.address, ROW_BYTES);
      return toBlob(row);
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

    room,

    /** @param by Its uploader, of the account if it is given: what mail names is not its own any more. Else the relay. */
    remove(id: string, by?: { owner?: string }): boolean {
      const row = select.get(id) as Row | undefined;
      if (row === undefined) return false;
      if (by !== undefined && (row.held !== null || row.owner !== (by.owner ?? row.owner))) return false;
      drop(row);
      return true;
    },

    /** An account is removed: what it has sent may still be fetched. */
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

/**
 * What files leave to mail of a disk that has so many bytes for both: clearly more than mail must have, so that it goes on where no files
 * are taken any more. Of a small disk three quarters.
 */
function leftToMail(space: number, reserve: number): number {
  return Math.min(reserve + Math.max(LEFT_TO_MAIL, space / 10), Math.max((reserve * 5) / 4, (space * 3) / 4));
}

function chargeOf(bytes: number): number {
  return Math.max(bytes, LEAST_CHARGE);
}

function add<K>(amounts: Map<K, number>, key: K, bytes: number): void {
  const amount = (amounts.get(key) ?? 0) + bytes;
  if (amount > 0) amounts.set(key, amount);
  else amounts.delete(key);
}

function equal(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0;
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
