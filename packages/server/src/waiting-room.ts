interface WaitingRoomOptions<T> {
  /** Milliseconds between two looks. */
  lookMs: number;
  /** Whether what all wait for is there. Asked before each of them: who went before may have used it up. */
  isOpen: () => boolean;
  go: (who: T) => void;
}

/** Where many wait for the same thing: one timer looks for all, since each with one of its own would cost the most when there is the least to spare. */
export class WaitingRoom<T> {
  readonly #options: WaitingRoomOptions<T>;
  /** Who came first goes first. */
  readonly #waiting = new Set<T>();
  #isTimed = false;

  constructor(options: WaitingRoomOptions<T>) {
    this.#options = options;
  }

  add(who: T): void {
    this.#waiting.add(who);
    if (this.#isTimed) return;
    this.#isTimed = true;
    setTimeout(() => this.#look(), this.#options.lookMs).unref();
  }

  #look(): void {
    this.#isTimed = false;
    const { isOpen, go } = this.#options;
    // Who comes back meanwhile goes the next time.
    const come = isOpen() ? [...this.#waiting] : [];
    for (const who of come) {
      if (!isOpen()) break;
      this.#waiting.delete(who);
      go(who);
    }
    const [next] = this.#waiting;
    if (next !== undefined) this.add(next);
  }
}
