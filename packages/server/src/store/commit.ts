import type { WireReason } from "@aimessage/sdk/protocol";
import type { KeyPackages } from "./key-packages.ts";
import { digestOf } from "./requests.ts";
import type { Payer } from "./room.ts";
import { isBusy, messageDigest, payerOf, senderOf, type Tables } from "./send.ts";
import type { CommitRequest, Committed, KeyAccount, Refused } from "./store.ts";

/** Decides about a commit and stores all of it, or nothing. */
export function commit(tables: Tables, keyPackages: KeyPackages, request: CommitRequest): Committed | Refused {
  const { accounts, mail, requests, groups } = tables;
  const sender = senderOf(accounts, request.sender);
  if (sender === undefined) return { refused: "device_replaced" };
  if (sender.disabled) return { refused: "account_disabled" };
  if (sender.kind !== "key") return { refused: "token_account" };

  const digest = digestOf(request);
  const past = requests.find(sender.mailbox, "commit", request.commitId);
  if (past !== undefined) {
    if (!Buffer.from(past.digest).equals(digest)) return { refused: "message_id_reused" };
    requests.setLast(sender.mailbox, request.commitId);
    return { highWater: mail.highWater(sender.mailbox), mailbox: past.mailbox };
  }

  if (tables.isFull()) return { refused: "storage_full" };
  const opens = request.epoch === 0;
  const peer = opens ? openingPeer(tables, sender, request) : groupPeer(tables, sender, request);
  if (typeof peer === "string") return { refused: peer };
  const handshake = opens ? request.welcomes[0]?.welcome : request.commit;
  if (handshake === undefined) return { refused: "invalid_data" };
  const payer = payerOf(tables, sender, peer.name);
  if (payer === undefined) return { refused: "blocked" };
  const refusal = refuseMessages(tables, request, { payer, peer, handshake });
  if (refusal !== undefined) return { refused: refusal };

  if (opens) {
    groups.open(request.groupId, sender.mailbox, sender.address, [sender.mailbox, peer.mailbox]);
    keyPackages.used(sender.mailbox, peer.mailbox);
  } else groups.advance(request.groupId, request.epoch + 1);
  const common = {
    ...payer,
    mailbox: peer.mailbox,
    from: sender.username,
    device: sender.device.id,
    groupId: request.groupId,
    sessionId: undefined,
    status: undefined,
    reason: undefined,
  };
  const seq = mail.add({
    ...common,
    kind: opens ? "welcome" : "commit",
    message: handshake,
    // A Welcome names the epoch that it opens, a commit the epoch that it ends.
    epoch: opens ? 1 : request.epoch,
    messageId: request.commitId,
    expiresAt: undefined,
  });
  requests.add(sender.mailbox, "commit", request.commitId, digest, peer.mailbox, seq);
  const epoch = request.epoch + 1;
  for (const { to, message, messageId, expiresAt } of request.messages) {
    const place = mail.add({ ...common, kind: "application", message, epoch, messageId, expiresAt });
    const ownDigest = messageDigest({ to, message, sessionId: undefined, groupId: request.groupId, epoch, expiresAt });
    requests.add(sender.mailbox, "message", messageId, ownDigest, peer.mailbox, place);
  }
  requests.setLast(sender.mailbox, request.commitId);
  return { highWater: mail.highWater(sender.mailbox), mailbox: peer.mailbox };
}

function openingPeer(
  { accounts, groups }: Tables,
  sender: KeyAccount,
  request: CommitRequest,
): KeyAccount | WireReason {
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

function groupPeer({ accounts, groups }: Tables, sender: KeyAccount, request: CommitRequest): KeyAccount | WireReason {
  if (request.members !== undefined || request.welcomes.length > 0) return "invalid_data";
  const group = groups.find(request.groupId);
  if (group === undefined || !group.members.includes(sender.mailbox)) return "not_a_member";
  const other = group.members.find((member) => member !== sender.mailbox);
  const peer = senderOf(accounts, other ?? 0);
  if (peer?.kind !== "key") return "device_replaced";
  if (peer.disabled) return "account_disabled";
  if (request.epoch < group.epoch) return "epoch_taken";
  return request.epoch > group.epoch ? "stale_epoch" : peer;
}

function refuseMessages(
  tables: Tables,
  request: CommitRequest,
  { payer, peer, handshake }: { payer: Payer; peer: KeyAccount; handshake: string },
): WireReason | undefined {
  const { mail, requests, clock } = tables;
  const { messages } = request;
  if (messages.some(({ to }) => to.toLowerCase() !== peer.name)) return "not_a_member";
  const ids = new Set(messages.map(({ messageId }) => messageId));
  if (ids.size < messages.length) return "message_id_reused";
  if (messages.some(({ messageId }) => requests.find(request.sender, "message", messageId) !== undefined))
    return "message_id_reused";
  if (messages.some(({ expiresAt }) => expiresAt !== undefined && expiresAt <= clock())) return "expired";
  const bodies = messages.map(({ message }) => message);
  if (bodies.length > 0 && isBusy(tables, peer.mailbox, payer, bodies)) return "recipient_busy";
  return (
    mail.objection(peer.mailbox, opens(request) ? "welcome" : "commit", payer, [handshake]) ??
    mail.objection(peer.mailbox, "application", payer, bodies)
  );
}

function opens(request: CommitRequest): boolean {
  return request.epoch === 0;
}
