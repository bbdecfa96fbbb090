/**
 * The books on what has come of a member's messages to all, by their counters. Whatever is not here and not named as missing its sender takes
 * for received: so nothing is ever struck off for want of room. [P-15.10]
 */
import type { Content } from "../crypto/content.ts";
import { type Team, teamMember } from "../turn/groups.ts";
import type { Turn } from "../turn/turn.ts";
import type { Gap, TeamMemberRecord } from "../records/team-records.ts";

/** Runs of missing counters, at most. Where there are more, the oldest are taken for one, with what is here between them. */
const GAPS_AT_MOST = 400;
/** Missing counters that one receipt names: what lies above them it says nothing of. */
const NAMED_AT_MOST = 400;

type Books = Pick<TeamMemberRecord, "receive_counter" | "gaps" | "since">;

/** A message is here: those between it and all that had come before are missing. */
export function countIn(books: Books, counter: number): void {
  const last = books.receive_counter;
  strikeOff(books, [counter]);
  if (counter > last + 1) miss(books, [last + 1, counter - 1]);
  books.receive_counter = Math.max(last, counter);
}

/** What had come has no room, and is asked for later. */
export function miss(books: Books, gap: Gap): void {
  const gaps: Gap[] = [];
  for (const [first, last] of [...(books.gaps ?? []), gap].toSorted(([a], [b]) => a - b)) {
    const before = gaps.at(-1);
    if (before !== undefined && first <= before[1] + 1) before[1] = Math.max(before[1], last);
    else gaps.push([first, last]);
  }
  books.gaps = bounded(gaps);
}

/** These have come, or nothing is to come under them. @returns how many of them were missing */
export function strikeOff(books: Books, counters: readonly number[]): number {
  const gaps: Gap[] = [];
  const sorted = [...new Set(counters)].toSorted((a, b) => a - b);
  let [at, count] = [0, 0];
  for (const [first, last] of books.gaps ?? []) {
    let from = first;
    for (; (sorted[at] ?? Infinity) <= last; at++) {
      const counter = sorted[at] ?? 0;
      if (counter < from) continue;
      if (counter > from) gaps.push([from, counter - 1]);
      from = counter + 1;
      count += 1;
    }
    if (from <= last) gaps.push([from, last]);
  }
  books.gaps = bounded(gaps);
  return count;
}

function bounded(gaps: Gap[]): Gap[] {
  const merged = gaps.slice(0, Math.max(1, gaps.length - GAPS_AT_MOST + 1));
  const [first, last] = [merged[0]?.[0], merged.at(-1)?.[1]];
  return first === undefined || last === undefined ? [] : [[first, last], ...gaps.slice(merged.length)];
}

/**
 * A message that has come is not kept. That it is not here its sender hears by its counter, too: the word on why that is may be lost.
 * @param from Its sender, by the device whose count that is of: of another one there are other books by now
 */
export async function missAgain(
  turn: Turn,
  team: Team,
  from: { name: string; device: string | undefined },
  { header }: Content,
): Promise<void> {
  const books = await teamMember(turn, team, from.name);
  if (header.type !== "message" || books.device !== from.device) return;
  const counter = header.again?.counter ?? header.counter;
  miss(books, [counter, counter]);
  team.changed.add(from.name);
}

/** A member sends again what is older than all that was looked for: so was what followed on it for us. */
export function lookFrom(books: Books, counter: number): void {
  const { since = 0 } = books;
  if (counter > since) return;
  books.since = counter - 1;
  if (counter < since) miss(books, [counter + 1, since]);
}

/** Nothing of what is missing is looked for any more; but if its sender is there again, it knows what was for us. @returns how many they were */
export function giveUp(books: Books): number {
  const lost = missingIn(books);
  books.since = Math.max(books.since ?? 0, books.gaps?.at(-1)?.[1] ?? 0);
  books.gaps = [];
  return lost;
}

export function missingIn({ gaps = [] }: Books): number {
  return gaps.reduce((sum, [first, last]) => sum + last - first + 1, 0);
}

/** What a receipt says of them: up to which counter all is here but for these, the oldest that are missing. */
export function saidOf({ receive_counter: last, gaps = [] }: Books): { upTo: number; missing: number[] } {
  const missing: number[] = [];
  for (const [first, end] of gaps)
    for (let counter = first; counter <= end; counter++) {
      if (missing.length >= NAMED_AT_MOST) return { upTo: counter - 1, missing };
      missing.push(counter);
    }
  return { upTo: last, missing };
}
