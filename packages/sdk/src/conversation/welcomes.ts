/** Key packages of ours by which others open groups with us, of two or of many. */
import { usernameKey } from "../protocol/index.ts";
import { leastStock, lessIsLeft, removeKeyPackage } from "../records/key-records.ts";
import { get, put } from "../records/records.ts";
import type { KeyRecord } from "../records/tables.ts";
import type { Turn } from "../turn/turn.ts";

const LAST_RESORT_GRACE_MS = 24 * 3_600_000;

/** The package that a Welcome is made for, with its private part. Undefined if this device has it no more, or if there are several. */
export async function packageOf(
  turn: Turn,
  welcome: Uint8Array,
): Promise<(KeyRecord & { secret: Uint8Array }) | undefined> {
  const [ref, ...others] = turn.crypto.welcomeRefs(welcome);
  const key = ref === undefined || others.length > 0 ? undefined : await get(turn.tx, "key/", ref);
  const secret = key && (await turn.tx.get(`key-secret/${key.ref}`));
  return key === undefined || secret === undefined ? undefined : { ...key, secret: secret as Uint8Array };
}

/** A single-use private part is gone with its use; the last resort's a day later. */
export async function useKeyPackage(turn: Turn, { ref, last_resort }: KeyRecord, from: string): Promise<void> {
  if (!last_resort) {
    await removeKeyPackage(turn.tx, ref);
    // Of what came before, the relay has not counted it among what it said at the login.
    if (turn.isCurrent) await lessIsLeft(turn.tx, (await leastStock(turn.tx)) - 1);
    return;
  }
  const key = await get(turn.tx, "key/", ref);
  if (key !== undefined && key.delete_at === undefined)
    await put(turn.tx, "key/", ref, { ...key, delete_at: turn.now + LAST_RESORT_GRACE_MS });
  turn.lastResortUsed = true;
  const stock = await leastStock(turn.tx);
  if (stock > 0)
    await turn.alert(
      "last_resort",
      usernameKey(from),
      `${from} was given the last-resort key package while ${stock} others were left`,
    );
}
