import type { Letter } from "../../shared/letter.ts";
import type { Line, TeamChange, Watched } from "../orders.ts";

/** The end of a process is heard so long after it at the latest. Milliseconds. */
const HEARD_MS = 1_000;

/** A message to a team, and everything that was promised and done about it, by the driver's clock. */
export interface TeamEntry {
  letter: Letter;
  /** What the team is about. */
  team: string;
  from: string;
  /** The handlers were told to fail. */
  fails: boolean;
  issuedAt: number;
  queuedAt?: number;
  storedAt?: number;
  handledAt?: number;
  /** Its sender was not in the team, or not any more. */
  unsent?: string;
  ended?: { code: string; reason: string | undefined };
  /** By recipient: which lives had it, and which have handled it. */
  got: Map<string, { by: string; at: number }[]>;
  done: Map<string, { by: string; at: number }[]>;
  /** The sender's store was put back, so that it does not know this message any more, or not what became of it. */
  senderExcused: boolean;
  /** Recipients whose store was put back, or is another one since. */
  excused: Set<string>;
  /** Recipients to which alone it was sent again. */
  again: Set<string>;
}

/** A change that was ordered, and what its agent has said of it. */
export interface ChangeEntry extends TeamChange {
  by: string;
  issuedAt: number;
  endedAt?: number;
  end?: "changed" | "unchanged" | "unclear";
  reason?: string;
}

/** Everything that was promised of teams. */
export class TeamLedger {
  readonly entries = new Map<string, TeamEntry>();
  readonly changes = new Map<string, ChangeEntry>();
  readonly violations: string[] = [];
  readonly #cutShort: (life: string) => boolean;

  constructor(cutShort: (life: string) => boolean) {
    this.#cutShort = cutShort;
  }

  issue(from: string, letter: Letter, fails: boolean): void {
    const [got, done] = [new Map<string, never>(), new Map<string, never>()];
    const marks = { senderExcused: false, excused: new Set<string>(), again: new Set<string>() };
    const team = letter.to.slice(1);
    this.entries.set(letter.id, { letter, team, from, fails, issuedAt: Date.now(), got, done, ...marks });
  }

  change(by: string, change: TeamChange): void {
    this.changes.set(change.id, { ...change, by, issuedAt: Date.now() });
  }

  /** As of pairs: what a sender that has started again shall send, and look after. */
  openOf(sender: string): { letters: Letter[]; watched: Watched[] } {
    const letters: Letter[] = [];
    const watched: Watched[] = [];
    for (const { from, letter, ended, unsent, senderExcused, queuedAt, storedAt } of this.entries.values()) {
      if (from !== sender || ended !== undefined || unsent !== undefined || senderExcused) continue;
      if (queuedAt === undefined) letters.push(letter);
      else if (storedAt === undefined) watched.push({ id: letter.id, toTheEnd: false });
    }
    return { letters, watched };
  }

  /** @returns whether the line was about a team */
  read(life: string, line: Line): boolean {
    if (!("id" in line)) return false;
    const change = this.changes.get(line.id);
    if (change !== undefined) {
      change.endedAt ??= Date.now();
      if (line.kind === "changed" || line.kind === "unchanged" || line.kind === "unclear") change.end = line.kind;
      if ("reason" in line && line.reason !== undefined) change.reason = line.reason;
      return true;
    }
    const entry = this.entries.get(line.id);
    if (entry !== undefined) this.#readOf(entry, life, line);
    return entry !== undefined;
  }

  #readOf(entry: TeamEntry, life: string, line: Line): void {
    const at = Date.now();
    const name = life.replace(/-.*/, "");
    if (line.kind === "queued" || line.kind === "stored" || line.kind === "handled") entry[`${line.kind}At`] ??= at;
    else if (line.kind === "unsent") entry.unsent = line.reason;
    else if (line.kind === "ended") entry.ended ??= { code: line.code, reason: line.reason };
    else if (line.kind === "lost" && !entry.senderExcused)
      this.violations.push(`${life} does not know ${entry.letter.id}, which it had in its outbox`);
    else if (line.kind === "got") this.#got(entry, { name, life, at });
    else if (line.kind === "done") {
      const done = [...(entry.done.get(name) ?? []), { by: life, at }];
      entry.done.set(name, done);
      if (done.length > 1 && !entry.excused.has(name))
        this.violations.push(
          `doubled: ${entry.letter.id} was handled twice at ${name}, by ${done.map(({ by }) => by).join(" and ")}`,
        );
    }
  }

  #got(entry: TeamEntry, { name, life, at }: { name: string; life: string; at: number }): void {
    const before = entry.got.get(name) ?? [];
    entry.got.set(name, [...before, { by: life, at }]);
    for (const earlier of before) {
      const handled = entry.done.get(name)?.some(({ by }) => by === earlier.by) === true;
      setTimeout(() => {
        const isExplained = this.#cutShort(life) || (!handled && this.#cutShort(earlier.by));
        if (!isExplained && !entry.excused.has(name))
          this.violations.push(
            `doubled: ${entry.letter.id} was handed to ${life} after ${earlier.by} had it${handled ? " handled" : ""}`,
          );
      }, HEARD_MS);
    }
  }

  /** The store of `agent` was put back to what it was at `copiedAt`; 0: to nothing. `open`: ids of what had not ended there then. */
  putBack(agent: string, copiedAt: number, open: ReadonlySet<string>): void {
    for (const entry of this.entries.values()) {
      const { from, letter, queuedAt } = entry;
      if (from === agent) {
        if (queuedAt === undefined || queuedAt >= copiedAt || open.has(letter.id)) entry.senderExcused = true;
        continue;
      }
      const done = entry.done.get(agent) ?? [];
      if (done.length === 0 || !done.every(({ at }) => at < copiedAt)) entry.excused.add(agent);
    }
  }
}
