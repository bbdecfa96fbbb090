/** What pages that share a store tell each other: that something was committed, or that the link is free. */
export class Bell {
  static readonly #bells = new Map<string, Bell>();
  readonly #name: string;
  readonly #channel: BroadcastChannel;
  readonly #listeners = new Set<() => void>();
  #users = 0;
  #rung = 0;

  private constructor(name: string) {
    this.#name = name;
    this.#channel = new BroadcastChannel(name);
    this.#channel.addEventListener("message", () => this.ringHere());
  }

  /** That of a store, the same for all that use it in this page. To be let go of by {@link leave}. */
  static of(name: string): Bell {
    let bell = Bell.#bells.get(name);
    if (bell === undefined) Bell.#bells.set(name, (bell = new Bell(name)));
    bell.#users += 1;
    return bell;
  }

  leave(): void {
    this.#users -= 1;
    if (this.#users > 0) return;
    this.#channel.close();
    Bell.#bells.delete(this.#name);
  }

  /** How often it was rung, as far as it is known here: at once for this page, by and by for others. */
  get rung(): number {
    return this.#rung;
  }

  listen(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  ring(): void {
    this.tellOthers();
    this.ringHere();
  }

  /** Tells other pages. */
  tellOthers(): void {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a channel has none
    this.#channel.postMessage("");
  }

  /** @param untold A listener that knows already */
  ringHere(untold?: () => void): void {
    this.#rung += 1;
    for (const listener of this.#listeners) if (listener !== untold) listener();
  }
}
