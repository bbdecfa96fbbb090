/** What became of a message to a team at each of those whom it was for, and what that makes of the whole. */
import { get, pad, parse, put } from "../records/records.ts";
import type { OutboxRecord } from "../records/tables.ts";
import type { ToRecord } from "../records/team-records.ts";
import { isRefusal } from "../records/outbox-records.ts";
import { settle, unlink } from "../turn/outbox-rows.ts";
import { whomFor } from "../records/rosters.ts";
import { awaitsFetching, filesWithout } from "./team-files.ts";
import type { Turn } from "../turn/turn.ts";
import { knownIn } from "./teams.ts";

type Counts = NonNullable<OutboxRecord["recipients"]>;

/** Why we give up what a member has asked for too often. */
export const UNDECRYPTABLE = "undecryptable";
/**
 * Final states do not change, but for the relay's word, and ours, which the recipient's outweighs: ours by what that says of the message itself. That it
 * lacks the counter no more says nothing: it hears that there is nothing to get under it.
 */
const RANK = { missing: 0, expired: 1, received: 3, gone: 4, refused: 4, failed: 4, handled: 4 } as const;
const RANK_OF_OURS = RANK.received;

function rankOf({ state, reason }: ToRecord): number {
  return state === "failed" && reason === UNDECRYPTABLE ? RANK_OF_OURS : RANK[state];
}

/**
 * Whether a message was for somebody: whoever came later asks for it in vain, and has no say on it.
 * @param by By which it is known that it is the same; undefined: whoever had that name then
 */
export async function isFor(turn: Turn, row: OutboxRecord, name: string, by?: string): Promise<boolean> {
  const known = (await whomFor(turn.tx, row)).get(name);
  return known !== undefined && known === (by ?? known);
}

/** Whether a member whom a message was for may not have it. */
export async function mayLack(turn: Turn, row: OutboxRecord, name: string): Promise<boolean> {
  if (!(await isFor(turn, row, name, await knownIn(turn, row.group ?? "", name)))) return false;
  const { state = "missing" } = (await get(turn.tx, "to/", `${pad(row.seq)}/${name}`)) ?? {};
  return state === "missing" || state === "expired";
}

/** Writes down what became of a message at one of its recipients, and what that makes of the whole. @returns whether it is news */
export async function settleAt(turn: Turn, row: OutboxRecord, name: string, outcome: ToRecord): Promise<boolean> {
  if (row.recipients === undefined || !(await isFor(turn, row, name))) return false;
  const at = `${pad(row.seq)}/${name}`;
  const known = (await get(turn.tx, "to/", at)) ?? UNKNOWN;
  if (!(await note(turn, at, known, outcome))) return false;
  const now = isForNobody(outcome) ? await filesWithout(turn, row, name, outcome.reason ?? outcome.state) : row;
  const counts = { ...(now.recipients ?? row.recipients) };
  count(counts, known.state, outcome.state);
  await settleAll(turn, { ...row, recipients: counts });
  return true;
}

/** The same at several at once, who never say a word on it any more. */
export async function settleAtEach(
  turn: Turn,
  row: OutboxRecord,
  names: Iterable<string>,
  outcome: ToRecord & { state: "gone" | "expired" },
): Promise<void> {
  if (row.recipients === undefined) return;
  const prefix = `to/${pad(row.seq)}/`;
  const known = new Map<string, ToRecord>();
  for (const [key, value] of await turn.tx.list({ prefix }))
    known.set(key.slice(prefix.length), parse(key, value) as ToRecord);
  const all = await whomFor(turn.tx, row);
  const counts = { ...row.recipients };
  let isNews = false;
  for (const name of names) {
    const before = known.get(name) ?? UNKNOWN;
    if (!all.has(name) || !(await note(turn, `${pad(row.seq)}/${name}`, before, outcome))) continue;
    count(counts, before.state, outcome.state);
    isNews = true;
  }
  if (isNews) await settleAll(turn, { ...row, recipients: counts });
}

