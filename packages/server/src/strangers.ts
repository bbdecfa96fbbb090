import type { Session } from "./session.ts";

/** The connections that have not logged in, in all and of each address. */
export class Strangers {
  readonly #all = new Set<Session>();
  readonly #ofAddress = new Map<string, number>();

  add(session: Session): void {
    this.#all.add(session);
    this.#ofAddress.set(session.address, this.count(session.address) + 1);
  }

  /** It has logged in, or is gone. */
  delete(session: Session): void {
    if (!this.#all.delete(session)) return;
    const left = this.count(session.address) - 1;
    if (left > 0) this.#ofAddress.set(session.address, left);
    else this.#ofAddress.delete(session.address);
  }

  count(address?: string): number {
    return address === undefined ? this.#all.size : (this.#ofAddress.get(address) ?? 0);
  }
}
