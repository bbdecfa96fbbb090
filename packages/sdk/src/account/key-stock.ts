import type { WriteTransaction } from "../store/store.ts";
import { type Filling, lastResortIsDue, replenish } from "./key-packages.ts";
import { announcesAll, countKeyPackages, lessIsLeft, STOCK } from "../records/key-records.ts";
import { get, list, put } from "../records/records.ts";
import type { Turn } from "../turn/turn.ts";

/** How long we wait between two fillings of the stock of key packages, whatever the relay says of it. Milliseconds. */
const REPLENISH_MS = 10_000;
/**
 * A stock is replaced so often at most, whatever makes it due: one costs some 150 ms, and 57 KB on the relay's disk. What is
 * due before that waits, and however much is due is done at once.
 */
const RENEWALS = 4;
const RENEWALS_MS = 2 * 3_600_000;
/** It waits for a moment in which nothing happens, but no longer than that, and not at all if it is due for an hour. */
const QUIET_MS = 3_000;
const BUSY_MS = 30_000;
const OVERDUE_MS = 3_600_000;

/**
 * The key packages that the relay hands out for us. They are filled up when few are left, and replaced after each commit
 * that heals: who had stolen their private parts could read what is opened by them long after the commit has locked them out
 * of the conversation. They are replaced, too, where their lifetime is not one by the relay's clock, which others judge by, where they
 * were made by a version that announces less, and where the relay was restored from a backup: that hands out some a second time.
 */
export class KeyStock {
  readonly #filling: Filling;
  #fillDue = false;
  #filledAt = -Infinity;
  /** By `performance.now()`; Infinity if it is not due. */
  #renewAt = Infinity;
  #renewLatest = Infinity;
  #renewing: Promise<void> = Promise.resolve();
  #isRenewing = false;
  /** It has become due once more meanwhile. */
  #isDueAgain = false;

  constructor(filling: Filling) {
    this.#filling = filling;
  }

  /** At a login, with what the relay says that it has. */
  async begin(turn: Turn, stock: number): Promise<void> {
    for (const key of ["meta/relay-stock", "meta/least-stock"])
      if ((await turn.tx.get(key)) !== String(stock)) await turn.tx.put(key, String(stock));
    if (stock < STOCK / 2) this.#filling.connection.keysLow = stock;
    await this.#judge(turn);
    await this.#plan(turn);
  }

  /** At the beginning of a turn, in its transaction: what was said of it before what the turn reads was sent. */
  async hear(turn: Turn): Promise<void> {
    const stock = this.#filling.connection.keysLow;
    if (stock !== undefined) await lessIsLeft(turn.tx, stock);
  }

  /** At the end of a turn, in its transaction. */
  async turn(turn: Turn): Promise<void> {
    this.#fillDue ||= turn.lastResortUsed;
    if (!turn.healed) return;
    this.#isDueAgain = true;
    await renewalIsDue(turn.tx, turn.now);
    await this.#plan(turn);
  }

  /** From time to time, in a turn's transaction. */
  async sweep(turn: Turn): Promise<void> {
    if (await lastResortIsDue(turn)) this.#fillDue = true;
    await this.#judge(turn);
    await this.#plan(turn);
  }

  /** When there is something to do even if nothing happens, by `performance.now()`. */
  get dueAt(): number {
    const low = this.#fillDue || this.#filling.connection.keysLow !== undefined;
    return Math.min(low ? this.#filledAt + REPLENISH_MS : Infinity, this.#isRenewing ? Infinity : this.#renewAt);
  }

  /** After a turn. `heardAt`: when something came last, by `performance.now()`; undefined where more is to come. */
  async fill(heardAt: number | undefined): Promise<void> {
    const now = performance.now();
    if (this.#isRenewing) return;
    if (now >= this.#renewAt) {
      if (heardAt !== undefined && (now - heardAt >= QUIET_MS || now >= this.#renewLatest)) return this.#renew();
      this.#renewAt = Math.min(now, heardAt ?? now) + QUIET_MS;
    }
    const { store, connection } = this.#filling;
    const stock = connection.keysLow;
    if ((stock === undefined && !this.#fillDue) || now - this.#filledAt < REPLENISH_MS) return;
    this.#filledAt = now;
    connection.keysLow = undefined;
    this.#fillDue = false;
    if (stock !== undefined)
      await store.write(async (tx) => {
        await tx.put("meta/relay-stock", String(stock));
        await lessIsLeft(tx, stock);
      });
    await replenish(this.#filling);
  }

  /** Resolves when nothing is under way any more. */
  settled(): Promise<void> {
    return this.#renewing;
  }

  /** Beside the turns, which it would hold up. What is lost with the connection is due at the next login. */
  #renew(): void {
    const { store } = this.#filling;
    this.#isRenewing = true;
    this.#isDueAgain = false;
    this.#renewAt = Infinity;
    const work = async () => {
      await store.write(async (tx) => {
        const { done = [], ...rest } = (await get(tx, "meta/renewal")) ?? {};
        await put(tx, "meta/renewal", "", { ...rest, done: [...done, Date.now()].slice(-RENEWALS) });
      });
      if (!(await replenish(this.#filling, true))) return;
      this.#fillDue = false;
      await store.write(async (tx) => {
        const { due, done = [] } = (await get(tx, "meta/renewal")) ?? {};
        await put(tx, "meta/renewal", "", this.#isDueAgain && due !== undefined ? { due, done } : { done });
      });
    };
    this.#renewing = work()
      .catch(() => undefined)
      .finally(() => (this.#isRenewing = false));
  }

  async #judge(turn: Turn): Promise<void> {
    const keys = await list(turn.tx, "key/");
    // Nobody can add whoever announces too little to a team.
    if (!announcesAll(keys)) await renewalIsDue(turn.tx, turn.now);
    const { valid, invalid } = countKeyPackages(keys, turn.relayNow);
    if (invalid === 0) return;
    // At once: nobody can open a conversation by these.
    await renewalIsDue(turn.tx, 0);
    const text = "by the relay's clock nobody could use the key packages of this agent; they are replaced";
    if (valid === 0) await turn.alert("key_lifetime", undefined, text);
  }

  async #plan(turn: Turn): Promise<void> {
    const { due, done = [] } = (await get(turn.tx, "meta/renewal")) ?? {};
    if (due === undefined || this.#isRenewing) return;
    // One that is still to come was noted before the clock was set back.
    const lately = done.filter((at) => at <= turn.now && turn.now - at < RENEWALS_MS);
    const free = lately.length < RENEWALS ? 0 : (lately[0] ?? 0) + RENEWALS_MS - turn.now;
    const overdue = Math.abs(turn.now - due) > OVERDUE_MS;
    this.#renewAt = Math.min(this.#renewAt, turn.ticks + free);
    this.#renewLatest = this.#renewAt + (overdue ? 0 : BUSY_MS);
  }
}

/** Has the stock be replaced, as something that is due since then (Unix ms). */
export async function renewalIsDue(tx: WriteTransaction, since: number): Promise<void> {
  const renewal = (await get(tx, "meta/renewal")) ?? {};
  if (since < (renewal.due ?? Infinity)) await put(tx, "meta/renewal", "", { ...renewal, due: since });
}
