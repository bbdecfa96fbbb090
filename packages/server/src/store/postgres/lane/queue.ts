import type { StorageError } from "../../store.ts";

/** An owner's turn is over with the item that fills so much, or that is alone. Bytes. */
const TURN_COST = 32 * 1024;

export interface Waiting<Item> {
  item: Item;
  /** How much is held for it. */
  bytes: number;
  /** How much of a batch it is worth. */
  cost: number;
  isAlone: boolean;
  /** Whose turn it has to be. */
  owner: unknown;
  /** When it came, by `performance.now()`. */
  at: number;
  resolve: (answer: never) => void;
  reject: (error: StorageError) => void;
}

interface Line<Item> {
  items: Waiting<Item>[];
  /** What was taken since it is its turn is worth so much. */
  taken: number;
}

/** Owners take turns, and what one has asked for keeps its order: however much that is, others wait for no more of it than a turn. */
export class Queue<Item> {
  /** The first has the turn. */
  readonly #lines = new Map<unknown, Line<Item>>();

  get isEmpty(): boolean {
    return this.#lines.size === 0;
  }

  push(waiting: Waiting<Item>): void {
    const line = this.#lines.get(waiting.owner);
    if (line === undefined) this.#lines.set(waiting.owner, { items: [waiting], taken: 0 });
    else line.items.push(waiting);
  }

  /** Takes the next ones as long as they fit to those that were taken with them. */
  take(fits: (next: Waiting<Item>) => boolean): Waiting<Item>[] {
    const taken: Waiting<Item>[] = [];
    for (;;) {
      const [turn] = this.#lines;
      if (turn === undefined) return taken;
      const [owner, line] = turn;
      // An array that is shifted item by item costs as much as it is long.
      let count = 0;
      for (const next of line.items) {
        if (line.taken >= TURN_COST) break;
        if (!fits(next)) {
          taken.push(...line.items.splice(0, count));
          return taken;
        }
        line.taken += next.isAlone ? TURN_COST : next.cost;
        count += 1;
      }
      taken.push(...line.items.splice(0, count));
      this.#lines.delete(owner);
      if (line.items.length > 0) this.#lines.set(owner, { ...line, taken: 0 });
    }
  }

  /** Takes out what each owner has asked for first, as long as it is late. */
  drop(isLate: (waiting: Waiting<Item>) => boolean): Waiting<Item>[] {
    const late: Waiting<Item>[] = [];
    for (const [owner, { items }] of this.#lines) {
      const young = items.findIndex((each) => !isLate(each));
      late.push(...items.splice(0, young < 0 ? items.length : young));
      if (items.length === 0) this.#lines.delete(owner);
    }
    return late;
  }
}
