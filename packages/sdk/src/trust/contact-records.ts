/** Contacts as the store has them. */
import { toBase64 } from "../protocol/index.ts";
import type { ReadTransaction, WriteTransaction } from "../store/store.ts";
import type { ContactRecord } from "../records/tables.ts";

/** Groups that are kept for one contact, and that the next one may replace. [P-9.10] */
export const GROUPS_PER_CONTACT = 3;

/** Why nothing is sent to whom the relay shows in the place of a contact. */
export type Stop = "identity_changed" | "device_changed";

/** The next group with a contact names this one as replaced. Of more than it may name the newest are. */
export async function nameReplaced(tx: WriteTransaction, contact: string, group: string): Promise<void> {
  const names = [...(await replacedGroups(tx, contact)), group];
  await tx.put(`replaces/${contact}`, names.slice(-GROUPS_PER_CONTACT).join(" "));
}

/** The groups that the next one with a contact names as replaced. */
export async function replacedGroups(tx: ReadTransaction, contact: string): Promise<string[]> {
  const names = ((await tx.get(`replaces/${contact}`)) ?? "") as string;
  return names.split(" ").filter((id) => id !== "");
}

/** A contact's record when its key is pinned. */
export function pin(
  username: string,
  key: { identityKey: Uint8Array; deviceId: string; deviceKey: Uint8Array; counter: number },
  now: number,
): ContactRecord {
  return {
    username,
    identity_key: toBase64(key.identityKey),
    pinned_at: now,
    verified: false,
    blocked: false,
    device_id: key.deviceId,
    device_key: toBase64(key.deviceKey),
    device_counter: key.counter,
    reopenings: 0,
    reopen_at: 0,
  };
}
