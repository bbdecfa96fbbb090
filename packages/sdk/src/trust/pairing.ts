/** Pairing lines, as far as they decide whom the owner trusts. */
import { list } from "../records/records.ts";
import type { LineRecord } from "../records/pairing-records.ts";
import type { ContactRecord } from "../records/tables.ts";
import type { ReadTransaction, WriteTransaction } from "../store/store.ts";
import { setStanding, standingOf } from "./standing.ts";

/** Whether somebody may still use a line. `now` in Unix milliseconds. */
export function isOpen({ state, expires_at }: LineRecord, now: number): boolean {
  return state === "open" && now < expires_at;
}

/** Whether somebody has used a line that was for somebody else, who alone might have had it. */
export function isForAnother({ for: name, by }: LineRecord): boolean {
  return name !== undefined && by !== undefined && by.username !== name;
}

/** Whether a stranger may come by a line: its owner waits for it. */
export async function hasOpenLine(tx: ReadTransaction, now: number): Promise<boolean> {
  return (await list(tx, "line/")).some((line) => isOpen(line, now));
}

/** Whether the owner wants nothing of a contact: pairing lifts no block. */
export async function isBlocked(tx: ReadTransaction, { username, blocked }: ContactRecord): Promise<boolean> {
  return blocked || (await standingOf(tx, username)) === "block";
}

/** A contact has proven who it is. @returns its record, to be saved */
export async function verified(tx: WriteTransaction, contact: ContactRecord): Promise<ContactRecord> {
  await setStanding(tx, contact.username, "allow");
  const { stranger: _stranger, ...known } = contact;
  return { ...known, verified: true };
}
