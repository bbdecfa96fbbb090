import { Username, type WireReason } from "@aimessage/sdk/protocol";
import type { Blocked } from "../blocked-groups.ts";
import { dayOf } from "../days.ts";
import type { Account, KeyAccount, Refused, SendRequest, Sent, TeamSent, TokenAccount } from "../store.ts";
import { digestOf, isSame } from "./digest.ts";
import { payerOf, senderOf } from "./payer.ts";
import { isBusy, roomObjection, sizeOf } from "./room.ts";
import { sendToTeam } from "./team-send.ts";
import { admits, awayAt, isAway, memberOf, placeIn, settleIn } from "./team.ts";
import type { Group, Member, Occasion, Payer, Work } from "./work.ts";

/** A message as it is decided about: with the id that the relay gives to one that has none. */
export interface SendDecision {
  request: SendRequest;
  /** The request's own id, or one of the relay's. */
  id: string;
  /** Groups in which this connection was refused: what is in one of them is refused, and what is refused adds its own. [P-6.5] */
  blocked: Blocked;
}

/** Decides about a message and stores it. Nothing is written if it is refused. */
export function send(work: Work, decision: SendDecision, occasion: Occasion): Sent | Refused {
  const { request, blocked } = decision;
  const { groupId } = request;
  // What one member of a team says to one other has no place among the messages: whom it does not reach holds up nobody else.
  if (groupId === undefined || request.direct === true) return decide(work, decision, occasion);
  if (request.resume === true) blocked.delete(groupId);
  else if (blocked.has(groupId)) return { refused: "send_blocked" };
  const result = decide(work, decision, occasion);
  if ("refused" in result) blocked.add(groupId);
  return result;
}

function decide(work: Work, { request, id }: SendDecision, { now, isFull }: Occasion): Sent | Refused {
  const { accounts, mail, requests } = work;
  const { sender: senderMailbox, messageId } = request;
  const sender = senderOf(work, senderMailbox);
  if (sender === undefined) return { refused: "device_replaced" };
  if (sender.disabled) return { refused: "account_disabled" };

  const past = messageId === undefined ? undefined : requests.find(senderMailbox, "message", messageId);
  if (messageId !== undefined && past !== undefined) {
    if (!isSame(past.digest, messageDigest(request))) return { refused: "message_id_reused" };
    if (past.answer !== undefined)
      return repeatInTeam(work, { ...request, messageId }, { ...past, answer: past.answer });
    const waiting = mail.isWaiting(past.mailbox, past.seq);
    const listening = work.isListening(past.mailbox);
    // The newest is the one that was answered last: by that order the client knows it.
    if (sender.kind === "key") requests.setLast(senderMailbox, messageId);
    return { messageId, waiting, listening };
  }
  if (isFull) return { refused: "storage_full" };
  if (request.expiresAt !== undefined && request.expiresAt <= now) return { refused: "expired" };

  if (request.to === undefined) {
    if (sender.kind === "token") return { refused: "invalid_data" };
    return sendToTeam(work, sender, { request, id, digest: () => messageDigest(request) }, { now, isFull });
  }
  const to = accounts.find(request.to);
  const target =
    sender.kind === "token"
      ? tokenTarget(work, sender, to, { ...request, to: request.to })
      : keyTarget(work, sender, to, request);
  if (typeof target === "string") return { refused: target };
  if ("refused" in target) return target;
  // Members of a team hear each other, whatever they think of each other.
  const payer = target.payer ?? payerOf(work, sender, to?.name);
  if (payer === undefined) return { refused: "blocked" };
  const amount = { messages: 1, bytes: sizeOf(request.message, request.sessionId) };
  const kind = target.payer === undefined || payer.stranger ? "application" : "group";
  const objection = roomObjection(work, { mailbox: target.mailbox, kind }, payer, amount);
  if (objection !== undefined) return { refused: objection };
  if (sender.kind === "key" && isBusy(work, target.mailbox, payer, amount)) return { refused: "recipient_busy" };
  const listening = target.mailbox !== undefined && work.isListening(target.mailbox);

  const mailbox = target.mailbox ?? accounts.addMailboxOfUnknown(request.to);
  const seq = mail.add({
    ...payer,
    mailbox,
    from: sender.username,
    device: sender.kind === "key" ? sender.device.id : undefined,
    kind: request.direct === true ? "direct" : "application",
    message: request.message,
    sessionId: request.sessionId,
    groupId: request.groupId,
    epoch: request.epoch,
    messageId: id,
    expiresAt: request.expiresAt,
    storedAt: now,
    bytes: amount.bytes,
    status: undefined,
    reason: undefined,
    unknown: target.unknown,
  });
  // The digest not sooner: what finds no room shall cost little, however large it is.
  if (messageId !== undefined)
    requests.add({ sender: senderMailbox, kind: "message", id, digest: messageDigest(request), mailbox, seq, at: now });
  if (sender.kind === "key") requests.setLast(senderMailbox, id);
  if (target.own !== undefined) settleIn(work, request.groupId ?? "", target.own);
  if (target.group !== undefined && target.group.used !== dayOf(now))
    work.groups.use(request.groupId ?? "", dayOf(now));
  return { messageId: id, waiting: true, listening };
}

