import type { WebSocket } from "ws";

/**
 * Why nothing more is read from a client: too much waits to be done, or to be read by it, a large frame waits for its turn, it is
 * over its rate, or ends.
 */
export type Why = "queue" | "unread" | "turn" | "rate" | "end";

/** Lets a client's frames in, or has them wait in the network: its own system holds it back then. */
export class Valve {
  readonly #webSocket: WebSocket;
  /** Made when it is needed: most connections never are held back. */
  #closedFor: Set<Why> | undefined;
  /** When it opens again by itself. */
  #until = 0;

  constructor(webSocket: WebSocket) {
    this.#webSocket = webSocket;
  }

  close(why: Why): void {
    this.#closedFor ??= new Set();
    if (this.#closedFor.size === 0) this.#webSocket.pause();
    this.#closedFor.add(why);
  }

  open(why: Why): void {
    if (this.#closedFor?.delete(why) === true && this.#closedFor.size === 0) this.#webSocket.resume();
  }

  /** Closes it for a while, or for longer if it is closed. */
  closeFor(why: Why, milliseconds: number): void {
    this.#until = Math.max(this.#until, performance.now() + milliseconds);
    if (this.isClosedFor(why)) return;
    this.close(why);
    this.#openLater(why);
  }

  #openLater(why: Why): void {
    const left = Math.max(1, this.#until - performance.now());
    setTimeout(() => (performance.now() < this.#until ? this.#openLater(why) : this.open(why)), left).unref();
  }

  isClosedFor(why: Why): boolean {
    return this.#closedFor?.has(why) === true;
  }
}
