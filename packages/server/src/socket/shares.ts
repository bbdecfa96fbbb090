interface Held {
  amount: number;
  /** `performance.now()`. */
  since: number;
  owners: string[];
}

export interface SharesOptions<H> {
  /** Of all of them together. */
  most: number;
  /** Of one owner. */
  share: number;
  /** For whom a holder counts: its address, its account. */
  ownersOf: (holder: H) => string[];
  /** Which one of those that hold equally much is ended. */
  between: "oldest" | "newest";
  /** Has a holder let go of what it holds. */
  end: (holder: H) => void;
}

/**
 * Something of which there is only so much, and what each holds of it. Beyond what one owner may have, its largest holder is
 * ended, and beyond what there is, the largest of the owner that has most.
 */
export class Shares<H> {
  readonly #options: SharesOptions<H>;
  /** Those that began first stand first. */
  readonly #held = new Map<H, Held>();
  readonly #ofOwner = new Map<string, number>();
  #all = 0;

  constructor(options: SharesOptions<H>) {
    this.#options = options;
  }

  /** Says what somebody holds now; 0: nothing any more. */
  hold(holder: H, amount: number): void {
    let held = this.#held.get(holder);
    if (held === undefined) {
      if (amount === 0) return;
      held = { amount: 0, since: performance.now(), owners: this.#options.ownersOf(holder) };
      this.#held.set(holder, held);
    }
    const more = amount - held.amount;
    held.amount = amount;
    this.#all += more;
    for (const owner of held.owners) this.#add(owner, more);
    if (amount === 0) this.#held.delete(holder);
    else if (more > 0) this.#keepWithin(held.owners);
  }

  /** Ends those that hold something for so long. Milliseconds. */
  endAfter(milliseconds: number): void {
    const before = performance.now() - milliseconds;
    for (const [holder, { since }] of this.#held) {
      if (since >= before) return;
      this.#end(holder);
    }
  }

  /** Whether one more of these owners would stay: there is room, or somebody has more than they. */
  hasRoomFor(owners: string[]): boolean {
    return this.#all < this.#options.most || this.amountOf(owners) + 1 < this.amountOf([this.#largestOwner ?? ""]);
  }

  /** What the largest of some owners holds. */
  amountOf(owners: string[]): number {
    return Math.max(...owners.map((owner) => this.#ofOwner.get(owner) ?? 0));
  }

  get #largestOwner(): string | undefined {
    return largest(this.#ofOwner, (amount) => amount, "oldest");
  }

  #add(owner: string, more: number): void {
    const amount = (this.#ofOwner.get(owner) ?? 0) + more;
    if (amount > 0) this.#ofOwner.set(owner, amount);
    else this.#ofOwner.delete(owner);
  }

  #keepWithin(owners: string[]): void {
    // Those that go may have held less than what has come.
    for (const owner of owners) while (this.amountOf([owner]) > this.#options.share) this.#endLargestOf(owner);
    while (this.#all > this.#options.most) this.#endLargestOf(this.#largestOwner);
  }

  #endLargestOf(owner: string | undefined): void {
    const amountOf = ({ amount, owners }: Held) => (owner === undefined || owners.includes(owner) ? amount : 0);
    const holder = largest(this.#held, amountOf, this.#options.between);
    if (holder !== undefined) this.#end(holder);
  }

  #end(holder: H): void {
    this.hold(holder, 0);
    this.#options.end(holder);
  }
}

/** The key of the largest. */
function largest<K, V>(all: Map<K, V>, sizeOf: (value: V) => number, between: "oldest" | "newest"): K | undefined {
  let most = 0;
  let found: K | undefined;
  for (const [key, value] of all) {
    const size = sizeOf(value);
    if (size > most || (size === most && size > 0 && between === "newest")) [most, found] = [size, key];
  }
  return found;
}
