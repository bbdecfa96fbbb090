/** How full one mailbox is with entries of one kind, and whether more fit. [P-5.9] */

interface Amount {
  messages: number;
  bytes: number;
}

/** The account that is charged for an entry. */
export interface Payer {
  /** Lower-case name. */
  sender: string;
  /** Number of the address from which the sender was registered; undefined: it is alone. */
  address: number | undefined;
  /** The mailbox's owner has not let it in. */
  stranger: boolean;
}

export interface Room extends Amount {
  senders: Map<string, Amount>;
  strangers: Strangers | undefined;
}

/** Their part of it, by address. */
interface Strangers extends Amount {
  addresses: Map<number | string, Amount>;
}

/** Of those who have nothing there any more some are kept: mostly they come again. */
const KEPT_EMPTY = 8;

const NOTHING: Amount = { messages: 0, bytes: 0 };

export function emptyRoom(): Room {
  return { ...NOTHING, senders: new Map(), strangers: undefined };
}

/** Adds to what is taken, or gives back. */
export function charge(room: Room, payer: Payer, messages: number, bytes: number): void {
  add(room, messages, bytes);
  addTo(room.senders, payer.sender, messages, bytes);
  if (!payer.stranger) return;
  room.strangers ??= { ...NOTHING, addresses: new Map() };
  add(room.strangers, messages, bytes);
  addTo(room.strangers.addresses, placeOf(payer), messages, bytes);
}

/** The part of one sender. */
export function held({ senders }: Room, sender: string): Amount {
  return senders.get(sender) ?? NOTHING;
}

/** Whether so much more of one sender fits. */
export function fits(room: Room, all: Amount, payer: Payer, { messages, bytes }: Amount): boolean {
  const own = held(room, payer.sender);
  const most = (part: keyof Amount): number =>
    payer.stranger ? strangersShare(room, all[part], payer, part) : quarter(all[part] - (room[part] - own[part]));
  return own.messages + messages <= most("messages") && own.bytes + bytes <= most("bytes");
}

/**
 * Strangers have what peers leave, and half of the room at most. An address takes a quarter of what the others leave of
 * that, an account half of what the others leave its address: neither one name nor many of one address take it all.
 */
function strangersShare(room: Room, all: number, payer: Payer, part: keyof Amount): number {
  const own = held(room, payer.sender);
  const taken = room.strangers === undefined ? 0 : room.strangers[part];
  const theirs = Math.min(half(all), all - (room[part] - taken));
  const place = room.strangers?.addresses.get(placeOf(payer));
  const here = place === undefined ? 0 : place[part];
  return half(quarter(theirs - (taken - here)) - Math.max(0, here - own[part]));
}

/** A message so long, of whoever has none there, is taken before others' parts are judged. Bytes. */
const FIRST = 16 * 2 ** 10;

/**
 * Whether strangers have so much there that a message of the payer, who is one, has to wait. An address has half of `most` that those of
 * other addresses leave, an account half of what the others leave its address: neither keeps out whoever comes next. [P-5.10]
 */
export function isCrowded(room: Room, payer: Payer, { most, bytes }: { most: number; bytes: number }): boolean {
  const { strangers } = room;
  if (strangers === undefined) return false;
  const here = strangers.addresses.get(placeOf(payer))?.bytes ?? 0;
  const own = held(room, payer.sender).bytes;
  if (own === 0 && bytes <= FIRST) return strangers.bytes >= 2 * most || here >= most;
  // What is larger than any part goes when nothing else of its address is there.
  if (here === 0) return strangers.bytes >= most;
  return own + bytes > half(half(most - (strangers.bytes - here)) - (here - own));
}

function placeOf({ address, sender }: Payer): number | string {
  return address ?? sender;
}

function half(left: number): number {
  return Math.floor(left / 2);
}

function quarter(left: number): number {
  return Math.floor(left / 4);
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
