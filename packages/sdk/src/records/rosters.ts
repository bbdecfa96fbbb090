/**
 * Whom messages to teams are for: they stand once for all that was sent while they were the same, and go with the last of it. A name may be
 * somebody else's later, to whom nothing of that is sent, and who has no say on it.
 */
import { get, pad, put } from "./records.ts";
import type { OutboxRecord } from "./tables.ts";
import type { ReadTransaction, WriteTransaction } from "../store/store.ts";
import type { TeamGroupRecord } from "./team-records.ts";

/** Their names, in lower case, and by which each is known: see {@link knownBy}. */
export type Whom = ReadonlyMap<string, string>;

const read = new WeakMap<ReadTransaction, Map<string, Whom>>();

/** By what an identity key (base64) is known again: nobody makes another one that begins so. */
export function knownBy(identityKey: string): string {
  return identityKey.slice(0, 16);
}

/** The names of those who are not among the others, or are somebody else there. */
export function notAmong(whom: Whom, others: Whom): string[] {
  return [...whom].filter(([name, by]) => others.get(name) !== by).map(([name]) => name);
}

/** Whom a message is for. A receipt asks it of thousands, which have few rosters: each is read once in a transaction. */
export async function whomFor(tx: ReadTransaction, { recipients }: OutboxRecord): Promise<Whom> {
  if (recipients === undefined) return new Map();
  const at = placeOf(recipients);
  const known = read.get(tx) ?? new Map<string, Whom>();
  read.set(tx, known);
  const whom = known.get(at) ?? new Map((await get(tx, "roster/", at))?.whom);
  // What is not there yet may be written in this transaction; whatever is there stays as it is until it goes.
  if (whom.size > 0) known.set(at, whom);
  return whom;
}

/** A message is for the present members, without ourselves. */
export async function enterRoster(
  tx: WriteTransaction,
  record: TeamGroupRecord,
  row: OutboxRecord,
  whom: Whom,
): Promise<NonNullable<OutboxRecord["recipients"]>> {
  await leaveRoster(tx, row);
  const epoch = (record.roster_epoch ??= record.epoch);
  const at = `${record.id}/${pad(epoch)}`;
  if ((await tx.get(`roster/${at}`)) === undefined) await put(tx, "roster/", at, { whom: [...whom] });
  await tx.put(`roster-row/${at}/${pad(row.seq)}`, "");
  return { group: record.id, epoch, all: whom.size, received: 0, handled: 0, failed: 0, expired: 0, gone: 0 };
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
