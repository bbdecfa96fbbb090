/** The messages of each sender in the order in which it has sent them, so that what waits behind one that is busy costs others nothing. */
import type { ReadTransaction, Value } from "../store/store.ts";
import { pad, rowsUnder } from "../records/records.ts";
import type { InboxRecord } from "../records/tables.ts";

/** Rows that are read in one transaction: between two of them others get in. */
const AT_ONCE = 1_000;
/** What is remembered is read anew after so long, in case anything has changed that nobody has told of. Milliseconds. */
const REMEMBERED_MS = 300_000;

/** Changes when a message waits again that was settled. */
export const REDELIVERED = "meta/redelivered";

/** What a listener wants to know of a row. */
export interface Judge {
  /** The row at a place of the inbox, if it is wanted. */
  look: (seq: string) => Promise<InboxRecord | undefined>;
  /** When it may be given out: Unix milliseconds, Infinity if never. */
  freeAt: (row: InboxRecord) => number;
  /** It waits no more. */
  forget: (seq: number) => void;
}

/** A sender, and places in the inbox, in their order. */
type Waiting = [from: string, places: number[]];

/** What waits of each sender, as a listener remembers it: only what has come since is read again, and the first of each. */
export class Senders {
  readonly #waiting = new Map<Waiting[0], Waiting[1]>();
  /** The last key that was read. */
  #after: string | undefined;
  #readAt = 0;
  #redelivered: Value | undefined;

  /**
   * The first message that is free, and before which its sender has none that is not handled.
   * @returns its place, or when to look again, or undefined if more is to be read first, in another transaction
   */
  async find(tx: ReadTransaction, judge: Judge): Promise<string | number | undefined> {
    await this.#readAnew(tx);
    const now = Date.now();
    let next = Infinity;
    let left = AT_ONCE;
    const senders = [...this.#waiting].toSorted(byPlace);
    for (let at = 0; at < senders.length;) {
      const [from, places] = senders[at] as Waiting;
      const row = await judge.look(pad(places[0] as number));
      if (row?.state === "unhandled") {
        const free = judge.freeAt(row);
        if (free <= now) return pad(row.seq);
        next = Math.min(next, free);
        at += 1;
        continue;
      }
      judge.forget(places.shift() as number);
      if (places.length > 0) moveBack(senders, at);
      else {
        this.#waiting.delete(from);
        at += 1;
      }
      if ((left -= 1) === 0) return undefined;
    }
    for await (const [key] of rowsUnder(tx, "unhandled/", this.#after)) {
      if ((left -= 1) === 0) return undefined;
      const row = await judge.look(key.slice("unhandled/".length));
      this.#after = key;
      if (row === undefined) continue;
      const before = this.#waiting.get(row.from);
      if (before !== undefined) before.push(row.seq);
      else {
        this.#waiting.set(row.from, [row.seq]);
        const at = judge.freeAt(row);
        if (at <= now) return pad(row.seq);
        next = Math.min(next, at);
      }
    }
    return next;
  }

  async #readAnew(tx: ReadTransaction): Promise<void> {
    const redelivered = await tx.get(REDELIVERED);
    if (redelivered === this.#redelivered && performance.now() - this.#readAt < REMEMBERED_MS) return;
    this.#redelivered = redelivered;
    this.#readAt = performance.now();
    this.#waiting.clear();
    this.#after = undefined;
  }
}

function byPlace([, [a = 0]]: Waiting, [, [b = 0]]: Waiting): number {
  return a - b;
}

/** Puts one, whose first place has changed, where it belongs among those behind it. */
function moveBack(senders: Waiting[], at: number): void {
  const moved = senders[at] as Waiting;
  let to = at;
  for (let next = senders[to + 1]; next !== undefined && byPlace(next, moved) < 0; next = senders[to + 1])
    senders[to++] = next;
  senders[to] = moved;
}
