/** In which order the members of a team have its messages. */
import type { Verdict } from "../check.ts";
import type { TeamBooks, TeamSent } from "./books.ts";
import type { TeamEntry, TeamLedger } from "./ledger.ts";

/** What a member has of a team, in the order of its inbox, but for what has lost its place: it was sent again, or a store was put back. */
function inboxOf(name: string, { received }: TeamBooks, ledger: TeamLedger): TeamEntry[] {
  return [...received]
    .toSorted(([, a], [, b]) => a.seq - b.seq)
    .flatMap(([id]) => ledger.entries.get(id) ?? [])
    .filter((entry) => !entry.senderExcused && !entry.excused.has(name) && !entry.again.has(name));
}

export function judgeOrder(verdict: Verdict, ledger: TeamLedger, books: Map<string, TeamBooks>): void {
  const inboxes = [...books].map(([name, own]) => [name, inboxOf(name, own, ledger)] as const);
  for (const [name, inbox] of inboxes) judgeSenders(verdict, books, name, inbox);
  let compared = 0;
  for (const [at, [name, inbox]] of inboxes.entries())
    for (const [other, theirs] of inboxes.slice(at + 1)) {
      const places = new Map(theirs.map((entry, place) => [entry, place]));
      const last = new Map<string, { place: number; id: string }>();
      for (const entry of inbox) {
        const place = places.get(entry);
        if (place === undefined) continue;
        const before = last.get(entry.team);
        if (before !== undefined && before.place > place)
          verdict.disordered.push(
            `out of order: ${name} has ${before.id} before ${entry.letter.id}, ${other} behind it`,
          );
        last.set(entry.team, { place, id: entry.letter.id });
        compared += 1;
      }
    }
  verdict.counts["messages that two members have in one order"] = compared;
}

/** Of each sender they stand in the order of its outbox. */
function judgeSenders(verdict: Verdict, books: Map<string, TeamBooks>, name: string, inbox: TeamEntry[]): void {
  const last = new Map<string, TeamSent>();
  for (const { letter, from, team } of inbox) {
    const sent = books.get(from)?.sent.get(letter.id);
    if (sent === undefined) continue;
    const before = last.get(`${from} ${team}`);
    if (before !== undefined && before.seq > sent.seq)
      verdict.disordered.push(`out of order: ${name} has ${before.id} before ${letter.id}`);
    else last.set(`${from} ${team}`, sent);
  }
}
