import { setTimeout as delay } from "node:timers/promises";
import { StorageError } from "../../store.ts";
import { concernsAll, failure, isStale, isTransient } from "./failures.ts";
import { type Decided, FencedWrites, FenceError } from "./fenced-writes.ts";
import type { Incarnation } from "./incarnation.ts";
import { Queue, type Waiting } from "./queue.ts";
import { type Link, LinkError, type Sql } from "../link/link.ts";

export { Again, type Decided } from "./fenced-writes.ts";

export interface LaneOptions<Item> {
  link: Pick<Link, "use" | "cut">;
  incarnation: Pick<Incarnation, "relay" | "isFenced" | "fence">;
  /**
   * Reads, decides and writes in a transaction that has begun, and does not end it. Its writes need not be awaited. May be called several times for
   * the same items, of which the last counts.
   * @throws Again, or whatever the engine says; an error that is no {@link LinkError} leaves nothing written
   */
  decide: (sql: Sql, items: Item[]) => Promise<Decided>;
  /** About how many bytes an item takes while it waits. */
  sizeOf: (item: Item) => number;
  /** How many bytes of a batch it is worth, by what the engine does for it. */
  costOf: (item: Item) => number;
  /** Whether an item has a transaction of its own. */
  isAlone: (item: Item) => boolean;
  /** With whose other items it keeps its order. */
  ownerOf: (item: Item) => unknown;
  /** Told how long a batch took until it was known to be committed: milliseconds. */
  onCommit: (milliseconds: number) => void;
  /** The engine does not have what it had told to be committed. */
  onForgot: () => void;
  patience?: Partial<Patience>;
}

/** Milliseconds. */
export interface Patience {
  /** For one of the two trips of a transaction. */
  tripMs: number;
  /** How long an item waits for an engine that is away: then it fails. */
  engineMs: number;
  /** How much longer it is asked whether a batch was committed whose COMMIT had left. */
  doubtMs: number;
  /** Between two attempts to reach it. */
  pauseMs: number;
  /** How long a relay that ends goes on with what it has taken: the rest fails. */
  endMs: number;
}

const PATIENCE: Patience = { tripMs: 8000, engineMs: 15_000, doubtMs: 30_000, pauseMs: 100, endMs: 10_000 };
const BATCH_ITEMS = 1000;
/** Bytes. */
const BATCH_COST = 4 * 1024 * 1024;
const MOST_TRIES = 20;
/** Of what was too much for the engine so many parts are made. */
const PARTS = 8;

/** A batch was not done in the time that a trip may take, by an engine that answers. */
class TooMuch extends Error {}

/**
 * How a relay writes: one connection, one transaction at a time, what is of one owner in the order of the calls. What comes meanwhile is the next
 * batch, or those after it, to which owners come in turn.
 * A broken connection is nobody's failure as long as it can be found out what became of the transaction.
 */
export class Lane<Item> implements AsyncDisposable {
  readonly #options: LaneOptions<Item>;
  readonly #patience: Patience;
  readonly #writes: FencedWrites;
  readonly #queue = new Queue<Item>();
  readonly #waiting = { items: 0, bytes: 0 };
  #idle: (() => void)[] = [];
  #isBusy = false;
  /** What may be committed, and was waited for in vain. */
  #forsaken: Decided | undefined;
  #isEnded = false;
  /** Since when the engine does not answer, by `performance.now()`. */
  #awaySince: number | undefined;
  #givingUp: NodeJS.Timeout | undefined;

  constructor(options: LaneOptions<Item>) {
    const { incarnation, onForgot } = options;
    this.#options = options;
    this.#patience = { ...PATIENCE, ...options.patience };
    this.#writes = new FencedWrites({ incarnation, tripMs: this.#patience.tripMs, onForgot });
  }

  /** What has no answer yet. */
  get waiting(): Readonly<{ items: number; bytes: number }> {
    return this.#waiting;
  }

