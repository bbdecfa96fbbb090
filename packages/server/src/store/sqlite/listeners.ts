/** Which mailboxes are pushed to a connection: to the one with the highest claim. */
export class Listeners {
  readonly #claims = new Map<number, number>();
  #last = 0;

  /** @returns the claim by which it is given up */
  add(mailbox: number): number {
    this.#claims.set(mailbox, ++this.#last);
    return this.#last;
  }

  /** @returns whether no other connection has taken it over */
  remove(mailbox: number, claim: number): boolean {
    return this.#claims.get(mailbox) === claim && this.#claims.delete(mailbox);
  }

  has(mailbox: number): boolean {
    return this.#claims.has(mailbox);
  }

  mailboxes(): number[] {
    return [...this.#claims.keys()];
  }
}
