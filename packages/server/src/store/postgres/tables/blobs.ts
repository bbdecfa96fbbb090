import { ROW_BYTES } from "../../charges.ts";
import type { Blob } from "../../blob-rows.ts";
import { DAY_MS } from "../../days.ts";
import { chargeOf, LEAST_CHARGE } from "../../decisions/blob.ts";
import type { Tables } from "../../decisions/tables.ts";
import { Missing } from "../../decisions/work.ts";
import { type Charges, payers, SUMS_OF } from "./charges.ts";
import { tableWrites } from "./columns.ts";
import { keyOf, type Look, type Part, type Send, valuesOf } from "./part.ts";
import { Rows } from "./rows.ts";

/** One of which nothing has come for so long is not waited for. Milliseconds. */
const UNFINISHED_MS = DAY_MS;
/** Begins the request of a file that has expired, so that its id may be used again: no client's begins so. */
const ENDED = "ended ";

export interface BlobRow {
  id: string;
  owner: string;
  address: number | null;
  request_id: string;
  token_hash: Uint8Array;
  read_hash: Uint8Array;
  bytes: number;
  readers: number;
  come: number;
  sealed: boolean;
  /** The body that names it; below 0 if that is gone. */
  held: number | null;
  touched_at: number;
  expires_at: number;
}

export const blobTable = tableWrites<BlobRow>("blobs", ["id"], {
  id: "text",
  owner: "text",
  address: "bigint",
  request_id: "text",
  token_hash: "bytea",
  read_hash: "bytea",
  bytes: "bigint",
  readers: "bigint",
  come: "bigint",
  sealed: "boolean",
  held: "bigint",
  touched_at: "bigint",
  expires_at: "bigint",
});

/** Encrypted files: what is known of them, and the room that is kept for them. */
export class BlobTable implements Part {
  readonly looks: Record<string, Look>;
  readonly #relay: number;
  readonly #charges: Charges;
  readonly #now: number;
  readonly #rows = new Rows<string, BlobRow>("blob");
  readonly #requests = new Map<string, string | undefined>();
  #overdue: string[] | undefined;
  readonly #disowned: string[] = [];

