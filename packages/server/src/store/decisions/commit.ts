import type { WireReason } from "@aimessage/sdk/protocol";
import { dayOf } from "../days.ts";
import type { CommitRequest, Committed, KeyAccount, Refused } from "../store.ts";
import { digestOf, isSame } from "./digest.ts";
import { payerOf, senderOf } from "./payer.ts";
import { amountOf, isBusy, roomObjection, sizeOf } from "./room.ts";
import { messageDigest } from "./send.ts";
import { commitToTeam } from "./team-commit.ts";
import { awayFrom, NEWCOMER } from "./team.ts";
import type { Group, Member, Occasion, Payer, Work } from "./work.ts";

/** Decides about a commit and stores all of it, or nothing. */
export function commit(work: Work, request: CommitRequest, { now, isFull }: Occasion): Committed | Refused {
  const { mail, requests, groups } = work;
  const sender = senderOf(work, request.sender);
  if (sender === undefined) return { refused: "device_replaced" };
  if (sender.disabled) return { refused: "account_disabled" };
  if (sender.kind !== "key") return { refused: "token_account" };

  // What is said of its files may be true no more when it is repeated: it is the same request.
  const digest = digestOf({ ...request, isAsSaid: undefined });
  const past = requests.find(sender.mailbox, "commit", request.commitId);
  if (past !== undefined) {
    if (!isSame(past.digest, digest)) return { refused: "message_id_reused" };
    const highWater = mail.highWater(sender.mailbox, now);
    const { answer } = past;
    const result =
      answer === undefined
        ? { listening: work.isListening(past.mailbox) }
        : { ...(JSON.parse(answer) as Pick<Committed, "listening">), lapsed: awayFrom(work, sender.mailbox, request) };
    requests.setLast(sender.mailbox, request.commitId);
    return { ...result, highWater };
  }

  if (isFull) return { refused: "storage_full" };
  if (request.team !== undefined) {
    const highWater = mail.highWater(sender.mailbox, now);
    const result = commitToTeam(work, sender, { ...request, team: request.team }, { now, isFull });
    if ("refused" in result) return result;
    const answer = JSON.stringify({ listening: result.listening });
    const own = { sender: sender.mailbox, kind: "commit", id: request.commitId, digest, answer } as const;
    requests.add({ ...own, mailbox: 0, seq: 0, at: now });
    requests.setLast(sender.mailbox, request.commitId);
    return { ...result, highWater };
  }
  const opens = request.epoch === 0;
  const peer = opens ? openingPeer(work, sender, request) : groupPeer(work, sender, request);
  if (typeof peer === "string") return { refused: peer };
  const handshake = opens ? request.welcomes[0]?.welcome : request.commit;
  if (handshake === undefined) return { refused: "invalid_data" };
  const payer = payerOf(work, sender, peer.name);
  if (payer === undefined) return { refused: "blocked" };
  const refusal = refuseMessages(work, request, { payer, peer, handshake, now });
  if (refusal !== undefined) return { refused: refusal };
  const answer = { highWater: mail.highWater(sender.mailbox, now), listening: work.isListening(peer.mailbox) };

  const used = dayOf(now);
  if (opens) {
    groups.open(request.groupId, pairOf(sender, peer, used), sender);
    work.keyPackages.used(sender.mailbox, peer.mailbox);
  } else groups.advance(request.groupId, request.epoch + 1, used);
  const common = {
    ...payer,
    mailbox: peer.mailbox,
    from: sender.username,
    device: sender.device.id,
    groupId: request.groupId,
    sessionId: undefined,
    storedAt: now,
    status: undefined,
    reason: undefined,
  };
  const seq = mail.add({
    ...common,
    kind: opens ? "welcome" : "commit",
    message: handshake,
    bytes: sizeOf(handshake, undefined),
    // A Welcome names the epoch that it opens, a commit the epoch that it ends.
    epoch: opens ? 1 : request.epoch,
    messageId: request.commitId,
    expiresAt: undefined,
  });
  const from = { sender: sender.mailbox, mailbox: peer.mailbox, at: now };
  requests.add({ ...from, kind: "commit", id: request.commitId, digest, seq });
  const epoch = request.epoch + 1;
  for (const { to, message, messageId, expiresAt } of request.messages) {
    const bytes = sizeOf(message, undefined);
    const place = mail.add({ ...common, kind: "application", message, bytes, epoch, messageId, expiresAt });
    const ownDigest = messageDigest({ to, message, sessionId: undefined, groupId: request.groupId, epoch, expiresAt });
    requests.add({ ...from, kind: "message", id: messageId, digest: ownDigest, seq: place });
  }
  requests.setLast(sender.mailbox, request.commitId);
  return answer;
}

