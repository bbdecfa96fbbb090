/** What a decision about a message does with the groups in which its connection was refused. */
export interface Blocked {
  has(group: string): boolean;
  add(group: string): void;
  delete(group: string): void;
}

/**
 * Groups in which a connection was refused: nothing more is stored in one of them until the connection goes on there. [P-6.5]
 * A refusal may come while a request to go on is being decided, and is then newer than it.
 */
export class BlockedGroups implements Blocked {
  /** With the turns since which, and in which last, each was blocked. */
  readonly #turns = new Map<string, { since: number; last: number }>();
  #turn = 0;

  constructor(groups: Iterable<string> = []) {
    for (const group of groups) this.add(group);
  }

  [Symbol.iterator](): Iterator<string> {
    return this.#turns.keys();
  }

  get size(): number {
    return this.#turns.size;
  }

  /** What is blocked later is newer than what is asked now, and is nothing to it, though it be decided later still. */
  get turn(): number {
    return this.#turn;
  }

  /** @param when In which turn it is asked, and after which one the group was not blocked */
  has(group: string, { asked = Infinity, after = -1 }: { asked?: number; after?: number | undefined } = {}): boolean {
    const turns = this.#turns.get(group);
    return turns !== undefined && turns.last > after && Math.max(turns.since, after + 1) <= asked;
  }

  /** @param asked The turn of a request that was refused when it was decided: what was asked since then stands behind it */
  add(group: string, asked?: number): void {
    const last = ++this.#turn;
    const since = Math.min(asked ?? last, this.#turns.get(group)?.since ?? Infinity);
    this.#turns.set(group, { since, last });
  }

  /** @param turn What was blocked later stays */
  delete(group: string, turn = this.#turn): void {
    const turns = this.#turns.get(group);
    if (turns === undefined) return;
    if (turns.last > turn) turns.since = Math.max(turns.since, turn + 1);
    else this.#turns.delete(group);
  }
}

/** Changes of a batch to the groups of connections: they hold among its own decisions, and beyond it when it is committed. */
export class BlockedChanges {
  readonly #all = new Map<BlockedGroups, Map<string, { isBlocked: boolean; turn: number }>>();

  /** @param turn That of the connection when it asked for the decision */
  of(groups: BlockedGroups, turn: number): Blocked {
    const changes = this.#all.get(groups) ?? new Map<string, { isBlocked: boolean; turn: number }>();
    this.#all.set(groups, changes);
    const change = (group: string, isBlocked: boolean): void => void changes.set(group, { isBlocked, turn });
    return {
      has(group) {
        const change = changes.get(group);
        return change?.isBlocked === true || groups.has(group, { asked: turn, after: change?.turn });
      },
      add: (group) => change(group, true),
      delete: (group) => change(group, false),
    };
  }

  commit(): void {
    for (const [groups, changes] of this.#all)
      for (const [group, { isBlocked, turn }] of changes)
        if (isBlocked) groups.add(group, turn);
        else groups.delete(group, turn);
  }
}