/** @returns whether it is more than was known */
async function note(turn: Turn, at: string, known: ToRecord, outcome: ToRecord): Promise<boolean> {
  if (rankOf(outcome) <= rankOf(known)) return false;
  await put(turn.tx, "to/", at, { ...outcome, ...(known.files === undefined ? {} : { files: known.files }) });
  return true;
}

const UNKNOWN: ToRecord = { state: "missing" };

function count(counts: Counts, before: ToRecord["state"], state: ToRecord["state"]): void {
  for (const counted of COUNTED[before]) counts[counted] -= 1;
  for (const counted of COUNTED[state]) counts[counted] += 1;
}

/** Whoever has failed on it had it. */
const COUNTED: Record<ToRecord["state"], readonly ("received" | "handled" | "failed" | "expired" | "gone")[]> = {
  missing: [],
  expired: ["expired"],
  received: ["received"],
  handled: ["received", "handled"],
  failed: ["received", "failed"],
  refused: ["received", "failed"],
  gone: ["gone"],
};

/** A message has expired, for all at once: at all of whom nothing is known it ends. */
export async function expireAtOthers(
  turn: Turn,
  row: OutboxRecord,
  outcome: ToRecord & { state: "expired" },
): Promise<void> {
  await settleAtEach(turn, row, (await whomFor(turn.tx, row)).keys(), outcome);
}

/** Whether a member never fetches files of a message: it does not want it, or could not read it. */
function isForNobody({ state, reason }: ToRecord): boolean {
  return isRefusal(reason) || state === "refused" || (state === "failed" && reason === UNDECRYPTABLE);
}

/** The state of a message to a team is that of whoever is furthest behind; as soon as the relay has it. */
export async function settleAll(turn: Turn, row: OutboxRecord): Promise<void> {
  if (row.recipients === undefined || row.state === "queued") return put(turn.tx, "out/", pad(row.seq), row);
  const { received, handled, failed, expired, gone } = row.recipients;
  // Who is no member any more is not waited for.
  const living = row.recipients.all - gone;
  if (handled + failed + expired === living) {
    // What the relay has dropped is sent again to whoever comes back.
    if (expired === 0 && !(await awaitsFetching(turn, row))) await unlink(turn, row);
    const failure = {
      state: "failed",
      reason: living === 0 ? "gone" : "partial",
      provisional: expired > 0,
    } as const;
    return settle(turn, row, handled === living && living > 0 ? { state: "handled" } : failure);
  }
  // The relay's word, that it has dropped it, is outweighed by theirs.
  const isOpen = row.state === "stored" || (row.by_relay === true && row.state !== "refused");
  if (received === living && isOpen) return settle(turn, row, { state: "received" });
  return put(turn.tx, "out/", pad(row.seq), row);
}

/** Of a message to a team that we are out of: nobody is waited for who has not said what became of it. */
export async function endSent(turn: Turn, seq: number): Promise<void> {
  const row = await get(turn.tx, "out/", pad(seq));
  if (row?.recipients === undefined || row.state === "queued") return;
  await settleAtEach(turn, row, (await whomFor(turn.tx, row)).keys(), { state: "gone" });
  await unlink(turn, row);
}

/** Of a message to a team: somebody whom it was for is no member any more, and nobody waits for it. */
export async function goneFrom(turn: Turn, row: OutboxRecord, name: string): Promise<void> {
  await settleAt(turn, row, name, { state: "gone" });
  await filesGoneFrom(turn, row, [name]);
}

/** The same of several at once. */
export async function goneFromEach(turn: Turn, row: OutboxRecord, names: readonly string[]): Promise<void> {
  await settleAtEach(turn, row, names, { state: "gone" });
  await filesGoneFrom(turn, row, names);
}

/** Nobody waits for its files either, which whoever has handled it may not have fetched. (Where we are gone ourselves, the others may still fetch them.) */
async function filesGoneFrom(turn: Turn, row: OutboxRecord, names: readonly string[]): Promise<void> {
  if (row.files === undefined) return;
  for (const name of names) {
    const settled = await get(turn.tx, "out/", pad(row.seq));
    if (settled !== undefined && (await isFor(turn, settled, name))) await filesWithout(turn, settled, name, "gone");
  }
}
