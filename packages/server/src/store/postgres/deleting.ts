/** Up to where mailboxes are being deleted. */
export class Deleting {
  readonly #upTo = new Map<number, number>();

  begin(mailbox: number, seq: number): void {
    this.#upTo.set(mailbox, Math.max(seq, this.of(mailbox)));
  }

  end(mailbox: number, seq: number): void {
    if (this.#upTo.get(mailbox) === seq) this.#upTo.delete(mailbox);
  }

  of(mailbox: number): number {
    return this.#upTo.get(mailbox) ?? 0;
  }
}
