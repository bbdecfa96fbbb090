/** Whom messages to teams are for: the names stand once for all that was sent while they were the same, and go with the last of it. */
import { get, pad, put } from "./records.ts";
import type { OutboxRecord } from "./tables.ts";
import type { ReadTransaction, WriteTransaction } from "../store/store.ts";
import type { TeamGroupRecord } from "./team-records.ts";

const read = new WeakMap<ReadTransaction, Map<string, ReadonlySet<string>>>();

/** Whom a message is for. A receipt asks it of thousands, which have few rosters: each is read once in a transaction. */
export async function namesFor(tx: ReadTransaction, { recipients }: OutboxRecord): Promise<ReadonlySet<string>> {
  if (recipients === undefined) return new Set();
  const at = placeOf(recipients);
  const known = read.get(tx) ?? new Map<string, ReadonlySet<string>>();
  read.set(tx, known);
  const names = known.get(at) ?? new Set((await get(tx, "roster/", at))?.names);
  // What is not there yet may be written in this transaction; whatever is there stays as it is until it goes.
  if (names.size > 0) known.set(at, names);
  return names;
}

/** A message is for the present members: `names` without ourselves. */
export async function enterRoster(
  tx: WriteTransaction,
  record: TeamGroupRecord,
  row: OutboxRecord,
  names: string[],
): Promise<NonNullable<OutboxRecord["recipients"]>> {
  await leaveRoster(tx, row);
  const epoch = (record.roster_epoch ??= record.epoch);
  const at = `${record.id}/${pad(epoch)}`;
  if ((await get(tx, "roster/", at)) === undefined) await put(tx, "roster/", at, { names });
  await tx.put(`roster-row/${at}/${pad(row.seq)}`, "");
  return { group: record.id, epoch, all: names.length, received: 0, handled: 0, failed: 0, expired: 0, gone: 0 };
}

/** A message is forgotten, or for others. */
export async function leaveRoster(tx: WriteTransaction, { seq, recipients }: OutboxRecord): Promise<void> {
  if (recipients === undefined) return;
  const at = placeOf(recipients);
  await tx.delete(`roster-row/${at}/${pad(seq)}`);
  if ((await tx.list({ prefix: `roster-row/${at}/`, limit: 1 })).length > 0) return;
  await tx.delete(`roster/${at}`);
  read.get(tx)?.delete(at);
}

function placeOf({ group, epoch }: NonNullable<OutboxRecord["recipients"]>): string {
  return `${group}/${pad(epoch)}`;
}
