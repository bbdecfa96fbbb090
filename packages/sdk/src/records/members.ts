/** The other members of groups, as the store has them. */
import type { ReadTransaction, WriteTransaction } from "../store/store.ts";
import type { GroupRecord, MemberRecord } from "./group-records.ts";
import { deleteState } from "./group-state.ts";
import { get, remove } from "./records.ts";

/** The other side of a conversation of two. @throws if it is not there */
export async function readPeer(tx: ReadTransaction, { id, contact }: GroupRecord): Promise<MemberRecord> {
  const peer = await get(tx, "member/", `${id}/${contact}`);
  if (peer === undefined) throw new Error(`nothing is known of ${contact} in its conversation`);
  return peer;
}

/** Forgets a group of which nothing else is left: it would not be known again. */
export async function forgetGroup(tx: WriteTransaction, id: string): Promise<void> {
  await remove(tx, "group/", id);
  // A program of before, which had the store open when it was lifted, knows no parts and leaves them.
  await deleteState(tx, id);
  for (const [key] of await tx.list({ prefix: `member/${id}/` })) await tx.delete(key);
}
