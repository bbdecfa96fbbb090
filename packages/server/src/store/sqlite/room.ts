import { placeOf } from "../decisions/room.ts";
import type { Amount, Payer, Room } from "../decisions/work.ts";

/** Of those who have nothing there any more some are kept: mostly they come again. */
const KEPT_EMPTY = 8;

const NOTHING: Readonly<Amount> = { messages: 0, bytes: 0 };

/** How full one mailbox is with entries of one kind, as it is counted while they come and go. */
export class CountedRoom implements Room {
  readonly all = { ...NOTHING };
  readonly strangers = { ...NOTHING };
  readonly #senders = new Map<string, Amount>();
  readonly #places = new Map<number | string, Amount>();

  of(sender: string): Readonly<Amount> {
    return this.#senders.get(sender) ?? NOTHING;
  }

  ofStrangersAt(place: number | string): Readonly<Amount> {
    return this.#places.get(place) ?? NOTHING;
  }

  /** Adds to what is taken, or gives back. */
  charge(payer: Payer, messages: number, bytes: number): void {
    add(this.all, messages, bytes);
    addTo(this.#senders, payer.sender, messages, bytes);
    if (!payer.stranger) return;
    add(this.strangers, messages, bytes);
    addTo(this.#places, placeOf(payer), messages, bytes);
  }
}

function add(amount: Amount, messages: number, bytes: number): void {
  amount.messages += messages;
  amount.bytes += bytes;
}

function addTo<K>(amounts: Map<K, Amount>, key: K, messages: number, bytes: number): void {
  const amount = amounts.get(key);
  if (amount === undefined) amounts.set(key, { messages, bytes });
  else if (amount.messages + messages === 0 && amounts.size > KEPT_EMPTY) amounts.delete(key);
  else add(amount, messages, bytes);
}
