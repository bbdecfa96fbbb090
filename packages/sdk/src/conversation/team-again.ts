/**
 * What is to be done with all that was sent in a group of many, over as many turns as it takes: where the team was founded anew, what was not received
 * waits for that; where it is over, all of it ends. What waits in the outbox comes behind it.
 */
import { directAddress, teamAddress } from "../records/addresses.ts";
import type { AgainRecord } from "../records/left-records.ts";
import { hasLeft } from "../records/outbox-records.ts";
import { find, get, pad, parse, partsUnder, put, remove, rowsUnder } from "../records/records.ts";
import type { OutboxRecord } from "../records/tables.ts";
import type { ToRecord } from "../records/team-records.ts";
import { deleteRow, LAST_ATTEMPT, requeue, settle, unlink } from "../turn/outbox-rows.ts";
import { notAmong, type Whom, whomFor } from "../records/rosters.ts";
import { teamOf } from "../turn/groups.ts";
import type { Turn } from "../turn/turn.ts";
import { endSent, goneFromEach } from "./team-outcomes.ts";
import { whomIn } from "./teams.ts";

/** Messages that are looked at in any case, so that it comes to an end: each has as many rows as the group has members. */
const AT_LEAST = 1;

interface Where {
  group: string;
  key: string;
  /** `sendAnew`: in the group that has taken the place of this one. */
  what: "sendAnew" | "end";
  /** Whether what waits in the outbox was for this group, too. */
  isTeams: boolean;
}

/** Begins. What goes on in the group already comes first, and so does what its members have reported. Until it is done, nothing leaves for the team. */
export async function beginInTeam(turn: Turn, { group, key, what, isTeams }: Where): Promise<void> {
  const { tx } = turn;
  const prefix = `sent/${group}/`;
  const [last] = await tx.list({ prefix, reverse: true, limit: 1 });
  const known = await find(tx, "again/", group);
  const nextOf = async (sequence: "report" | "out") => Number((await tx.get(`meta/next-${sequence}`)) ?? "1");
  const record: AgainRecord = {
    contact: teamAddress(key),
    behind: await nextOf("report"),
    ...(isTeams ? { before: await nextOf("out") } : {}),
    ...(what === "end" ? { endsAt: last === undefined ? 0 : counterIn(last[0]) } : {}),
  };
  turn.cache.again.set(group, record.contact);
  if (known === undefined) return void (await goOnInTeam(turn, group, record, 1));
  turn.isCut = true;
  await put(tx, "again/", group, chained(known, record));
}

/** Of two ends that wait behind something else the later one is for all. */
function chained(known: AgainRecord, record: AgainRecord): AgainRecord {
  const { next } = known;
  const isLast = next === undefined || (next.endsAt !== undefined && record.endsAt !== undefined);
  return { ...known, next: isLast ? record : chained(next, record) };
}

/** @returns whether the turn has time for others of the kind */
export async function goOnInTeam(turn: Turn, group: string, record: AgainRecord, share: number): Promise<boolean> {
  const { cache, tx } = turn;
  let count = 0;
  const goesOn = () => count++ < AT_LEAST || turn.mayGoOn(share);
  const isWaiting = (await waitsForReports(turn, record)) || (await waitsForOther(turn, group, record));
  const work = record.endsAt === undefined ? sendAllAnew : endAll;
  if (isWaiting || !(await work(turn, group, record, goesOn))) {
    await put(tx, "again/", group, record);
    return isWaiting;
  }
  if (record.next === undefined) {
    cache.again.delete(group);
    await remove(tx, "again/", group);
  } else {
    turn.isCut = true;
    await put(tx, "again/", group, record.next);
  }
  return true;
}

/** What members have said before counts: but for whoever is not read for now, who could keep everybody waiting. */
async function waitsForReports(turn: Turn, { contact, behind: end = 0 }: AgainRecord): Promise<boolean> {
  const prefix = `report/${contact}.`;
  for await (const name of partsUnder(turn.tx, prefix)) {
    const [first] = turn.isSpent(name) ? [] : await turn.tx.list({ prefix: `${prefix}${name}/`, limit: 1 });
    if (first === undefined || counterIn(first[0]) >= end) continue;
    turn.isCut = true;
    return true;
  }
  return false;
}

/** What was not received in a group that this one has replaced is sent in this one, before that ends. */
async function waitsForOther(turn: Turn, group: string, { contact, endsAt }: AgainRecord): Promise<boolean> {
  if (endsAt === undefined) return false;
  for (const [other, whose] of turn.cache.again) {
    if (other === group || whose !== contact) continue;
    const record = await find(turn.tx, "again/", other);
    if (record === undefined || record.endsAt !== undefined) continue;
    turn.isCut = true;
    return true;
  }
  return false;
}

type Work = (turn: Turn, group: string, record: AgainRecord, goesOn: () => boolean) => Promise<boolean>;

