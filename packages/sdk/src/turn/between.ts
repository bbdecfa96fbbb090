/** What is computed: its name, what it is computed from, by identity, and how. */
export interface Work<T> {
  at: string;
  of: unknown;
  run: () => Promise<T>;
}

/**
 * What takes long is computed between two turns, from states that are values: a turn holds up all other processes of the agent. A turn
 * says what it wants, and goes on without; the next one takes it up, if what it was computed from is as it was.
 */
export class Between {
  readonly #wanted = new Map<string, Work<unknown>>();
  readonly #done = new Map<string, { of: unknown; outcome: { value: unknown } | { error: unknown } }>();
  /** Groups of which something is computed from their very state: nothing is encrypted in them meanwhile. */
  readonly #held = new Map<string, string>();

  get isWanted(): boolean {
    return this.#wanted.size > 0;
  }

  /** Whether something was computed already, from the same; if not, it will be. */
  isThere({ at, of, run }: Work<unknown>): boolean {
    if (this.#done.has(at) && this.#done.get(at)?.of === of) return true;
    this.#wanted.set(at, { at, of, run });
    return false;
  }

  /** Keeps a group as it is until that is forgotten. */
  hold(group: string, at: string): void {
    this.#held.set(group, at);
  }

  isHeld(group: string): boolean {
    return this.#held.has(group);
  }

  /** What was computed from this; undefined if nothing was. @throws what computing it has thrown */
  get(at: string, of: unknown): unknown {
    const done = this.#done.get(at);
    if (done === undefined || done.of !== of) return undefined;
    if ("error" in done.outcome) throw done.outcome.error;
    return done.outcome.value;
  }

  /** It was used, or will not be. */
  forget(at: string): void {
    this.#done.delete(at);
    for (const [group, held] of this.#held) if (held === at) this.#held.delete(group);
  }

  /** Computes what the turn before has wanted. What that has not taken, nobody waits for. */
  async compute(): Promise<void> {
    for (const at of this.#done.keys()) this.forget(at);
    const wanted = [...this.#wanted.values()];
    this.#wanted.clear();
    for (const { at, of, run } of wanted) {
      const outcome = await run().then(
        (value) => ({ value }),
        (error: unknown) => ({ error }),
      );
      this.#done.set(at, { of, outcome });
    }
  }

  clear(): void {
    this.#wanted.clear();
    this.#done.clear();
    this.#held.clear();
  }
}
