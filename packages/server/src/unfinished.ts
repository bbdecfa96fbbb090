import type { Limits } from "./limits.ts";
import type { Login } from "./session.ts";

/** A connection whose message may be unfinished. */
export interface Holder {
  readonly address: string;
  readonly login: Login | undefined;
  /** Ends it. */
  drop(why: string): void;
}

interface Held {
  bytes: number;
  /** When the message began: `performance.now()`. */
  since: number;
  /** Address and account, each of which may hold its share. */
  owners: string[];
}

/**
 * What is held for messages that are not whole: in all and for each address and account it is bounded, and so is its time,
 * which pings do not extend. [P-1.7]
 */
export class Unfinished {
  readonly #most: number;
  readonly #deadline: number;
  /** Those that began first stand first. */
  readonly #held = new Map<Holder, Held>();
  readonly #ofOwner = new Map<string, number>();
  #bytes = 0;

  constructor({ unfinishedBytesOfAll, readDeadline }: Limits) {
    this.#most = unfinishedBytesOfAll;
    this.#deadline = readDeadline;
  }

  /** Of a connection's message so many bytes are held now. None: it is whole, or the connection is gone. */
  hold(holder: Holder, bytes: number): void {
    let held = this.#held.get(holder);
    if (held === undefined) {
      if (bytes === 0) return;
      this.#held.set(holder, (held = { bytes: 0, since: performance.now(), owners: ownersOf(holder) }));
    }
    const more = bytes - held.bytes;
    held.bytes = bytes;
    this.#bytes += more;
    for (const owner of held.owners) this.#add(owner, more);
    if (bytes === 0) this.#held.delete(holder);
    else this.#keepWithin(held.owners);
  }

  /** Ends connections whose message takes too long. */
  dropOverdue(now: number): void {
    for (const [holder, { since }] of this.#held) {
      if (now - since <= this.#deadline) return;
      this.#drop(holder);
    }
  }

  #add(owner: string, more: number): void {
    const bytes = (this.#ofOwner.get(owner) ?? 0) + more;
    if (bytes > 0) this.#ofOwner.set(owner, bytes);
    else this.#ofOwner.delete(owner);
  }

  #keepWithin(owners: string[]): void {
    const share = this.#most / 4;
    const over = owners.find((owner) => (this.#ofOwner.get(owner) ?? 0) > share);
    if (over !== undefined) this.#dropLargestOf(over);
    if (this.#bytes > this.#most) this.#dropLargestOf(largest(this.#ofOwner));
  }

  #dropLargestOf(owner: string): void {
    const own = [...this.#held].filter(([, { owners }]) => owners.includes(owner));
    const holder = largest(new Map(own.map(([each, { bytes }]) => [each, bytes])));
    this.#drop(holder);
  }

  #drop(holder: Holder): void {
    this.hold(holder, 0);
    holder.drop("unfinished message dropped");
  }
}

function ownersOf({ address, login }: Holder): string[] {
  return login === undefined ? [`address ${address}`] : [`address ${address}`, `account ${login.name}`];
}

function largest<K>(sizes: Map<K, number>): K {
  return [...sizes].reduce((most, each) => (each[1] > most[1] ? each : most))[0];
}