  /**
   * Has an item decided and written; resolves with its answer when that is durable.
   * @throws StorageError: it was not written. Or nobody can say: the engine was away for longer than all patience, in the moment of the COMMIT.
   */
  do<T>(item: Item): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#isEnded) return reject(ended());
      const { sizeOf, costOf, isAlone, ownerOf } = this.#options;
      const bytes = sizeOf(item);
      this.#waiting.items += 1;
      this.#waiting.bytes += bytes;
      const about = { bytes, cost: costOf(item), isAlone: isAlone(item), owner: ownerOf(item), at: performance.now() };
      this.#queue.push({ item, ...about, resolve, reject });
      if (this.#isBusy) return;
      this.#isBusy = true;
      // What is asked for in the same turn shares the batch.
      setImmediate(() => void this.#run());
    });
  }

  /** Resolves when nothing waits. */
  async idle(): Promise<void> {
    if (this.#isBusy) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  /** Takes nothing more; resolves when all that it has taken is answered, be it that it has to be asked again. The link stays open. */
  async end(): Promise<void> {
    this.#isEnded = true;
    const late = setTimeout(
      () =>
        this.#refuse(
          this.#queue.drop(() => true),
          ended(),
        ),
      this.#patience.endMs,
    );
    await this.idle();
    clearTimeout(late);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.end();
  }

  async #run(): Promise<void> {
    while (!this.#queue.isEmpty) await this.#carry(this.#take());
    this.#back();
    this.#isBusy = false;
    const idle = this.#idle;
    this.#idle = [];
    for (const resolve of idle) resolve();
  }

  #take(): Waiting<Item>[] {
    let count = 0;
    let cost = 0;
    let isFull = false;
    return this.#queue.take((next) => {
      if (isFull || (count > 0 && (next.isAlone || count === BATCH_ITEMS || cost + next.cost > BATCH_COST)))
        return false;
      isFull = next.isAlone;
      count += 1;
      cost += next.cost;
      return true;
    });
  }

  /** Does a batch, or a part of one, until it is known what became of it. Never rejects. */
  async #carry(batch: Waiting<Item>[], isPart = false): Promise<void> {
    const began = performance.now();
    let decided: Decided;
    try {
      decided = await this.#persist(batch);
    } catch (error) {
      if (error instanceof TooMuch) {
        // The engine answers: whoever waits gives it that time once more. Until it has done a part it counts as away.
        if (!isPart && this.#awaySince !== undefined) this.#awaySince = performance.now();
        for (const part of partsOf(batch)) await this.#carry(part, true);
      }
      // So that only the culprit fails.
      else if (batch.length > 1 && !concernsAll(error)) for (const each of batch) await this.#carry([each]);
      else this.#refuse(batch, error);
      return;
    }
    this.#options.onCommit(performance.now() - began);
    try {
      decided.committed?.();
    } catch (error) {
      // Others wait for what is now in the store and will not hear of it: a relay that starts anew looks.
      this.#options.incarnation.fence(`what was committed could not be announced: ${String(error)}`);
    }
    batch.forEach((each, i) => {
      this.#forget(each);
      each.resolve(decided.answers[i] as never);
    });
  }

  /** @throws StorageError if the engine is away for too long, or takes nothing more; else what it says against the batch */
  async #persist(batch: Waiting<Item>[]): Promise<Decided> {
    const { link, incarnation, decide } = this.#options;
    const items = batch.map(({ item }) => item);
    /** What may be committed already. */
    let sent: Decided | undefined;
    let wasSlow = false;
    let hinderedFor = 0;
    for (let tries = 1; ;) {
      const began = performance.now();
      try {
        if (incarnation.isFenced) throw new FenceError();
        const sql = await link.use();
        if (this.#writes.isInDoubt && (await this.#writes.settle(sql))) {
          if (sent !== undefined) return this.#back(sent);
          // Its callers were told that nobody can say it; all others have to hear of it, and its numbers are used.
          this.#forsaken?.committed?.();
        }
        this.#forsaken = undefined;
        sent = undefined;
        if (wasSlow && batch.length > 1) throw new TooMuch();
        if (this.#isLate(batch, 0)) throw new LinkError("unreachable", "The engine was away for too long");
        return this.#back(
          await this.#writes.write(
            sql,
            (sql) => decide(sql, items),
            (decided) => (sent = decided),
          ),
        );
      } catch (error) {
        if (error instanceof TooMuch) throw error;
        if (error instanceof LinkError) {
          if (error.kind === "timeout") {
            wasSlow = true;
            link.cut();
          }
          this.#away(this.#since(began));
          if (this.#isLate(batch, sent === undefined ? 0 : this.#patience.doubtMs)) {
            this.#forsaken ??= sent;
            throw failure(error);
          }
          await delay(this.#patience.pauseMs);
        } else {
          // Whether it is fenced for good is asked as long as it is in doubt. Whatever else was wrong, another relay may do it.
          if (incarnation.isFenced) throw failure(new FenceError());
          sent = undefined;
          this.#back();
          if (isStale(error)) link.cut();
          // What hinders again and again is not waited for longer than an engine that is away.
          hinderedFor += performance.now() - this.#since(began);
          const isOver = tries === MOST_TRIES || hinderedFor > this.#patience.engineMs;
          if (isOver || !(isStale(error) || isTransient(error))) throw error;
          tries += 1;
          // Relays that have hindered each other twice are not to go on in step.
          if (tries > 2) await delay(Math.random() * tries);
        }
      }
    }
  }

  /** Since when the engine has been asked in vain, at most: in a longer time it was the relay that stood still. */
  #since(began: number): number {
    return Math.max(began, performance.now() - this.#patience.tripMs);
  }

  #away(since: number): void {
    this.#awaySince ??= since;
    this.#givingUp ??= setInterval(() => this.#giveUp(), this.#patience.pauseMs);
  }

  #back<T>(value?: T): T {
    this.#awaySince = undefined;
    clearInterval(this.#givingUp);
    this.#givingUp = undefined;
    return value as T;
  }

  /** Refuses what has waited for too long, while another batch may still be asked about. */
  #giveUp(): void {
    this.#refuse(
      this.#queue.drop((each) => this.#isLate([each], 0)),
      new LinkError("unreachable", "The engine was away for too long"),
    );
  }

  #isLate(batch: Waiting<Item>[], more: number): boolean {
    if (this.#awaySince === undefined) return false;
    const oldest = Math.min(...batch.map(({ at }) => at));
    return performance.now() - Math.max(oldest, this.#awaySince) > this.#patience.engineMs + more;
  }

  #refuse(batch: Waiting<Item>[], error: unknown): void {
    const reason = failure(error);
    for (const each of batch) {
      this.#forget(each);
      each.reject(reason);
    }
  }

  #forget({ bytes }: Waiting<Item>): void {
    this.#waiting.items -= 1;
    this.#waiting.bytes -= bytes;
  }
}

/** Whoever asks again may be heard by another one. */
function ended(): StorageError {
  return new StorageError("internal", new Error("the relay ends"), true);
}

function partsOf<T>(batch: T[]): T[][] {
  const size = Math.ceil(batch.length / PARTS);
  return Array.from({ length: Math.ceil(batch.length / size) }, (_, i) => batch.slice(i * size, (i + 1) * size));
}