/** A group of two as it is opened. */
function pairOf(one: KeyAccount, other: KeyAccount, used: number): Group {
  const members = [one, other].map(({ mailbox, name, device }): [number, Member] => [
    mailbox,
    { ...NEWCOMER, mailbox, name, device: device.id, joined: 1 },
  ]);
  return { isTeam: false, epoch: 1, floor: 0, pos: 0, posBefore: 0, members: new Map(members), used };
}

function openingPeer({ accounts, groups }: Work, sender: KeyAccount, request: CommitRequest): KeyAccount | WireReason {
  const { members, welcomes } = request;
  if (request.commit !== undefined || members?.length !== 2 || welcomes.length !== 1) return "invalid_data";
  const isSender = (member: { username: string; device: string }): boolean =>
    member.username.toLowerCase() === sender.name && member.device === sender.device.id;
  const other = members.find((member) => !isSender(member));
  if (!members.some(isSender)) return "not_a_member";
  if (other === undefined || other.username.toLowerCase() === sender.name) return "self_send";
  const peer = accounts.find(other.username);
  if (peer === undefined || peer.kind === "removed") return "unknown_user";
  if (peer.kind === "token") return "encryption_required";
  if (peer.disabled) return "account_disabled";
  if (peer.device.id !== other.device) return "device_replaced";
  const welcome = welcomes[0];
  if (welcome?.to.toLowerCase() !== peer.name || welcome.device !== peer.device.id) return "invalid_data";
  return groups.find(request.groupId) === undefined ? peer : "group_exists";
}

function groupPeer(work: Work, sender: KeyAccount, request: CommitRequest): KeyAccount | WireReason {
  if (request.members !== undefined || request.welcomes.length > 0) return "invalid_data";
  const group = work.groups.find(request.groupId);
  if (group === undefined || !group.members.has(sender.mailbox)) return "not_a_member";
  if (group.isTeam) return "invalid_data";
  const other = [...group.members.keys()].find((member) => member !== sender.mailbox);
  const peer = senderOf(work, other ?? 0);
  if (peer?.kind !== "key") return "device_replaced";
  if (peer.disabled) return "account_disabled";
  if (request.epoch < group.epoch) return "epoch_taken";
  return request.epoch > group.epoch ? "stale_epoch" : peer;
}

function refuseMessages(
  work: Work,
  request: CommitRequest,
  { payer, peer, handshake, now }: { payer: Payer; peer: KeyAccount; handshake: string; now: number },
): WireReason | undefined {
  const { requests } = work;
  const { messages } = request;
  if (messages.some(({ to }) => to.toLowerCase() !== peer.name)) return "not_a_member";
  const ids = new Set(messages.map(({ messageId }) => messageId));
  if (ids.size < messages.length) return "message_id_reused";
  if (messages.some(({ messageId }) => requests.find(request.sender, "message", messageId) !== undefined))
    return "message_id_reused";
  if (messages.some(({ expiresAt }) => expiresAt !== undefined && expiresAt <= now)) return "expired";
  const bodies = messages.map(({ message }) => message);
  const { mailbox } = peer;
  const amount = amountOf(bodies);
  if (isBusy(work, mailbox, payer, amount)) return "recipient_busy";
  return (
    roomObjection(work, { mailbox, kind: request.epoch === 0 ? "welcome" : "commit" }, payer, amountOf([handshake])) ??
    roomObjection(work, { mailbox, kind: "application" }, payer, amount)
  );
}
