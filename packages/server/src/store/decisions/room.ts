/** Whether what somebody sends fits into a mailbox: its shares, and whose turn it is. [P-5.9] */
import type { StoreLimits } from "../store.ts";
import type { Amount, Payer, Room, RoomKind, Work } from "./work.ts";

/** What an entry takes up beside its message: names, ids and indexes, roughly. */
const OVERHEAD_BYTES = 200;

/** Welcomes of one sender that may wait, and commits of a peer for which there is room however many others send. */
const WELCOMES = 16;
const COMMITS = 4;

/** A message so long, of whoever has none there, is taken before others' parts are judged. Bytes. */
const FIRST = 16 * 2 ** 10;

/** What a message counts for in a mailbox. Bytes. */
export function sizeOf(message: string, sessionId: string | undefined): number {
  const bytes = OVERHEAD_BYTES + Buffer.byteLength(message);
  return sessionId === undefined ? bytes : bytes + Buffer.byteLength(sessionId);
}

/** What so many entries with these messages count for. */
export function amountOf(messages: string[]): Amount {
  const bytes = messages.reduce((sum, message) => sum + sizeOf(message, undefined), 0);
  return { messages: messages.length, bytes };
}

/** Where entries of a kind would lie. */
interface Place {
  mailbox: number | undefined;
  kind: RoomKind;
}

/** Why messages of one sender do not fit: what there is too little of. Undefined: they do. */
export function roomObjection(
  work: Pick<Work, "mail" | "addresses" | "limits">,
  { mailbox, kind }: Place,
  payer: Payer,
  amount: Amount,
): "mailbox_full" | "storage_quota" | undefined {
  const { messages: count, bytes } = amount;
  if (count === 0) return undefined;
  const room = work.mail.room(mailbox, kind);
  const capacity = capacityOf(work.limits, kind);
  if (kind === "notice") return room.all.messages + count <= capacity.messages ? undefined : "mailbox_full";
  if (!hasSpace(work, payer, bytes)) return "storage_quota";
  // Nobody has more of it than all have together.
  if (kind === "welcome" && room.all.messages + count > WELCOMES && room.of(payer.sender).messages + count > WELCOMES)
    return "mailbox_full";
  if (fits(room, capacity, payer, amount)) return undefined;
  const isFirst = kind === "commit" && !payer.stranger && room.of(payer.sender).messages + count <= COMMITS;
  return isFirst ? undefined : "mailbox_full";
}

/** Whether so many bytes more of an account may lie here. */
export function hasSpace(
  { addresses, limits }: Pick<Work, "addresses" | "limits">,
  payer: Pick<Payer, "sender" | "account" | "address">,
  bytes: number,
): boolean {
  const { address } = payer;
  return (
    (address === undefined || addresses.bytes(address) + bytes <= limits.addressBytes) &&
    addresses.mail(accountOf(payer)) + bytes <= limits.accountBytes
  );
}

/**
 * Whether a stranger has to wait until the recipient, which is being pushed to, has read what strangers have left there before it
 * reads what contacts write next. An address has half of `most` that those of other addresses leave, an account half of what the
 * others leave its address: neither keeps out whoever comes next. [P-5.10]
 */
export function isBusy(work: Work, mailbox: number | undefined, payer: Payer, { messages, bytes }: Amount): boolean {
  if (!payer.stranger || messages === 0) return false;
  if (mailbox === undefined || !work.isListening(mailbox)) return false;
  const most = work.limits.strangersAheadBytes;
  const room = work.mail.room(mailbox, "application");
  const { strangers } = room;
  if (strangers.messages === 0) return false;
  // Also if all that is there were its own.
  if (room.all.bytes + bytes <= half(half(most) + room.all.bytes - strangers.bytes)) return false;
  const here = room.ofStrangersAt(placeOf(payer)).bytes;
  const own = room.of(payer.sender).bytes;
  if (own === 0 && bytes <= FIRST) return strangers.bytes >= 2 * most || here >= most;
  // What is larger than any part goes when nothing else of its address is there.
  if (here === 0) return strangers.bytes >= most;
  return own + bytes > half(half(most - (strangers.bytes - here)) - (here - own));
}

/** Whose mail it is that somebody is charged for. */
function accountOf({ account, sender }: Pick<Payer, "sender" | "account">): string {
  return account ?? sender;
}

/** Of whose part strangers' mail is: their address's, or their own. */
export function placeOf({ address, sender }: Payer): number | string {
  return address ?? sender;
}

/** Each kind has room of its own. */
function capacityOf(limits: StoreLimits, kind: RoomKind): Amount {
  if (kind === "application" || kind === "group")
    return { messages: limits.mailboxMessages, bytes: limits.mailboxBytes };
  if (kind === "notice") return { messages: limits.noticeMessages, bytes: Number.MAX_SAFE_INTEGER };
  return { messages: limits.handshakeMessages, bytes: limits.handshakeBytes };
}

/** Whether so much more of one sender fits. Mostly that is so whoever has sent what is there: then nobody's part is counted. */
function fits(room: Room, capacity: Amount, payer: Payer, amount: Amount): boolean {
  const { messages, bytes } = amount;
  if (fitsAnybody(room, capacity, payer, amount)) return true;
  const own = room.of(payer.sender);
  const most = (part: keyof Amount): number =>
    payer.stranger
      ? strangersShare(room, capacity[part], payer, part)
      : quarter(capacity[part] - (room.all[part] - own[part]));
  return own.messages + messages <= most("messages") && own.bytes + bytes <= most("bytes");
}

/** Whether it would fit if all that is there were its sender's, and of its address nothing: with less of its own it fits, too. */
function fitsAnybody({ all, strangers }: Room, capacity: Amount, { stranger }: Payer, amount: Amount): boolean {
  return (["messages", "bytes"] as const).every((part) => {
    const would = all[part] + amount[part];
    if (!stranger) return would <= quarter(capacity[part]);
    return would <= half(quarter(theirs({ all, strangers }, capacity[part], part) - strangers[part]));
  });
}

/** The part of strangers: what peers leave, and half of the room at most. */
function theirs({ all, strangers }: Pick<Room, "all" | "strangers">, capacity: number, part: keyof Amount): number {
  return Math.min(half(capacity), capacity - (all[part] - strangers[part]));
}

/**
 * An address takes a quarter of what the others leave of the part of strangers, an account half of what the others leave its address:
 * neither one name nor many of one address take it all.
 */
function strangersShare(room: Room, capacity: number, payer: Payer, part: keyof Amount): number {
  const own = room.of(payer.sender)[part];
  const taken = room.strangers[part];
  const here = room.ofStrangersAt(placeOf(payer))[part];
  return half(quarter(theirs(room, capacity, part) - (taken - here)) - Math.max(0, here - own));
}

function half(left: number): number {
  return Math.floor(left / 2);
}

function quarter(left: number): number {
  return Math.floor(left / 4);
}
