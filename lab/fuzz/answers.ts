/** A request whose answer is to come. */
export interface Expected<T> {
  /** What the answer names, or undefined if the request has no id that can be read. */
  id: string | undefined;
  /** A `received` without an id is answered only if it is refused. [P-2.3] */
  silent: boolean;
  request: T;
}

/**
 * The answers that a connection owes: exactly one for each request, in their order [P-2.3, P-2.4]. Where ids repeat or are
 * missing, several readings are possible; all of them are followed, and one must hold.
 */
export class OwedAnswers<T> {
  #owed: Expected<T>[] = [];
  /** Places in `owed` at which each reading goes on. */
  #readings = new Set([0]);

  get size(): number {
    return this.#owed.length;
  }

  add(expected: Expected<T>): void {
    this.#owed.push(expected);
  }

  /** @returns the request that this answers in the first reading, or undefined if there is none: nothing is changed then */
  take(id: string | undefined, isError: boolean): T | undefined {
    const next = new Set<number>();
    let answered: T | undefined;
    for (const reading of this.#readings)
      for (let at = reading; at < this.#owed.length; at++) {
        const { id: own, silent, request } = this.#owed[at] as Expected<T>;
        if (own === id && (!silent || isError)) {
          next.add(at + 1);
          answered ??= request;
        }
        if (!silent) break;
      }
    if (next.size === 0) return undefined;
    const done = Math.min(...next);
    this.#owed = this.#owed.slice(done);
    this.#readings = new Set([...next].map((at) => at - done));
    return answered;
  }

  /** What is owed next, for a report. */
  describe(): string {
    const next = this.#owed.slice(0, 3).map(({ id, silent }) => `${id ?? "(no id)"}${silent ? " (silent)" : ""}`);
    return next.length === 0 ? "nothing" : next.join(", ");
  }
}
