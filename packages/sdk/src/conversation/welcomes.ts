/** Key packages of ours by which others open groups with us, of two or of many. */
import { usernameKey } from "../protocol/index.ts";
import { leastStock, lessIsLeft, removeKeyPackage } from "../records/key-records.ts";
import { get, put } from "../records/records.ts";
import type { KeyRecord } from "../records/tables.ts";
import type { Turn } from "../turn/turn.ts";

/** Groups of two that one sender may open by the same last-resort package, which is there to be used again. */
export const LAST_RESORT_USES = 3;
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

/** Under which it is kept which pairs a sender has opened by a package of last resort. */
function joinedBy({ ref }: Pick<KeyRecord, "ref">, from: string): string {
  return `joined/${ref}/${usernameKey(from)}/`;
}

/** Whether a sender has opened as many pairs by a package as it may. */
export async function isUsedUp(turn: Turn, key: KeyRecord, from: string): Promise<boolean> {
  const prefix = joinedBy(key, from);
  return (await turn.tx.list({ prefix, limit: LAST_RESORT_USES })).length === LAST_RESORT_USES;
}

/** Whether a pair was joined by a package before: by the same Welcome it could be once more, for as long as the private part is there. */
export async function wasJoined(turn: Turn, key: KeyRecord, from: string, pair: string): Promise<boolean> {
  return (await turn.tx.get(joinedBy(key, from) + pair)) !== undefined;
}

/** A group was opened, which is a `pair` or a team: a single-use private part is gone with its use; the last resort's a day later. */
export async function useKeyPackage(
  turn: Turn,
  { ref, last_resort }: KeyRecord,
  from: string,
  pair?: string,
): Promise<void> {
  if (!last_resort) {
    await removeKeyPackage(turn.tx, ref);
    // Of what came before, the relay has not counted it among what it said at the login.
    if (turn.isCurrent) await lessIsLeft(turn.tx, (await leastStock(turn.tx)) - 1);
    return;
  }
  if (pair !== undefined) await turn.tx.put(joinedBy({ ref }, from) + pair, "");
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
