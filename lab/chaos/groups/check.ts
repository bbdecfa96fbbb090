/** What was promised of messages to teams, beside what the stores of all say. */
import type { Verdict } from "../check.ts";
import { TOLD } from "../check.ts";
import type { TeamBooks, TeamSent } from "./books.ts";
import type { TeamEntry, TeamLedger } from "./ledger.ts";
import { isOutFor } from "./timeline.ts";

const FINAL = new Set(["handled", "failed", "expired", "refused", "gone"]);
const ENDED = new Set(["handled", "failed", "expired"]);

/** What of a message has not come to its end, though all is quiet; undefined: nothing. */
export function unfinishedLetter(ledger: TeamLedger, books: Map<string, TeamBooks>): string | undefined {
  for (const { letter, from, queuedAt, unsent, senderExcused, excused } of ledger.entries.values()) {
    if (senderExcused || unsent !== undefined) continue;
    if (queuedAt === undefined) return `${letter.id} is not queued`;
    const sent = books.get(from)?.sent.get(letter.id);
    // Its sender is out, or it was too late, and has heard so: nobody has it.
    if (sent?.state === "refused" || sent?.state === "expired") continue;
    if (sent?.state === "queued") return `${letter.id} is still queued`;
    for (const [name, { state }] of sent?.at ?? [])
      if (!FINAL.has(state) && !(excused.has(name) && state === "received"))
        return `${letter.id} is still ${state} at ${name}`;
  }
  return undefined;
}

export function judgeLetters(verdict: Verdict, ledger: TeamLedger, books: Map<string, TeamBooks>): void {
  for (const entry of ledger.entries.values()) {
    const sent = books.get(entry.from)?.sent.get(entry.letter.id);
    judgeWhere(verdict, entry, { ledger, books, sent });
    if (entry.senderExcused || entry.unsent !== undefined) {
      tally(verdict, entry.unsent === undefined ? "to teams, excused (sender put back)" : "to teams, not sent");
      continue;
    }
    tally(verdict, "to teams");
    if (sent === undefined) {
      if (entry.queuedAt !== undefined) verdict.lost.push(`lost by its sender: ${entry.letter.id} to @${entry.team}`);
      continue;
    }
    judgeSent(verdict, ledger, entry, sent);
    if (sent.state === "refused") continue;
    for (const [name, known] of sent.at) {
      // What has expired for all at once is not said of each.
      const outcome = sent.state === "expired" && known.state === "missing" ? { state: "expired" } : known;
      judgeAt(verdict, { entry, name, outcome, ledger, received: books.get(name)?.received.get(entry.letter.id) });
    }
  }
}

function tally(verdict: Verdict, what: string): void {
  verdict.counts[what] = (verdict.counts[what] ?? 0) + 1;
}

/** It is nowhere but at those of its roster, and not where it was sure that its recipient was no member. */
function judgeWhere(
  verdict: Verdict,
  entry: TeamEntry,
  { ledger, books, sent }: { ledger: TeamLedger; books: Map<string, TeamBooks>; sent: TeamSent | undefined },
): void {
  for (const [name, { received }] of books) {
    if (!received.has(entry.letter.id) && !entry.got.has(name)) continue;
    // By a store that was put back it goes to whom that takes for members.
    if (entry.senderExcused) continue;
    const isKnown = sent?.at.has(name) === true || sent?.before.has(name) === true;
    if (sent?.recipients !== undefined && !isKnown)
      verdict.other.push(`where it does not belong: ${entry.letter.id} is at ${name}, for whom it was not`);
    const wasListed = sent?.at.has(name) === true;
    if (isOutFor(ledger, { team: entry.team, name, from: entry.issuedAt, to: entry.storedAt, wasListed }))
      verdict.other.push(
        `where it does not belong: ${entry.letter.id} is at ${name}, who was no member of @${entry.team}`,
      );
  }
}

