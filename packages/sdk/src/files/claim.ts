/** One process at a time works on a file. */
import type { FileClaim } from "../records/file-records.ts";
import { get, put } from "../records/records.ts";
import type { Tables } from "../records/tables.ts";
import type { ClientStore, WriteTransaction } from "../store/store.ts";

/** How long a claim holds that is not renewed, and how often it is. Milliseconds. */
const CLAIM_MS = 20_000;
const RENEW_MS = 5_000;
/** A clock that is set back by less frees nothing: whoever lives renews it by the new one. Milliseconds. */
const SET_BACK_MS = 60_000;

/** A process, by a word of its own for what it does, and its mark. */
export type Claimer = Pick<FileClaim, "by" | "mark">;

export function claimOf({ by, mark }: Claimer): FileClaim {
  return { by, until: Date.now() + CLAIM_MS, ...(mark === undefined ? {} : { mark }) };
}

/** Whether another process works on it still, as far as can be known. */
export function isTaken(store: ClientStore, claim: FileClaim | undefined, { by }: Pick<FileClaim, "by">): boolean {
  if (claim === undefined || claim.by === by) return false;
  if (claim.mark !== undefined && store.isGone?.(claim.mark) === true) return false;
  // One that is so far ahead is of a clock that was wrong.
  return claim.until > Date.now() && claim.until <= Date.now() + CLAIM_MS + SET_BACK_MS;
}

type Table = "out-file/" | "in-file/";

/** What becomes of a record that is claimed, in a transaction. @returns undefined if it is not claimed any more */
export async function whileOurs<T extends Table, R>(
  tx: WriteTransaction,
  { table, key, by }: { table: T; key: string; by: string },
  change: (record: Tables[T]) => Promise<R>,
): Promise<R | undefined> {
  const record = await get(tx, table, key);
  return record?.claim?.by === by ? change(record) : undefined;
}

/** Keeps a claim until this is called. */
export function keepClaim(
  store: ClientStore,
  { table, key, claimer }: { table: Table; key: string; claimer: Claimer },
): () => void {
  const renew = (): Promise<unknown> =>
    store.write((tx) =>
      whileOurs(tx, { table, key, by: claimer.by }, (record) =>
        put(tx, table, key, { ...record, claim: claimOf(claimer) }),
      ),
    );
  const timer = setInterval(() => void renew().catch(() => undefined), RENEW_MS);
  return () => clearInterval(timer);
}
