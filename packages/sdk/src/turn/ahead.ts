/** Messages of one conversation that wait behind each other are decrypted together: their signatures are verified beside each other. */
import type { GroupCrypto } from "../crypto/mls/group.ts";
import type { Group, Opened } from "../crypto/mls/seam.ts";
import { type Delivery, fromBase64, isBase64 } from "../protocol/index.ts";
import type { Waste } from "./waste.ts";

/** So many at once, at most: what the turn has no time for is decrypted once more. With fewer than that nothing is gained. */
const MOST = 16;
const FEW = 4;
/** The same in characters of their ciphertexts: some milliseconds. */
const MOST_CHARACTERS = 2 ** 17;

/** What was decrypted, and in which state: it holds in that one alone. */
interface Known {
  seq: number;
  before: Group;
  opened: Opened;
}

/** What of a conversation is asked here. */
interface Within {
  readonly record: { readonly contact: string };
  readonly group: Group;
}

/** What of a turn is asked here. */
interface Asked {
  readonly crypto: GroupCrypto;
  readonly cache: { readonly waste: Waste };
  readonly clock: () => number;
}

export class Ahead {
  /** What the relay has pushed, in its order. */
  #pushed: readonly { delivery: Delivery }[] = [];
  #at = 0;
  #known: Known[] = [];
  /** Up to this one each goes alone: one of them is not what it should be. */
  #aloneUpTo = 0;

  begin(pushed: readonly { delivery: Delivery }[]): void {
    this.#pushed = pushed;
    this.#at = 0;
  }

  /** As {@link GroupCrypto.decrypt} of the message of `delivery`. */
  async decrypt(turn: Asked, { record, group }: Within, delivery: Delivery): Promise<Opened> {
    if (this.#known[0]?.seq !== delivery.seq || this.#known[0].before !== group) {
      // What fails is tried once more alone, which its sender is charged for once.
      const isTried = delivery.seq > this.#aloneUpTo && turn.cache.waste.owesNothing(record.contact, turn.clock());
      this.#known = isTried ? await this.#decryptFrom(turn, group, delivery) : [];
    }
    return this.#known.shift()?.opened ?? turn.crypto.decrypt(group, bytesOf(delivery));
  }

  async #decryptFrom(turn: Asked, group: Group, first: Delivery): Promise<Known[]> {
    const run = await this.#runFrom(turn, first);
    if (run.length < FEW) return [];
    const messages = run.map(({ message }) => fromBase64(message));
    const all = await turn.crypto.decryptAll(group, messages);
    this.#aloneUpTo = run[all.length]?.seq ?? this.#aloneUpTo;
    return all.map((opened, index) => ({
      seq: (run[index] as Delivery).seq,
      before: all[index - 1]?.group ?? group,
      opened,
    }));
  }

  async #runFrom({ crypto, cache: { waste } }: Asked, first: Delivery): Promise<Delivery[]> {
    while ((this.#pushed[this.#at]?.delivery.seq ?? Infinity) < first.seq) this.#at += 1;
    const run: Delivery[] = [];
    let size = 0;
    for (const { delivery } of this.#pushed.slice(this.#at, this.#at + MOST)) {
      const { kind = "application", group_id, message } = delivery;
      if (kind !== "application" || group_id !== first.group_id || !isBase64(message)) break;
      if ((size += message.length) > MOST_CHARACTERS) break;
      if (waste.remembers && waste.hasFailed(await crypto.digest(fromBase64(message)))) break;
      run.push(delivery);
    }
    return run[0] === first ? run : [];
  }
}

/** None, if it is no base64. */
function bytesOf({ message }: Delivery): Uint8Array {
  return isBase64(message) ? fromBase64(message) : new Uint8Array();
}
