/** What of the relay's refusals is the same for all that it does not take. */
import { isQuiet } from "../records/outbox-records.ts";
import type { OutboxRecord } from "../records/tables.ts";
import { isTemporary, type Refusal } from "../wire/connection.ts";

/** Whether the same bytes may be taken later. What a receipt says is said nowhere else: it waits for room. */
export function mayBeTaken({ kind }: OutboxRecord, refusal: Refusal): boolean {
  return isTemporary(refusal) || (isQuiet({ kind }) && isForRoom(refusal));
}

/** Receipts and commits lose nothing by waiting for room; messages are refused, so that their owner hears of it. */
export function isForRoom({ reason }: Refusal): boolean {
  return reason === "mailbox_full" || reason === "storage_quota";
}
