import { setTimeout as delay } from "node:timers/promises";
import { EngineClock } from "./engine-clock.ts";
import { type Link, LinkError, patience, type Sql } from "../link/link.ts";
import { channelPrefix } from "./messages.ts";

interface IncarnationOptions {
  /** The connection for what relays say to each other, and not that of the lane: that one may wait for locks. */
  link: Pick<Link, "use" | "cut">;
  /** To which `search_path` leads. */
  schema: string;
  /** Called once: from then on the engine takes nothing of this relay, which had better start anew. */
  onFenced: (why: string) => void;
  times?: Partial<Times>;
}

/** Milliseconds. */
export interface Times {
  beatMs: number;
  /** How long the engine may take for a heartbeat. */
  patienceMs: number;
  /** Unseen for so long, a relay is dead. */
  deadMs: number;
  /** Only a relay that has itself been seen for so long, without such a gap, declares it: behind an outage all look dead. */
  steadyMs: number;
  gapMs: number;
  /** Without a heartbeat for so long a relay gives itself up. */
  fenceMs: number;
  /** Not heard of for so long, the engine is away. */
  readyMs: number;
}

const TIMES: Times = {
  beatMs: 1000,
  patienceMs: 3000,
  deadMs: 8000,
  steadyMs: 10_000,
  gapMs: 2500,
  fenceMs: 30_000,
  readyMs: 3000,
};

const NOW = "(extract(epoch FROM clock_timestamp()) * 1000)::float8 AS engine";
const BEGIN = `INSERT INTO relays DEFAULT VALUES RETURNING relay, ${NOW}`;
const BEAT = `UPDATE relays SET seen_at = clock_timestamp() WHERE relay = $1 RETURNING ${NOW}`;

/**
 * Declares dead, and has all that live look at their mailboxes: a dead one may have committed and told nobody. Both or neither: else they would
 * not look. What was sent and lay on the way for long finds that its own relay was not seen either, and does nothing.
 */
const BURY = `WITH dead AS (
  DELETE FROM relays WHERE seen_at < clock_timestamp() - make_interval(secs => $2::float8 / 1000)
    AND EXISTS (SELECT 1 FROM relays WHERE relay = $1 AND seen_at > clock_timestamp() - make_interval(secs => $3::float8 / 1000))
  RETURNING relay
) SELECT pg_notify($4 || relay, '{"type":"all"}') FROM relays
  WHERE EXISTS (SELECT 1 FROM dead) AND relay NOT IN (SELECT relay FROM dead)`;

const LEAVE = "DELETE FROM relays WHERE relay = $1";

/**
 * One life of a relay, as the engine knows it: a row, which is kept by a heartbeat and without which nothing is written.
 * @throws LinkError, or what the engine says
 */
export async function incarnate(options: IncarnationOptions): Promise<Incarnation> {
  const times = { ...TIMES, ...options.times };
  const clock = new EngineClock();
  const sql = await options.link.use();
  const asked = performance.now();
  const [row] = await patience(sql<{ relay: number; engine: number }>(BEGIN, []), times.patienceMs);
  const { relay, engine } = row as NonNullable<typeof row>;
  clock.look({ asked, answered: performance.now(), engine });
  return new Incarnation(relay, clock, { ...options, times });
}

/** Made by {@link incarnate}. */
export class Incarnation implements AsyncDisposable {
  /** No other incarnation ever has this number. */
  readonly relay: number;
  readonly clock: EngineClock;
  readonly #link: IncarnationOptions["link"];
  readonly #onFenced: (why: string) => void;
  readonly #channels: string;
  readonly #times: Times;
  readonly #end = new AbortController();
  readonly #life: Promise<void>;
  #isFenced = false;
  /** When the last heartbeat was answered, and since when there was none without a gap; by `performance.now()`. */
  #beatenAt = performance.now();
  #steadySince = this.#beatenAt;

  constructor(relay: number, clock: EngineClock, options: IncarnationOptions & { times: Times }) {
    this.relay = relay;
    this.clock = clock;
    this.#link = options.link;
    this.#onFenced = options.onFenced;
    this.#channels = channelPrefix(options.schema);
    this.#times = options.times;
    this.#life = this.#live();
  }

  /** The engine takes nothing of this relay any more. */
  get isFenced(): boolean {
    return this.#isFenced;
  }

  /** The engine was heard of just now. */
  get isReady(): boolean {
    return !this.#isFenced && performance.now() - this.#beatenAt < this.#times.readyMs;
  }

  /** Gives this life up, for a reason that is told once. */
  fence(why: string): void {
    if (this.#isFenced || this.#end.signal.aborted) return;
    this.#isFenced = true;
    this.#end.abort();
    this.#onFenced(why);
  }

  async #live(): Promise<void> {
    const { beatMs } = this.#times;
    const { signal } = this.#end;
    while (!signal.aborted) {
      const began = performance.now();
      await this.#beat().catch((error: unknown) => {
        if (error instanceof LinkError && error.kind === "timeout") this.#link.cut();
      });
      // Rejected when the life ends.
      await delay(Math.max(0, began + beatMs - performance.now()), undefined, { signal }).catch(() => {});
    }
  }

  async #beat(): Promise<void> {
    const { patienceMs, fenceMs, gapMs, steadyMs } = this.#times;
    if (performance.now() - this.#beatenAt > fenceMs)
      return this.fence(`PostgreSQL did not answer for ${Math.round(fenceMs / 1000)} s`);
    const sql = await this.#link.use();
    const asked = performance.now();
    const [row] = await patience(sql<{ engine: number }>(BEAT, [this.relay]), patienceMs);
    const answered = performance.now();
    if (row === undefined) return this.fence("another relay has declared it dead");
    this.clock.look({ asked, answered, engine: row.engine });
    if (answered - this.#beatenAt > gapMs) this.#steadySince = answered;
    this.#beatenAt = answered;
    return answered - this.#steadySince < steadyMs ? undefined : this.#bury(sql);
  }

  async #bury(sql: Sql): Promise<void> {
    const { deadMs, gapMs, patienceMs } = this.#times;
    await patience(sql(BURY, [this.relay, deadMs, gapMs, this.#channels]), patienceMs);
  }

  /** Leaves in good order: no other relay has to find it dead. */
  async end(): Promise<void> {
    const isLeaving = !this.#end.signal.aborted;
    this.#end.abort();
    await this.#life;
    if (!isLeaving) return;
    const leave = async (): Promise<unknown> => (await this.#link.use())(LEAVE, [this.relay]);
    await patience(leave(), this.#times.patienceMs).catch(() => {});
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.end();
  }
}
