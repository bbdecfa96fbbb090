import { readAllBooks } from "../shared/books.ts";
import type { Posted, Report } from "./samples.ts";

export interface Verdict {
  counts: { handled: number; expired: number };
  lost: string[];
  doubled: string[];
  other: string[];
}

/** What the processes say that they have sent and handled. */
export class Ledger {
  readonly errors: string[] = [];
  readonly #posted: Posted[] = [];
  readonly #handled = new Map<string, number>();

  add({ posted, handled, errors }: Report): void {
    this.#posted.push(...posted);
    for (const id of handled) this.#handled.set(id, (this.#handled.get(id) ?? 0) + 1);
    this.errors.push(...errors);
  }

  /** Compares it with the stores of all agents. Their processes must have ended. */
  async judge(agents: { name: string; folder: string }[]): Promise<Verdict> {
    const books = await readAllBooks(agents);
    const verdict: Verdict = { counts: { handled: 0, expired: 0 }, lost: [], doubled: [], other: [...this.errors] };
    for (const letter of this.#posted) {
      const { id, from, to, expires } = letter;
      const sent = books.get(from)?.sent.get(id);
      const received = books.get(to)?.received.get(id);
      const times = this.#handled.get(id) ?? 0;
      const ends = `${id} to ${to}: its sender says ${sent?.state} ${sent?.reason ?? ""}, its recipient ${received?.state}, handled ${times} times`;
      if (times > 1) verdict.doubled.push(ends);
      const handled = sent?.state === "handled" && received?.state === "handled" && times > 0;
      const late = sent?.state === "expired" || (sent?.state === "failed" && sent.reason === "expired");
      if (handled) verdict.counts.handled += 1;
      else if (expires && late && times === 0) verdict.counts.expired += 1;
      else verdict.lost.push(ends);
    }
    for (const [name, { waiting }] of books)
      if (waiting.length > 0) verdict.other.push(`${name} still has ${waiting.length} rows that wait: ${waiting[0]}`);
    return verdict;
  }
}
