/** Members' reports on what was sent to their team. */
import { isUnfetched } from "./file-reports.ts";
import { FETCHED, fileAtMember } from "./team-files.ts";
import { isFor, settleAt } from "./team-outcomes.ts";
import { sendToOne } from "./team-resend.ts";
import { readReceipt } from "./receipt.ts";
import { rowById } from "../records/outbox-records.ts";
import { teamAddress } from "../records/addresses.ts";
import { get, pad, rowsUnder } from "../records/records.ts";
import type { ToRecord } from "../records/team-records.ts";
import { rowByCounter } from "../turn/outbox-rows.ts";
import { type Team, teamMember } from "../turn/groups.ts";
import type { Turn } from "../turn/turn.ts";

/** Costs of a receipt that is none, and of a word in one that changes nothing. See `Waste`. */
const MALFORMED = 2;
const MISS = 0.02;

/** What a member says of messages that were sent to all. */
export async function applyTeamReceipt(turn: Turn, team: Team, from: string, body: Uint8Array): Promise<void> {
  const receipt = readReceipt(body);
  if (receipt === undefined) return turn.wasted(from, MALFORMED);
  const { id, key } = team.record;
  const upTo = receipt.received[id] ?? 0;
  const missing = new Set(receipt.missing.filter(({ group }) => group === id).map(({ counter }) => counter));
  if (upTo > 0) await confirm(turn, team, from, { upTo, missing, since: receipt.since ?? 0 });
  for (const counter of missing) {
    const row = await rowByCounter(turn, id, counter);
    if (row !== undefined) await sendToOne(turn, team, row, from);
  }
  for (const message of receipt.undecryptable) {
    const row = await rowById(turn.tx, message);
    if (row === undefined || row.to !== teamAddress(key)) turn.wasted(from, MISS);
    else await sendToOne(turn, team, row, from);
  }
  const tell = async (message: string, outcome: ToRecord): Promise<void> => {
    const row = await rowById(turn.tx, message);
    if (row === undefined || row.to !== teamAddress(key)) turn.wasted(from, MISS);
    else await settleAt(turn, row, from, outcome);
  };
  for (const message of receipt.handled) await tell(message, { state: "handled" });
  for (const { id: message, reason, expired } of receipt.failed)
    await tell(message, { state: "failed", reason: expired === true ? "expired" : reason });
  const { fetched = [], unfetched = [] } = receipt;
  const onFile = async (message: string, file: number, word: string): Promise<void> => {
    const row = await rowById(turn.tx, message);
    const isOurs = row !== undefined && row.to === teamAddress(key) && (await isFor(turn, row, from));
    // A word that is no news costs as much as one about nothing.
    if (!isOurs || (await fileAtMember(turn, row, { name: from, file, word })) === row) turn.wasted(from, MISS);
  };
  for (const { id: message, file } of fetched) await onFile(message, file, FETCHED);
  for (const { id: message, file, reason } of unfetched) if (isUnfetched(reason)) await onFile(message, file, reason);
}

/**
 * It has everything on disk that we sent up to a counter, but for what it misses, and but for what is before all that it has looked for: of that it
 * lacks what was for it.
 */
async function confirm(
  turn: Turn,
  team: Team,
  from: string,
  { upTo, missing, since }: { upTo: number; missing: Set<number>; since: number },
): Promise<void> {
  const member = await teamMember(turn, team, from);
  const before = member.confirmed ?? 0;
  const received = async (seq: number): Promise<void> => {
    const row = await get(turn.tx, "out/", pad(seq));
    if (row !== undefined) await settleAt(turn, row, from, { state: "received" });
  };
  const lacks: number[] = [];
  for (const counter of member.lacks ?? []) {
    const row = missing.has(counter) ? undefined : await rowByCounter(turn, team.record.id, counter);
    if (row !== undefined && counter > since) await received(row.seq);
    else if (row !== undefined) {
      lacks.push(counter);
      await sendToOne(turn, team, row, from);
    }
  }
  const known = Math.min(upTo, team.record.send_counter);
  lacks.push(...[...missing].filter((counter) => counter <= known));
  if (known <= before && lacks.join() === (member.lacks ?? []).join()) return;
  const prefix = `sent/${team.record.id}/`;
  for await (const [key, seq] of rowsUnder(turn.tx, prefix, prefix + pad(before))) {
    const counter = Number(key.slice(prefix.length));
    if (counter > known) break;
    if (missing.has(counter)) continue;
    if (counter > since) await received(Number(seq));
    else if (await lacksOld(turn, team, from, Number(seq))) lacks.push(counter);
  }
  member.confirmed = Math.max(before, known);
  member.lacks = lacks;
  team.changed.add(from);
}

/** Sends a message again to a member that has not looked for it, if it was for that one. @returns whether it was */
async function lacksOld(turn: Turn, team: Team, from: string, seq: number): Promise<boolean> {
  const row = await get(turn.tx, "out/", pad(seq));
  if (row === undefined || !(await isFor(turn, row, from))) return false;
  await sendToOne(turn, team, row, from);
  return true;
}
