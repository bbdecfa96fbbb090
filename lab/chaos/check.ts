import type { Books, Received, Sent } from "../shared/books.ts";
import type { Entry, Ledger } from "./ledger.ts";

/** As a recipient sees it. */
const ENDED = new Set(["handled", "failed", "expired"]);
const FINAL = new Set(["handled", "failed", "expired", "refused"]);
/** The reason that handlers give which are told to fail. */
export const TOLD = "told to fail";

export interface Verdict {
  lost: string[];
  doubled: string[];
  disordered: string[];
  other: string[];
  counts: Record<string, number>;
}

/** Compares what was promised with what the agents' stores say. */
export function judge(ledger: Ledger, books: Map<string, Books>): Verdict {
  const verdict: Verdict = { lost: [], doubled: [], disordered: [], other: [], counts: {} };
  for (const text of ledger.violations)
    (text.startsWith("doubled:") ? verdict.doubled : text.startsWith("lost:") ? verdict.lost : verdict.other).push(
      text,
    );
  if (books.size === 0) return verdict;
  for (const entry of ledger.entries.values()) {
    const sent = books.get(entry.from)?.sent.get(entry.letter.id);
    const received = books.get(entry.letter.to)?.received.get(entry.letter.id);
    const what =
      entry.excused.size === 0
        ? (sent?.state ?? "never queued")
        : `excused (old copy of the ${[...entry.excused].join(" and ")})`;
    const count =
      entry.outcomeForgotten !== undefined && (what === "received" || what === "expired")
        ? `${what} (outcome forgotten with an old copy)`
        : what === "failed"
          ? `failed: ${sent?.reason}`
          : what;
    verdict.counts[count] = (verdict.counts[count] ?? 0) + 1;
    if ((sent?.attempt ?? 0) > 0 && !entry.displaced)
      verdict.counts["sent again"] = (verdict.counts["sent again"] ?? 0) + 1;
    if (entry.excused.size === 0) judgeOne(verdict, entry, sent, received);
  }
  judgeOrder(verdict, ledger, books);
  return verdict;
}

function judgeOne(verdict: Verdict, entry: Entry, sent: Sent | undefined, received: Received | undefined): void {
  const { letter, queuedAt, storedAt, handledAt, done, fails } = entry;
  const story = () =>
    `${letter.id} to ${letter.to}: its sender says ${sent === undefined ? "nothing" : `${sent.state} ${sent.reason ?? ""}, sending ${sent.attempt}`}, ` +
    `its recipient ${received === undefined ? "nothing" : `${received.state} ${received.reason ?? ""}`}, ` +
    `reported ${Object.entries({ queued: queuedAt, stored: storedAt, handled: handledAt })
      .filter(([, at]) => at !== undefined)
      .map(([word]) => word)
      .join(", ")}, handled ${done.length} times`;
  if (sent === undefined) {
    if (queuedAt !== undefined) verdict.lost.push(`lost by its sender: ${story()}`);
    return;
  }
  if (entry.outcomeForgotten === "received" && sent.state === "received") {
    if (!ENDED.has(received?.state ?? "")) verdict.lost.push(`received, and lost: ${story()}`);
    return;
  }
  // It is sent again, and its outcome told again, unless its time is over.
  if (entry.outcomeForgotten !== undefined && sent.state === "expired" && letter.expiresIn !== undefined) return;
  if (!FINAL.has(sent.state)) verdict.lost.push(`for ever on its way: ${story()}`);
  const handled = received?.state === "handled";
  const agree =
    sent.state === "handled"
      ? handled
      : sent.state === "failed"
        ? received?.state === "failed" && received.reason === sent.reason
        : !handled;
  if (FINAL.has(sent.state) && !agree) verdict.lost.push(`the two sides disagree: ${story()}`);
  if (handledAt !== undefined && !handled) verdict.lost.push(`handled was promised: ${story()}`);
  if (done.length > 0 && !ENDED.has(received?.state ?? ""))
    verdict.lost.push(`the recipient's store does not know what was done: ${story()}`);
  if (sent.state === "expired" && letter.expiresIn === undefined)
    verdict.lost.push(`expired without expiry: ${story()}`);
  if (sent.state === "failed") {
    const due = (fails && sent.reason === TOLD) || (letter.expiresIn !== undefined && sent.reason === "expired");
    if (!due) verdict.lost.push(`failed without need: ${story()}`);
  }
  if (sent.state === "refused") verdict.lost.push(`refused without need: ${story()}`);
}

/** Of each sender, messages stand in the inbox in the order in which they were put into the outbox. */
function judgeOrder(verdict: Verdict, ledger: Ledger, books: Map<string, Books>): void {
  for (const [to, { received }] of books) {
    const last = new Map<string, Sent>();
    for (const row of [...received.values()].toSorted((a, b) => a.seq - b.seq)) {
      const entry = ledger.entries.get(row.id);
      const sent = entry === undefined ? undefined : books.get(entry.from)?.sent.get(row.id);
      if (entry === undefined || sent === undefined || entry.displaced || sent.attempt > 0) continue;
      // What has files waits for these, and others overtake it.
      if (entry.letter.files !== undefined) continue;
      const before = last.get(entry.from);
      if (before !== undefined && before.seq > sent.seq)
        verdict.disordered.push(`out of order: ${to} has ${before.id} before ${sent.id}`);
      else last.set(entry.from, sent);
    }
  }
}