function judgeSent(verdict: Verdict, ledger: TeamLedger, entry: TeamEntry, sent: TeamSent): void {
  const { recipients, at, state, reason } = sent;
  const { letter, team } = entry;
  if (state === "refused") {
    if (!mayHaveBeenOut(ledger, entry)) verdict.lost.push(`refused without need: ${letter.id} to @${team}: ${reason}`);
    return tally(verdict, "to teams, refused: its sender was removed");
  }
  // It has never left.
  if (state === "expired" && letter.expiresIn !== undefined && recipients === undefined)
    return tally(verdict, "to teams, expired before they left");
  if (recipients === undefined)
    return void verdict.lost.push(`never sent: ${letter.id} to @${team}: ${state} ${reason}`);
  const counted = { received: 0, handled: 0, failed: 0, expired: 0, gone: 0 };
  for (const { state: one } of at.values()) {
    if (one !== "missing" && one !== "gone" && one !== "expired") counted.received += 1;
    if (one === "handled" || one === "expired" || one === "gone") counted[one] += 1;
    else if (one === "failed" || one === "refused") counted.failed += 1;
  }
  const wrong = Object.entries(counted).filter(([word, count]) => recipients[word as keyof typeof counted] !== count);
  if (recipients.all !== at.size || wrong.length > 0)
    verdict.other.push(
      `sums: ${letter.id} says ${JSON.stringify(recipients)}, its roster of ${at.size} ${JSON.stringify(counted)}`,
    );
}

/** Whoever was removed hears so of what it has sent since it was a member for sure: by what was stored of it then. */
function mayHaveBeenOut({ entries, changes }: TeamLedger, { team, from, issuedAt }: TeamEntry): boolean {
  const stored = [...entries.values()].flatMap((one) =>
    one.team === team && one.from === from ? [one.storedAt ?? 0] : [],
  );
  const inAt = Math.max(0, ...stored.filter((at) => at <= issuedAt));
  return [...changes.values()].some(
    (change) => change.team === team && takesOut(change, from) && (change.endedAt ?? Infinity) >= inAt,
  );
}

function takesOut({ what, names, by, end }: { what: string; names: string[]; by: string; end?: string }, name: string) {
  return end !== "unchanged" && ((what === "remove" && names.includes(name)) || (what === "leave" && by === name));
}

interface Judged {
  entry: TeamEntry;
  name: string;
  outcome: { state: string; reason?: string };
  received: { state: string; reason?: string } | undefined;
  ledger: TeamLedger;
}

function judgeAt(verdict: Verdict, { entry, name, outcome, received, ledger }: Judged): void {
  const { letter, team, from, fails, excused } = entry;
  const { state, reason } = outcome;
  const story = `${letter.id} to @${team} at ${name}: its sender says ${state} ${reason ?? ""}, ${name} ${received?.state ?? "nothing"}`;
  tally(
    verdict,
    `at members: ${excused.has(name) ? "put back, " : ""}${state}${state === "failed" ? `: ${reason}` : ""}`,
  );
  if (entry.again.has(name)) tally(verdict, "at members: sent again");
  if (state === "gone") {
    // Or its sender was: then nobody says anything to it any more.
    if (
      ![...ledger.changes.values()].some(
        (change) => change.team === team && (takesOut(change, name) || takesOut(change, from)),
      )
    )
      verdict.lost.push(`gone without having been removed: ${story}`);
    return;
  }
  if (!FINAL.has(state)) {
    if (!(excused.has(name) && state === "received")) verdict.lost.push(`for ever on its way: ${story}`);
    return;
  }
  if (state === "expired" && letter.expiresIn === undefined) verdict.lost.push(`expired without expiry: ${story}`);
  if (state === "failed" && !((fails && reason === TOLD) || (reason === "expired" && letter.expiresIn !== undefined)))
    verdict.lost.push(`failed without need: ${story}`);
  if (state === "refused") verdict.lost.push(`refused without need: ${story}`);
  if (excused.has(name)) return;
  const agrees = state === "handled" || state === "failed" ? received?.state === state : received?.state !== "handled";
  if (!agrees && !(state === "failed" && reason === "expired")) verdict.lost.push(`the two sides disagree: ${story}`);
  if (entry.done.has(name) && !ENDED.has(received?.state ?? ""))
    verdict.lost.push(`the recipient's store does not know what was done: ${story}`);
}
