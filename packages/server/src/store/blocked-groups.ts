/** What a decision about a message does with the groups in which its connection was refused. */
export interface Blocked {
  has(group: string): boolean;
  add(group: string): void;
  delete(group: string): void;
}

/**
 * Groups in which a connection was refused: nothing that it asks for behind that is stored in one of them, until it goes on there. [P-6.5]
 * All that it asks for has a number, since it may be decided later than what comes behind it is refused.
 */
export class BlockedGroups implements Blocked {
  /** By groups the numbers of what was refused, the smallest first, and nothing that is lifted with the one before it. */
  readonly #refused = new Map<string, number[]>();
  #number = 0;
  /** The newest request to go on. */
  #goesOn = 0;

  constructor(groups: Iterable<string> = []) {
    for (const group of groups) this.add(group);
  }

  [Symbol.iterator](): Iterator<string> {
    return this.#refused.keys();
  }

  get size(): number {
    return this.#refused.size;
  }

  /** Something is asked for. @returns its number */
  ask({ goesOn = false }: { goesOn?: boolean } = {}): number {
    this.#number += 1;
    if (goesOn) this.#goesOn = this.#number;
    return this.#number;
  }

  /** @param asked Only what was refused before it counts, and came behind `after` */
  has(group: string, { asked = Infinity, after = 0 }: { asked?: number; after?: number | undefined } = {}): boolean {
    return this.#refused.get(group)?.some((number) => number > after && number < asked) ?? false;
  }

  add(group: string, asked: number = this.ask()): void {
    const all = this.#refused.get(group) ?? [];
    const before = all.findLast((number) => number <= asked);
    // Whatever lifts that lifts this, too.
    if (before !== undefined && before > this.#goesOn) return;
    this.#refused.set(
      group,
      [...all, asked].sort((one, other) => one - other),
    );
  }

  /** @param asked What was refused behind it stays */
  delete(group: string, asked = Infinity): void {
    const left = this.#refused.get(group)?.filter((number) => number > asked) ?? [];
    if (left.length > 0) this.#refused.set(group, left);
    else this.#refused.delete(group);
  }
}

interface Change {
  /** The number of the request to go on that has lifted all before it. */
  after?: number;
  /** What was refused since. */
  refused: number[];
}

/** Changes of a batch to the groups of connections: they hold among its own decisions, and beyond it when it is committed. */
export class BlockedChanges {
  readonly #all = new Map<BlockedGroups, Map<string, Change>>();

  /** @param asked The number of what is decided: all before it is decided already */
  of(groups: BlockedGroups, asked: number): Blocked {
    const changes = this.#all.get(groups) ?? new Map<string, Change>();
    this.#all.set(groups, changes);
    return {
      has(group) {
        const { after, refused = [] } = changes.get(group) ?? {};
        return refused.length > 0 || groups.has(group, { asked, after });
      },
      add(group) {
        const change = changes.get(group);
        if (change === undefined) changes.set(group, { refused: [asked] });
        else change.refused.push(asked);
      },
      delete: (group) => void changes.set(group, { after: asked, refused: [] }),
    };
  }

  commit(): void {
    for (const [groups, changes] of this.#all)
      for (const [group, { after, refused }] of changes) {
        if (after !== undefined) groups.delete(group, after);
        for (const asked of refused) groups.add(group, asked);
      }
  }
}
