/** What members report on what was sent to their team, and what becomes of that when they go or come back. */
import { isUnfetched } from "./file-reports.ts";
import { eachOf } from "./each.ts";
import { FETCHED, fileAtMember } from "./team-files.ts";
import { goneFrom, isFor, mayLack, settleAt } from "./team-outcomes.ts";
import { countsOf, oweAllToOne } from "./team-direct.ts";
import { sendToOne } from "./team-resend.ts";
import { rowById } from "../records/outbox-records.ts";
import { directAddress, teamAddress } from "../records/addresses.ts";
import { owed } from "../records/owed.ts";
import { get, pad, rowsUnder } from "../records/records.ts";
import type { ReportRecord } from "../records/left-records.ts";
import type { OutboxRecord } from "../records/tables.ts";
import type { TeamGroupRecord, TeamMemberRecord, ToRecord } from "../records/team-records.ts";
import { countersWaiting, rowByCounter } from "../turn/outbox-rows.ts";
import { type Team, teamMember, teamOf } from "../turn/groups.ts";
import type { Turn } from "../turn/turn.ts";

/** The costs of a word in a receipt that is about nothing, and of one that says again what is known. See `Waste`. */
const MISS = 0.05;
const KNOWN = 0.05;
/** A gap that is named again, as every receipt does until one was read. */
const KNOWN_GAP = 0.005;
/** Counters of ours that a member lacks, at most: beyond them, what it has said it has is not gone through. Honest ones name 400. */
const LACKS_AT_MOST = 1_000;

/** Of which group, and of whom in it; the group in memory is not there any more when it is over. */
interface Where {
  group: TeamGroupRecord;
  team: Team | undefined;
  from: string;
}

/** Applies a report of a member, and takes out of it what is applied. @returns whether that is all of it */
export async function applyFromMember(
  turn: Turn,
  { key, name: from }: { key: string; name: string },
  record: ReportRecord,
  goesOn: () => boolean,
): Promise<boolean> {
  const team = await teamOf(turn, record.conversation);
  const group = team?.record ?? (await get(turn.tx, "team-group/", record.conversation));
  if (group === undefined) return true;
  const where = { group, team, from };
  if (record.turned !== undefined) return applyTurn(turn, where, record.turned, goesOn);
  if (!(await confirm(turn, where, record, goesOn))) return false;
  const again = async (row: OutboxRecord | undefined, known: number): Promise<void> => {
    if (row === undefined || !(await sendToOne(turn, group, row, { name: from }))) turn.wasted(from, known);
  };
  const onMessage = async (id: string, work: (row: OutboxRecord) => Promise<void>): Promise<void> => {
    const row = await rowById(turn.tx, id);
    // Of what was for somebody else who had its name it knows nothing.
    const isOurs = row?.to === teamAddress(key) && (await isFor(turn, row, from, record.by));
    if (row === undefined || !isOurs) turn.wasted(from, MISS);
    else await work(row);
  };
  const tell = (id: string, outcome: ToRecord): Promise<void> =>
    onMessage(id, async (row) => {
      if (!(await settleAt(turn, row, from, outcome))) turn.wasted(from, KNOWN);
    });
  const onFile = (id: string, file: number, word: string): Promise<void> =>
    onMessage(id, async (row) => {
      // A word that is no news costs as much as one about nothing.
      if ((await fileAtMember(turn, row, { name: from, file, word })) === row) turn.wasted(from, MISS);
    });
  const { missing, undecryptable, handled, failed, fetched = [], unfetched = [] } = record;
  let waiting: Set<number> | undefined;
  const isWaiting = async (counter: number): Promise<boolean> => {
    if (waiting === undefined) {
      const { counters, looks } = await countersWaiting(turn, teamAddress(key), group.id);
      turn.wasted(from, looks * KNOWN_GAP);
      waiting = counters;
    }
    return waiting.has(counter);
  };
  const askedFor = async (gap: { group: string; counter: number }): Promise<void> => {
    if (gap.group !== group.id) return;
    const row = await rowByCounter(turn, group.id, gap.counter);
    const isOurs = group.state === "open" && gap.counter <= group.send_counter;
    if (!isOurs || (row !== undefined && (await mayLack(turn, row, from)))) return again(row, KNOWN_GAP);
    turn.wasted(from, KNOWN_GAP);
    if (row === undefined && (await isWaiting(gap.counter))) return;
    // Nothing has that counter any more, or nothing that is for it, or it has that already.
    const counts = countsOf(turn, { record: group }, record);
    await turn.tx.put(owed(directAddress(key, from), "free", pad(gap.counter)), counts);
  };
  return (
    (await eachOf(missing, goesOn, askedFor)) &&
    (await eachOf(undecryptable, goesOn, (id) => onMessage(id, (row) => again(row, KNOWN)))) &&
    (await eachOf(handled, goesOn, (id) => tell(id, { state: "handled" }))) &&
    (await eachOf(failed, goesOn, ({ id, reason, expired }) =>
      tell(id, { state: "failed", reason: expired === true ? "expired" : reason }),
    )) &&
    (await eachOf(fetched, goesOn, ({ id, file }) => onFile(id, file, FETCHED))) &&
    eachOf(unfetched, goesOn, async ({ id, file, reason }) => {
      if (isUnfetched(reason)) await onFile(id, file, reason);
    })
  );
}

