/** What decisions about teams have in common: who is a member, who gets something, and who is charged for it. */
import type { Body, KeyAccount, Refused } from "../store.ts";
import { amountOf, hasSpace, roomObjection, sizeOf } from "./room.ts";
import {
  type Amount,
  each,
  type Group,
  type Member,
  type NewEntry,
  type Payer,
  type RoomKind,
  type Work,
} from "./work.ts";

/** A member as it begins, but for who it is. */
export const NEWCOMER: Omit<Member, "mailbox" | "name" | "device" | "joined"> = {
  lapsed: false,
  leaves: false,
  awaySince: undefined,
  adder: undefined,
  rejoinedAt: undefined,
};

/** Whether an epoch of a group still takes messages. [P-6.4] */
export function admits({ epoch: present, floor }: Group, epoch: number): boolean {
  return epoch >= 1 && epoch <= present && epoch >= Math.max(floor, present - 1);
}

/** The member that a device is, unless it has left. */
export function memberOf(group: Group | undefined, mailbox: number): Member | undefined {
  const member = group?.members.get(mailbox);
  return member?.leaves === true ? undefined : member;
}

/** Whether a member gets nothing of its team. */
export function isAway({ lapsed, leaves }: Member): boolean {
  return lapsed || leaves;
}

/** Members that get what the sender says in an epoch, and those that do not, though they could read it. */
export function audience(group: Group, sender: number, epoch: number): { present: Member[]; away: Member[] } {
  const others = [...group.members.values()].filter(({ mailbox, joined }) => mailbox !== sender && joined <= epoch);
  return { present: others.filter((member) => !isAway(member)), away: others.filter(isAway) };
}

/**
 * Those that got nothing of what was sent in an epoch at some time, as far as they are members still. With each answer they would be kept
 * for as long as it is remembered, a name for each.
 */
export function awayAt(
  group: Group | undefined,
  sender: number,
  { epoch, at }: { epoch: number; at: number },
): string[] {
  if (group === undefined) return [];
  return audience(group, sender, epoch)
    .away.filter(({ awaySince }) => (awaySince ?? 0) <= at)
    .map(({ name }) => name);
}

/** Where in a member's mailbox something of a team is charged, and to whom: to its adder until it has said something there itself. [P-5.11] */
export function placeIn(
  groupId: string,
  { mailbox, adder }: Member,
  { kind, sender }: { kind: "application" | "commit"; sender: KeyAccount },
): { place: { mailbox: number; kind: RoomKind }; payer: Payer } {
  // The room in the mailbox is its adder's, or its team's; what lies on the disk is in any case what its sender has sent.
  const own = { account: sender.name, address: sender.address };
  if (adder !== undefined) return { place: { mailbox, kind }, payer: { ...adder, ...own } };
  const payer = { sender: groupId, ...own, stranger: false };
  return { place: { mailbox, kind: "group" }, payer };
}

/** What one entry of many counts for that share a body. */
export function shareOf(body: string, entries: number): Amount {
  return { messages: 1, bytes: sizeOf("", undefined) + Math.ceil(Buffer.byteLength(body) / Math.max(1, entries)) };
}

/** Somebody who gets something. */
interface Recipient {
  member: Member;
  payer: Payer;
}

/** Somebody who has no room for it, and perhaps for being told so. */
interface Lapsing {
  member: Member;
  isTold: boolean;
}

/** The relay's own word counts for whom it is for. */
function noticePayer({ name }: Member): Payer {
  return { sender: name, address: undefined, stranger: false };
}

/** Members that are about to lapse, and whether there is room to tell them. */
export function lapsingOf(work: Work, members: Member[]): Lapsing[] {
  return each(members, (member) => ({ member, isTold: hasNoticeRoom(work, member) }));
}

function hasNoticeRoom(work: Work, member: Member): boolean {
  const place = { mailbox: member.mailbox, kind: "notice" } as const;
  return roomObjection(work, place, noticePayer(member), amountOf([""])) === undefined;
}

/**
 * Of those who get something, whoever has room for it: one without never stops the others. Refused if it is its sender who has no more
 * room: that is nobody else's fault.
 */
export function withRoom(
  work: Work,
  groupId: string,
  {
    kind,
    sender,
    present,
    amount,
  }: { kind: "application" | "commit"; sender: KeyAccount; present: Member[]; amount: Amount },
): { recipients: Recipient[]; full: Lapsing[] } | Refused {
  const recipients: Recipient[] = [];
  const full: Member[] = [];
  const own = { sender: sender.name, address: sender.address };
  if (present.length > 0 && !hasSpace(work, own, present.length * amount.bytes)) return { refused: "storage_quota" };
  each(present, (member) => {
    const { place, payer } = placeIn(groupId, member, { kind, sender });
    // Whoever reads is not kept waiting by what stands before its contacts' mail, as by strangers' letters: it would lapse by any burst.
    if (roomObjection(work, place, payer, amount) !== undefined) full.push(member);
    else recipients.push({ member, payer });
  });
  return { recipients, full: lapsingOf(work, full) };
}

/** What entries of a team for several members have in common. */
export type Shared = Omit<
  NewEntry,
  "mailbox" | "sender" | "address" | "stranger" | "message" | "body" | "sessionId" | "status" | "reason"
> & {
  body: Body;
};

export function addShared(work: Work, recipients: Recipient[], shared: Shared): void {
  const rest = { ...shared, message: "", sessionId: undefined, status: undefined, reason: undefined };
  for (const { member, payer } of recipients) work.mail.add({ ...rest, ...payer, mailbox: member.mailbox });
}

/** Whom it is for, and what it says. */
type Notice = Payer & Pick<NewEntry, "mailbox" | "from" | "groupId" | "messageId" | "storedAt" | "status" | "reason">;

/** What the relay says itself of a message. [P-5.7] */
export function addNotice({ mail }: Pick<Work, "mail">, notice: Notice): void {
  mail.add({
    ...notice,
    device: undefined,
    kind: "notice",
    message: "",
    sessionId: undefined,
    epoch: undefined,
    expiresAt: undefined,
    bytes: sizeOf("", undefined),
  });
}

/** Those that have lost something get nothing more, and are told so, if there is room to. */
export function lapse(
  work: Work,
  groupId: string,
  { members, messageId, now }: { members: Lapsing[]; messageId: string; now: number },
): void {
  for (const { member, isTold } of members) {
    work.groups.setMember(groupId, { ...member, lapsed: true, awaySince: member.awaySince ?? now });
    if (!isTold) continue;
    const about = { groupId, messageId, storedAt: now, from: "", status: "dropped", reason: "lapsed" } as const;
    addNotice(work, { ...noticePayer(member), ...about, mailbox: member.mailbox });
  }
}

/** Whoever says something in a team is no newcomer there any more. */
export function settleIn(work: Work, groupId: string, member: Member): void {
  if (member.adder !== undefined) work.groups.setMember(groupId, { ...member, adder: undefined });
}