/** We are no member any more: of what we have sent nothing more will be heard, and what has not left goes nowhere. */
const endAll: Work = async (turn, group, record, goesOn) => {
  const { endsAt = 0, contact, before } = record;
  for await (const [at, seq] of rowsUnder(turn.tx, `sent/${group}/`, record.after)) {
    if (counterIn(at) > endsAt) break;
    if (!goesOn()) return false;
    await turn.on(`out/${pad(Number(seq))}`, () => endSent(turn, Number(seq)));
    record.after = at;
  }
  return before === undefined || endWaiting(turn, contact.slice(1), before, goesOn);
};

/** What waits goes neither to this team, nor to another one that might have its key later. */
async function endWaiting(turn: Turn, key: string, before: number, goesOn: () => boolean): Promise<boolean> {
  for await (const [at, row] of waitingRows(turn, `queue/${teamAddress(key)}/`, before)) {
    if (!goesOn()) return false;
    if (row === undefined) await turn.tx.delete(at);
    // All may have what has left: the relay says what became of it.
    else if ((await turn.tx.get(`wire/${pad(row.seq)}`)) === undefined) {
      await unlink(turn, row);
      await settle(turn, row, { state: "refused", reason: "not_a_member", provisional: hasLeft(row) });
    }
  }
  for await (const [at, row] of waitingRows(turn, `queue/${directAddress(key, "")}`, before)) {
    if (!goesOn()) return false;
    if (row === undefined) await turn.tx.delete(at);
    else await deleteRow(turn, row);
  }
  // If we are in it again, members hear of it: they are the same, or know nothing of it.
  if ((await find(turn.tx, "team/", key))?.state === "active") return true;
  for await (const [at] of rowsUnder(turn.tx, `owed/${directAddress(key, "")}`)) {
    if (!goesOn()) return false;
    await turn.tx.delete(at);
  }
  return true;
}

/** What was not received waits for the group that has replaced this one. */
const sendAllAnew: Work = async (turn, group, record, goesOn) => {
  const { contact, before } = record;
  const key = contact.slice(1);
  const team = await get(turn.tx, "team/", key);
  const next = team === undefined ? undefined : await teamOf(turn, team.group);
  const whom = next === undefined ? new Map<string, string>() : await whomIn(turn, next);
  for await (const [at, seq] of rowsUnder(turn.tx, `sent/${group}/`, record.after)) {
    if (!goesOn()) return false;
    await turn.on(`out/${pad(Number(seq))}`, () => sendAnew(turn, pad(Number(seq)), whom));
    record.after = at;
  }
  // What one member lacked there is sent here with the message itself.
  for await (const [, row] of waitingRows(turn, `queue/${directAddress(key, "")}`, before ?? 0)) {
    if (row === undefined || (row.of === undefined && row.group !== group)) continue;
    if (!goesOn()) return false;
    if (row.of !== undefined) await deleteRow(turn, row);
    else await requeueOnceMore(turn, row);
  }
  return true;
};

async function sendAnew(turn: Turn, seq: string, whom: Whom): Promise<void> {
  const before = await get(turn.tx, "out/", seq);
  if (before?.recipients === undefined) return;
  const were = await whomFor(turn.tx, before);
  const gone = new Set(notAmong(were, whom));
  // Nobody waits for whom the team was founded without.
  await goneFromEach(turn, before, [...gone]);
  const row = await get(turn.tx, "out/", seq);
  const there = [...were.keys()].filter((name) => !gone.has(name));
  if (row === undefined || !(await isLacking(turn, row, there))) return;
  await unlink(turn, row);
  await requeueOnceMore(turn, row);
}

/** Whether somebody who is still there has not got it, and it can be sent. */
async function isLacking(turn: Turn, row: OutboxRecord, there: readonly string[]): Promise<boolean> {
  const mayBeSent =
    row.state === "queued" || row.state === "stored" || (row.state === "failed" && row.by_relay === true);
  if (!mayBeSent || (await turn.tx.get(`out-body/${pad(row.seq)}`)) === undefined) return false;
  const prefix = `to/${pad(row.seq)}/`;
  const have = new Set<string>();
  for (const [key, value] of await turn.tx.list({ prefix })) {
    const { state } = parse(key, value) as ToRecord;
    if (state !== "missing" && state !== "expired") have.add(key.slice(prefix.length));
  }
  return there.some((name) => !have.has(name));
}

/** Under another id of its frame, since the relay may have it under this one. */
async function requeueOnceMore(turn: Turn, row: OutboxRecord): Promise<void> {
  if (row.attempt < LAST_ATTEMPT) await requeue(turn, { ...row, attempt: row.attempt + 1 });
  else await settle(turn, row, { state: "failed", reason: "undecryptable", provisional: true });
}

/** What waited before a place in the outbox, with its key in the queue. */
async function* waitingRows(
  turn: Turn,
  prefix: string,
  before: number,
): AsyncGenerator<[at: string, row: OutboxRecord | undefined]> {
  for await (const [at] of rowsUnder(turn.tx, prefix))
    if (counterIn(at) < before) yield [at, await get(turn.tx, "out/", at.slice(at.lastIndexOf("/") + 1))];
}

/** The number that a key ends in. */
function counterIn(key: string): number {
  return Number(key.slice(key.lastIndexOf("/") + 1));
}