  constructor({ relay, charges, now }: { relay: number; charges: Charges; now: number }) {
    this.#relay = relay;
    this.#charges = charges;
    this.#now = now;
    this.looks = {
      blob: async (sql, keys) => {
        for (const id of keys) this.#rows.learn(id, undefined);
        for (const row of await sql<BlobRow>("SELECT * FROM blobs WHERE id = ANY ($1::text[]) ORDER BY id FOR UPDATE", [
          keys,
        ]))
          this.#rows.learn(row.id, row);
      },
      "blob request": async (sql, keys) => {
        for (const key of keys) {
          const [row] = await sql<BlobRow>(
            // Its index has none that belong to nobody: it is used by whoever says that none of these is meant.
            "SELECT * FROM blobs WHERE owner = $1 AND owner <> '' AND request_id = $2 FOR UPDATE",
            valuesOf(key),
          );
          if (row !== undefined) this.#rows.learn(row.id, row);
          this.#requests.set(key, row?.id);
        }
      },
      overdue: async (sql, keys) => {
        const rows = await sql<BlobRow>(OVERDUE, [this.#now, this.#now - UNFINISHED_MS, Number(keys[0])]);
        for (const row of rows) this.#rows.learn(row.id, row);
        this.#overdue = rows.map(({ id }) => id);
      },
    };
  }

  readonly tables: Tables["blobs"] = {
    find: (id) => {
      const row = this.#rows.get(id);
      return row === undefined || !isThere(row, this.#now) ? undefined : toBlob(row);
    },
    byRequest: (owner, requestId) => {
      const key = keyOf(owner, requestId);
      if (!this.#requests.has(key)) throw new Missing("blob request", key);
      const id = this.#requests.get(key);
      const made = this.#rows.kept.find((row) => row.owner === owner && row.request_id === requestId);
      const row = made ?? (id === undefined ? undefined : this.#rows.get(id));
      return row?.request_id === requestId ? toBlob(row) : undefined;
    },
    room: ({ name, address }) => {
      const own = this.#charges.of(payers.blobsOf(name));
      const here = address === undefined ? own : this.#charges.of(payers.blobsAt(address));
      return { all: this.#charges.of(payers.blobs), own, here, awaited: this.#charges.of(payers.blobsAwaited) };
    },
    add: ({ name, address }, { id, requestId, tokenHash, readHash, bytes, readers, expiresAt }) => {
      const row: BlobRow = {
        id,
        owner: name,
        address: address ?? null,
        request_id: requestId,
        token_hash: tokenHash,
        read_hash: readHash,
        bytes,
        readers,
        come: 0,
        sealed: false,
        held: null,
        touched_at: this.#now,
        expires_at: expiresAt,
      };
      this.#rows.put(id, row);
      this.#charge(row, 1);
    },
    setToken: (id, tokenHash) => this.#change(id, { token_hash: tokenHash }),
    endRequest: (id) => this.#change(id, { request_id: `${ENDED}${id}` }),
    disown: (owner) => void this.#disowned.push(owner),
  };

  /** Keeps files for as long as a body that names them. */
  hold(ids: string[], body: number): void {
    for (const id of ids) this.#change(id, { held: body });
  }

  /** Moves on what has come. False: it is gone, or stands elsewhere. */
  advance(id: string, from: number, to: number): boolean {
    const row = this.#rows.get(id);
    if (row === undefined || row.sealed || row.come !== from) return false;
    this.#charges.add(payers.blobsAwaited, from - to);
    // Only bytes that come touch it: who asks again, or brings nothing, keeps no room by that.
    this.#change(id, { come: to, touched_at: to > from ? this.#now : row.touched_at });
    return true;
  }

  seal(id: string): boolean {
    const row = this.#rows.get(id);
    if (row === undefined) return false;
    if (!row.sealed) this.#charges.add(payers.blobsAwaited, row.come - row.bytes);
    this.#change(id, { sealed: true, come: row.bytes });
    return true;
  }

  /** @param by Its uploader, of the account if it is given: what mail names is not its own any more. Else the relay. */
  remove(id: string, by?: { owner?: string }): boolean {
    const row = this.#rows.get(id);
    if (row === undefined) return false;
    if (by !== undefined && (row.held !== null || row.owner !== (by.owner ?? row.owner))) return false;
    this.#charge(row, -1);
    this.#rows.remove(id);
    return true;
  }

  removeOverdue(limit: number): string[] {
    if (this.#overdue === undefined) throw new Missing("overdue", String(limit));
    for (const id of this.#overdue) this.remove(id);
    return this.#overdue;
  }

  #change(id: string, change: Partial<BlobRow>): void {
    const row = this.#rows.get(id);
    if (row !== undefined) this.#rows.put(id, { ...row, ...change });
  }

  #charge({ owner, address, bytes, come, sealed }: BlobRow, times: 1 | -1): void {
    const charged = times * chargeOf(bytes);
    this.#charges.add(payers.blobs, charged);
    if (owner !== "") this.#charges.add(payers.blobsOf(owner), charged);
    if (address !== null) this.#charges.add(payers.blobsAt(address), charged);
    if (!sealed) this.#charges.add(payers.blobsAwaited, times * (bytes - come));
    this.#charges.addAt(address ?? undefined, times * ROW_BYTES);
  }

  undo(): void {
    this.#rows.undo();
    this.#disowned.length = 0;
  }

  write(send: Send): void {
    const gone = [...this.#rows.made].filter(([, row]) => row === undefined).map(([id]) => id);
    if (gone.length > 0) send("DELETE FROM blobs WHERE id = ANY ($1::text[])", [gone]);
    const kept = this.#rows.kept;
    if (kept.length > 0) send(blobTable.upsert, blobTable.values(kept));
    for (const owner of this.#disowned) send(DISOWN, [this.#relay, owner, payers.blobsOf(owner)]);
  }
}

const EXPIRED = "expires_at <= $1::bigint AND coalesce(held, -1) < 0";
const UNFINISHED = "NOT sealed AND touched_at <= $2::bigint";

/** Found by an index each, and looked at again when they are locked: others may have changed them meanwhile. */
const OVERDUE = `SELECT * FROM blobs WHERE id = ANY (ARRAY(
    (SELECT id FROM blobs WHERE ${EXPIRED} LIMIT $3::bigint) UNION (SELECT id FROM blobs WHERE ${UNFINISHED} LIMIT $3::bigint)
  )) AND ((${EXPIRED}) OR (${UNFINISHED})) ORDER BY id LIMIT $3::bigint FOR UPDATE`;

/** By what is there, and not by what is remembered of it: other relays have changed that just now, perhaps. */
const DISOWN = `WITH gone AS (UPDATE blobs SET owner = '' WHERE owner = $2 AND owner <> '' RETURNING bytes)
  INSERT INTO charges (payer, relay, bytes) SELECT $3::text, $1::bigint, -sum(greatest(bytes, ${LEAST_CHARGE})) FROM gone HAVING count(*) > 0
  ${SUMS_OF}`;

/** Whether a file is there for whoever asks: what mail names does not expire. */
export function isThere({ held, expires_at }: BlobRow, now: number): boolean {
  return (held ?? -1) >= 0 || expires_at > now;
}

export function toBlob(row: BlobRow): Blob {
  const { id, owner, bytes, readers, come, sealed, held } = row;
  // Not the engine's own kind of bytes.
  const [readHash, tokenHash] = [new Uint8Array(row.read_hash), new Uint8Array(row.token_hash)];
  return {
    id,
    owner,
    bytes,
    readers,
    readHash,
    tokenHash,
    come,
    sealed,
    held: held !== null,
    expiresAt: row.expires_at,
  };
}