/**
 * It has everything on disk that we sent up to a counter, but for what it misses, and but for what is before all that it has looked for: of that it
 * lacks what was for it. What it lacked before comes first: that is below all else.
 */
async function confirm(
  turn: Turn,
  { group, team, from }: Where,
  record: ReportRecord,
  goesOn: () => boolean,
): Promise<boolean> {
  const { id, send_counter: sent } = group;
  const known = Math.min(record.received[id] ?? 0, sent);
  if (known === 0) return true;
  const { since = 0 } = record;
  const missing = new Set(record.missing.filter((gap) => gap.group === id).map(({ counter }) => counter));
  // Of a device that is not there any more nothing is kept but what it had.
  const member = await countOf(turn, { team, from }, record.device);
  const named = [...missing].filter((counter) => counter <= known);
  const lacks = new Set([...(member.lacks ?? []), ...named].slice(0, LACKS_AT_MOST));
  const before = member.confirmed ?? 0;
  /** One that it does not miss: it has it, unless it has not looked for it. */
  const look = async (counter: number, row: OutboxRecord | undefined): Promise<void> => {
    record.upTo = counter;
    lacks.delete(counter);
    if (row === undefined || !(await isFor(turn, row, from, record.by))) return;
    if (counter > since) return void (await settleAt(turn, row, from, { state: "received" }));
    if (!(await mayLack(turn, row, from))) return;
    lacks.add(counter);
    if (!(await sendToOne(turn, group, row, { name: from }))) turn.wasted(from, MISS);
  };
  const keep = (upTo: number): void => {
    member.confirmed = Math.max(before, upTo);
    member.lacks = [...lacks].toSorted((a, b) => a - b);
    if (team !== undefined && team.members.get(from) === member) team.changed.add(from);
  };
  for (const counter of [...lacks].toSorted((a, b) => a - b)) {
    if (missing.has(counter) || counter <= (record.upTo ?? 0) || counter > Math.min(before, known)) continue;
    if (!goesOn()) return (keep(before), false);
    await look(counter, await rowByCounter(turn, id, counter));
  }
  const prefix = `sent/${id}/`;
  if (known > before)
    for await (const [key, seq] of rowsUnder(turn.tx, prefix, prefix + pad(Math.max(before, record.upTo ?? 0)))) {
      const counter = Number(key.slice(prefix.length));
      if (counter > known) break;
      if (missing.has(counter)) continue;
      if (!goesOn()) return (keep(record.upTo ?? 0), false);
      if (counter <= since && lacks.size >= LACKS_AT_MOST) {
        keep(record.upTo ?? 0);
        delete record.received[id];
        return true;
      }
      await look(counter, await get(turn.tx, "out/", pad(Number(seq))));
    }
  keep(known);
  delete record.received[id];
  return true;
}

/** What is known of the device that has said it. */
async function countOf(
  turn: Turn,
  { team, from }: Pick<Where, "team" | "from">,
  device: string | undefined,
): Promise<Pick<TeamMemberRecord, "confirmed" | "lacks">> {
  const member = team === undefined ? undefined : await teamMember(turn, team, from);
  return member?.device === device && member !== undefined ? member : {};
}

/** A member went, and nobody waits for it; or it is back, and is sent again what it lacks, and told once more what became of its messages. */
async function applyTurn(
  turn: Turn,
  { group, team, from }: Where,
  turned: NonNullable<ReportRecord["turned"]>,
  goesOn: () => boolean,
): Promise<boolean> {
  const prefix = `sent/${group.id}/`;
  for await (const [key, seq] of rowsUnder(turn.tx, prefix, turned.after)) {
    if (Number(key.slice(prefix.length)) > turned.upTo) break;
    if (!goesOn()) return false;
    const row = await get(turn.tx, "out/", pad(Number(seq)));
    // What the relay has refused is encrypted again under its own counter: for those who are there then.
    const { group: of, epoch = -1 } = row?.recipients ?? {};
    const isOlder = of !== group.id || epoch < turned.epoch;
    if (row !== undefined && turned.to === "gone" && isOlder) await goneFrom(turn, row, from);
    else if (row !== undefined && turned.to === "back")
      await sendToOne(turn, group, row, { name: from, back: turned.epoch });
    turned.after = key;
  }
  if (turned.to === "gone") return true;
  if (!goesOn()) return false;
  if (team !== undefined) await oweAllToOne(turn, team, from);
  return true;
}
