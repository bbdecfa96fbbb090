import { Missing } from "../decisions/work.ts";
import { Batch, type Memory } from "./batch.ts";
import { LOCK_LOOK } from "./tables/boxes.ts";
import { Again, type Decided } from "./lane/fenced-writes.ts";
import { allHints } from "./hints.ts";
import { BlockedChanges } from "../blocked-groups.ts";
import type { Item } from "./items.ts";
import type { Sql } from "./link/link.ts";

/** More questions than any decision has. */
const MOST_ROUNDS = 50;

interface DeciderOptions {
  memory: Memory;
  clock: () => number;
  /** Told of each batch when it is committed, before its answers. */
  onCommitted: (batch: Batch) => void;
}

/** Decides about a batch of items in a transaction that has begun: locks, reads, decides, and sends what is to be written. */
export function decider({ memory, clock, onCommitted }: DeciderOptions): (sql: Sql, items: Item[]) => Promise<Decided> {
  return async (sql, items) => {
    const batch = new Batch(memory, clock());
    await batch.begin(sql, allHints(items));
    for (let round = 0; round < MOST_ROUNDS; round++) {
      const missing = new Map<string, Set<string>>();
      const blocked = new BlockedChanges();
      const answers = items.map((item) => decideOne(batch, item, { blocked, missing }));
      if (missing.size === 0) {
        const writes: Promise<unknown>[] = [];
        batch.write((text, values) => void writes.push(sql(text, values)));
        const committed = (): void => {
          batch.committed();
          blocked.commit();
          onCommitted(batch);
          items.forEach((item, at) => item.committed?.(answers[at]));
        };
        return { answers, writes, committed };
      }
      // Locks are taken in the order of all: with one more of them it begins anew.
      if (missing.has(LOCK_LOOK)) throw new Again();
      batch.undo();
      await batch.read(sql, missing);
    }
    throw new Error("A decision asks for more and more");
  };
}

/** Decides, and notes what is missing instead of failing. @returns undefined if something is */
function decideOne(
  batch: Batch,
  item: Item,
  { blocked, missing }: { blocked: BlockedChanges; missing: Map<string, Set<string>> },
): unknown {
  try {
    return item.decide(batch, blocked);
  } catch (error) {
    if (!(error instanceof Missing)) throw error;
    for (const { look, key } of [error, ...error.others]) {
      if (look === LOCK_LOOK) (item.locks ??= new Set()).add(Number(key));
      const keys = missing.get(look);
      if (keys === undefined) missing.set(look, new Set([key]));
      else keys.add(key);
    }
    return undefined;
  }
}
