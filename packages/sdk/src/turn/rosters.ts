/** Whom messages to teams are for: the names stand once for all that was sent while they were the same, and go with the last of it. */
import { get, pad, put } from "../records/records.ts";
import type { OutboxRecord } from "../records/tables.ts";
import type { WriteTransaction } from "../store/store.ts";
import type { Team } from "./groups.ts";

/** A message is for the present members: `names` without ourselves. */
export async function enterRoster(
  tx: WriteTransaction,
  { record }: Team,
  row: OutboxRecord,
  names: string[],
): Promise<NonNullable<OutboxRecord["recipients"]>> {
  await leaveRoster(tx, row);
  const epoch = (record.roster_epoch ??= record.epoch);
  const at = `${record.id}/${pad(epoch)}`;
  if ((await get(tx, "roster/", at)) === undefined) await put(tx, "roster/", at, { names });
  await tx.put(`roster-row/${at}/${pad(row.seq)}`, "");
  return { epoch, all: names.length, received: 0, handled: 0, failed: 0, expired: 0, gone: 0 };
}

/** A message is forgotten, or for others. */
export async function leaveRoster(tx: WriteTransaction, { seq, group, recipients }: OutboxRecord): Promise<void> {
  if (group === undefined || recipients === undefined) return;
  const at = `${group}/${pad(recipients.epoch)}`;
  await tx.delete(`roster-row/${at}/${pad(seq)}`);
  if ((await tx.list({ prefix: `roster-row/${at}/`, limit: 1 })).length === 0) await tx.delete(`roster/${at}`);
}