export function messageDigest(
  request: Pick<SendRequest, "to" | "message" | "sessionId" | "groupId" | "epoch" | "expiresAt">,
): Uint8Array {
  const { to, message, sessionId, groupId, epoch, expiresAt } = request;
  return digestOf(
    to?.toLowerCase() ?? null,
    message,
    sessionId ?? null,
    groupId ?? null,
    epoch ?? null,
    expiresAt ?? null,
  );
}

/** Where a message goes. */
interface Target {
  /** Undefined: it is yet to be made. */
  mailbox: number | undefined;
  /** Nobody has registered the name. */
  unknown: boolean;
  /** In which it is sent. */
  group?: Group;
  /** Of a direct frame in a team: who pays for it, and who sends it. */
  payer?: Payer;
  own?: Member;
}

/** What was sent in a team is answered as it was. */
function repeatInTeam(
  work: Work,
  { sender, messageId, groupId = "", epoch = 0 }: SendRequest & { messageId: string },
  { answer, at }: { answer: string; at: number },
): Sent {
  const lapsed = awayAt(work.groups.find(groupId), sender, { epoch, at });
  const team = { ...(JSON.parse(answer) as TeamSent), lapsed };
  work.requests.setLast(sender, messageId);
  return { messageId, waiting: true, listening: team.offline === 0, team };
}

function tokenTarget(
  { accounts, mail, limits }: Work,
  sender: TokenAccount,
  to: Account | undefined,
  request: SendRequest & { to: string },
): Target | WireReason {
  if (to?.kind === "token") return to.disabled ? "account_disabled" : { mailbox: to.mailbox, unknown: false };
  if (to?.kind === "key") return "encryption_required";
  // Nobody can ever read what waits for a name that cannot be registered.
  if (to?.kind === "removed" || !Username.safeParse(request.to).success) return "unknown_user";
  if (mail.waitingForUnknown(sender.name) >= limits.unknownUserMessages) return "sender_quota";
  return { mailbox: accounts.mailboxOfUnknown(request.to), unknown: true };
}

function keyTarget(
  { groups }: Work,
  sender: KeyAccount,
  to: Account | undefined,
  { groupId, epoch, direct = false }: SendRequest,
): Target | WireReason | Refused {
  if (to === undefined || to.kind === "removed") return "unknown_user";
  if (to.kind === "token") return "encryption_required";
  if (to.name === sender.name) return "self_send";
  if (to.disabled) return "account_disabled";
  // Between full agents there is nothing but encrypted groups.
  if (groupId === undefined || epoch === undefined) return "invalid_data";
  const group = groups.find(groupId);
  const own = memberOf(group, sender.mailbox);
  if (group === undefined && direct) return "unknown_group";
  if (group === undefined || own === undefined) return "not_a_member";
  if (group.isTeam !== direct) return "invalid_data";
  const member = group.members.get(to.mailbox);
  if (member === undefined) {
    const isThere = [...group.members.values()].some(({ name }) => name === to.name);
    const refused = isThere ? "device_replaced" : "not_a_member";
    // In a team it could be the sender itself that is none.
    return group.isTeam ? { refused, username: to.username } : refused;
  }
  if (!admits(group, epoch) || epoch < Math.max(own.joined, member.joined)) return "stale_epoch";
  if (!group.isTeam) return { mailbox: to.mailbox, unknown: false, group };
  if (isAway(member)) return "member_lapsed";
  const { payer } = placeIn(groupId, member, { kind: "application", sender });
  return { mailbox: to.mailbox, unknown: false, group, payer, own };
}
