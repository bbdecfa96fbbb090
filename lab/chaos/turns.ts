/** Lets one thing happen after the other. */
export class Turns {
  #tail: Promise<void> = Promise.resolve();
  #waiting = 0;

  get idle(): boolean {
    return this.#waiting === 0;
  }

  take(work: () => Promise<void>): Promise<void> {
    this.#waiting += 1;
    this.#tail = this.#tail.then(work).finally(() => (this.#waiting -= 1));
    return this.#tail;
  }

  finished(): Promise<void> {
    return this.#tail;
  }
}
