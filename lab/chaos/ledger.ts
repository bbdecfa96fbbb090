import type { Letter } from "../shared/letter.ts";
import type { Line, Watched } from "./orders.ts";

/** The end of a process is heard so long after it at the latest. Milliseconds. */
const HEARD_MS = 1_000;

/** A message, and everything that was promised and done about it, by the driver's clock. */
export interface Entry {
  letter: Letter;
  from: string;
  /** The handler was told to fail. */
  fails: boolean;
  issuedAt: number;
  queuedAt?: number;
  storedAt?: number;
  handledAt?: number;
  ended?: { code: string; reason: string | undefined };
  /** Handed to a handler: by which life of which process. */
  got: { by: string; at: number }[];
  done: { by: string; at: number }[];
  /** Whose store was put back, so that it does not know this message any more, or not what became of it. */
  excused: Set<"sender" | "recipient">;
  /** Its sender's store was put back to before the receipt of its outcome, which is sent once. */
  outcomeForgotten?: "received" | "not received";
  /** It was sent again by a store that did not know how far it had come, and has lost its place. */
  displaced: boolean;
}

/** Everything that was promised, of all agents. */
export class Ledger {
  readonly entries = new Map<string, Entry>();
  readonly violations: string[] = [];
  /** Names of lives that were killed, or have ended because of a fault: what they had in hand comes again. */
  readonly #cutShort = new Map<string, number>();

  violation(text: string): void {
    this.violations.push(text);
  }

  issue(from: string, letter: Letter, fails: boolean): void {
    this.entries.set(letter.id, {
      letter,
      from,
      fails,
      issuedAt: Date.now(),
      got: [],
      done: [],
      excused: new Set(),
      displaced: false,
    });
  }

  readonly #putBack = new Set<string>();

  cutShort(life: string): void {
    this.#cutShort.set(life, Date.now());
  }

  wasCutShort(life: string): boolean {
    return this.#cutShort.has(life);
  }

  /** What a sender that has started again shall send, since it has not said that it is in the store, and look after. */
  openOf(sender: string): { letters: Letter[]; watched: Watched[] } {
    const letters: Letter[] = [];
    const watched: Watched[] = [];
    for (const entry of this.entries.values()) {
      if (entry.from !== sender || entry.ended !== undefined || entry.excused.has("sender")) continue;
      const { id } = entry.letter;
      const toTheEnd = id.endsWith("0");
      if (entry.queuedAt === undefined) letters.push(entry.letter);
      else if (entry.storedAt === undefined) watched.push({ id, toTheEnd: false });
      if (entry.queuedAt !== undefined && toTheEnd && entry.handledAt === undefined && entry.excused.size === 0)
        watched.push({ id, toTheEnd });
    }
    return { letters, watched };
  }

  read(life: string, line: Line): void {
    if (!("id" in line)) return;
    const entry = this.entries.get(line.id);
    if (entry === undefined) return this.violation(`${life} speaks of ${line.id}, which nobody has sent`);
    const at = Date.now();
    switch (line.kind) {
      case "queued":
        entry.queuedAt ??= at;
        break;
      case "stored":
        entry.storedAt ??= at;
        break;
      case "handled":
        entry.handledAt ??= at;
        break;
      case "ended":
        entry.ended ??= { code: line.code, reason: line.reason };
        break;
      case "lost":
        if (!entry.excused.has("sender"))
          this.violation(`${life} does not know ${line.id}, which it had in its outbox`);
        break;
      case "got":
        this.#got(life, entry, at);
        break;
      case "saved":
        break;
      case "done":
        entry.done.push({ by: life, at });
        if (entry.done.length > 1 && !entry.excused.has("recipient"))
          this.violation(`doubled: ${line.id} was handled twice, by ${entry.done.map(({ by }) => by).join(" and ")}`);
        break;
    }
  }

  #got(life: string, entry: Entry, at: number): void {
    for (const earlier of entry.got) {
      const handled = entry.done.some(({ by }) => by === earlier.by);
      const judge = () => {
        // One that has just died may have had it before it was given to the other: of that the driver has read later.
        const isExplained = this.#cutShort.has(life) || (!handled && this.#cutShort.has(earlier.by));
        if (!isExplained && !entry.excused.has("recipient"))
          this.violation(
            `doubled: ${entry.letter.id} was handed to ${life} after ${earlier.by} had it${handled ? " handled" : " and lives"}`,
          );
      };
      // Of one that has just died the others know at once, and the driver a moment later.
      setTimeout(judge, HEARD_MS);
    }
    entry.got.push({ by: life, at });
  }

  /** What became of a message after this state may have been told to a store that is not there any more. */
  forget(id: string, state: string): void {
    const entry = this.entries.get(id);
    if (entry !== undefined) entry.outcomeForgotten = state === "received" ? "received" : "not received";
  }

  /** Whether the store of an agent was ever put back. */
  wasPutBack(agent: string): boolean {
    return this.#putBack.has(agent);
  }

  /** The store of `agent` was put back to what it was at `copiedAt`. */
  putBack(agent: string, copiedAt: number): void {
    this.#putBack.add(agent);
    for (const entry of this.entries.values()) {
      if (entry.from !== agent && entry.letter.to !== agent) continue;
      if (entry.done.length > 0 && entry.done.every(({ at }) => at < copiedAt)) continue;
      entry.displaced = true;
      if (entry.from !== agent) entry.excused.add("recipient");
      else if (entry.queuedAt === undefined || entry.queuedAt >= copiedAt) entry.excused.add("sender");
    }
  }
}
