import { DatabaseError } from "pg";
import type { Incarnation } from "./incarnation.ts";
import { LinkError, patience, type Sql } from "../link/link.ts";

/** Upon what was read it cannot be decided, since it changed while it was being locked: everything is rolled back and done again. */
export class Again extends Error {
  override readonly name = "Again";
}

/** What was decided about a batch. */
export interface Decided {
  /** One for each item, in their order. */
  answers: unknown[];
  /** Statements that are on their way already. */
  writes: Promise<unknown>[];
  /** Called once COMMIT is known to have happened, before anybody gets an answer. Must not throw. */
  committed?: () => void;
}

interface FencedWritesOptions {
  incarnation: Pick<Incarnation, "relay" | "fence">;
  /** How long the engine may take for one of the two trips of a transaction: milliseconds. */
  tripMs: number;
  /** The engine does not have what it had told to be committed. */
  onForgot: () => void;
}

/**
 * No row, no commit: another relay has declared this one dead, or this connection has been given up. To fail is the only way to keep COMMIT, which
 * is on its way already, from doing anything.
 */
const FENCE = `WITH passed AS (
  UPDATE relays SET batch = $2::bigint WHERE relay = $1 AND attempt = $3 AND batch = $2::bigint - 1 RETURNING relay
) SELECT 1 / count(*) FROM passed`;
const DIVISION_BY_ZERO = "22012";

/** Waits for a transaction that has reached its fence, and dooms one that has not. */
const SETTLE = "UPDATE relays SET attempt = attempt + 1 WHERE relay = $1 RETURNING batch, attempt";

/** One relay's transactions, numbered one after another, of which each is known in the end to be committed or not. */
export class FencedWrites {
  readonly #incarnation: FencedWritesOptions["incarnation"];
  readonly #tripMs: number;
  readonly #onForgot: () => void;
  /** Of the newest transaction that is known to be committed. */
  #batch = 0;
  #attempt = 0;
  #isInDoubt = false;

  constructor({ incarnation, tripMs, onForgot }: FencedWritesOptions) {
    this.#incarnation = incarnation;
    this.#tripMs = tripMs;
    this.#onForgot = onForgot;
  }

  /** The last transaction may or may not be committed: {@link settle} says it. */
  get isInDoubt(): boolean {
    return this.#isInDoubt;
  }

  /**
   * Writes what is decided, in one transaction and two trips.
   * @param sent Called when COMMIT has left. From then on, and as long as it {@link isInDoubt}, this may have been committed.
   * @throws LinkError, what the engine said, or what `decide` threw. If it is not in doubt then, nothing was written.
   */
  async write(sql: Sql, decide: (sql: Sql) => Promise<Decided>, sent: (decided: Decided) => void): Promise<Decided> {
    const begun = sql("BEGIN");
    try {
      const decided = await patience(decide(sql), this.#tripMs);
      const batch = this.#batch + 1;
      const fence = sql(FENCE, [this.#incarnation.relay, batch, this.#attempt]);
      const commit = sql("COMMIT");
      this.#isInDoubt = true;
      sent(decided);
      await patience(this.#endOf([begun, ...decided.writes], fence, commit), this.#tripMs);
      this.#batch = batch;
      this.#isInDoubt = false;
      return decided;
    } catch (error) {
      if (error instanceof LinkError) throw error;
      // The engine itself has refused, so nothing is committed, however the connection ends. A fence that did not let it pass is asked about.
      this.#isInDoubt = error instanceof FenceError;
      await patience(sql("ROLLBACK"), this.#tripMs);
      throw error;
    }
  }

  /** @throws the first error, which is the reason of the others */
  async #endOf(before: Promise<unknown>[], fence: Promise<unknown>, commit: Promise<unknown>): Promise<void> {
    const [fenced, committed] = await Promise.allSettled([fence, commit]);
    // COMMIT succeeds too if it only ends what has failed; the fence does not.
    if (fenced.status === "fulfilled" && committed.status === "fulfilled") return;
    const failed = (await Promise.allSettled([...before, fence, commit])).find(({ status }) => status === "rejected");
    const reason: unknown = (failed as PromiseRejectedResult).reason;
    const isFence = fenced.status === "rejected" && fenced.reason === reason;
    if (isFence && reason instanceof DatabaseError && reason.code === DIVISION_BY_ZERO) throw new FenceError();
    throw reason;
  }

  /**
   * Finds out what became of the transaction that is in doubt, on a new connection.
   * @returns whether it was committed
   * @throws LinkError if the engine does not say so now; FenceError if this relay is declared dead
   */
  async settle(sql: Sql): Promise<boolean> {
    const rows = sql<{ batch: number; attempt: number }>(SETTLE, [this.#incarnation.relay]);
    const [row] = await patience(rows, this.#tripMs).catch((error: unknown) => {
      if (error instanceof LinkError) throw error;
      throw new LinkError("unreachable", `The engine does not say whether it has committed: ${String(error)}`, error);
    });
    if (row === undefined) {
      this.#incarnation.fence("another relay has declared it dead");
      throw new FenceError();
    }
    const known = this.#batch;
    this.#batch = row.batch;
    this.#attempt = row.attempt;
    this.#isInDoubt = false;
    if (row.batch < known) this.#onForgot();
    return row.batch > known;
  }
}

/** The engine takes nothing more by this relay, or by this attempt of it. */
export class FenceError extends Error {
  override readonly name = "FenceError";

  constructor() {
    super("The fence let nothing pass");
  }
}
