import { randomUUID } from "node:crypto";
import { Username, type WireReason } from "@aimessage/sdk/protocol";
import type { Accounts } from "./accounts.ts";
import type { Groups } from "./groups.ts";
import type { Mail } from "./mail.ts";
import type { Peers } from "./peers.ts";
import { digestOf, type Requests } from "./requests.ts";
import type { Payer } from "./room.ts";
import type { Account, KeyAccount, Refused, SendRequest, Sent, StoreLimits, TokenAccount } from "./store.ts";

/** The tables that decide about messages. */
export interface Tables {
  accounts: Accounts;
  mail: Mail;
  requests: Requests;
  groups: Groups;
  peers: Peers;
  limits: StoreLimits;
  clock: () => number;
  /** The rest of the disk is kept for other things than mail. */
  isFull: () => boolean;
  /** Whether a mailbox is being pushed to a connection. */
  isPushed: (mailbox: number) => boolean;
}

/** Decides about a message and stores it. Nothing is written if it is refused. */
export function send(tables: Tables, request: SendRequest, blocked: Set<string>): Sent | Refused {
  const { groupId } = request;
  if (groupId !== undefined && blocked.has(groupId)) return { refused: "send_blocked" };
  const result = decide(tables, request);
  if ("refused" in result && groupId !== undefined) blocked.add(groupId);
  return result;
}

function decide(tables: Tables, request: SendRequest): Sent | Refused {
  const { accounts, mail, requests } = tables;
  const { sender: senderMailbox, messageId } = request;
  const sender = senderOf(accounts, senderMailbox);
  if (sender === undefined) return { refused: "device_replaced" };
  if (sender.disabled) return { refused: "account_disabled" };

  const past = messageId === undefined ? undefined : requests.find(senderMailbox, "message", messageId);
  if (messageId !== undefined && past !== undefined) {
    if (!Buffer.from(past.digest).equals(messageDigest(request))) return { refused: "message_id_reused" };
    // The newest is the one that was answered last: by that order the client knows it.
    if (sender.kind === "key") requests.setLast(senderMailbox, messageId);
    return { messageId, mailbox: past.mailbox, waiting: mail.isWaiting(past.seq) };
  }
  if (tables.isFull()) return { refused: "storage_full" };
  if (request.expiresAt !== undefined && request.expiresAt <= tables.clock()) return { refused: "expired" };

  const to = accounts.find(request.to);
  const target =
    sender.kind === "token" ? tokenTarget(tables, sender, to, request) : keyTarget(tables, sender, to, request);
  if (typeof target === "string") return { refused: target };
  const payer = payerOf(tables, sender, to?.name);
  if (payer === undefined) return { refused: "blocked" };
  const objection = mail.objection(target.mailbox, "application", payer, [request.message]);
  if (objection !== undefined) return { refused: objection };
  if (sender.kind === "key" && isBusy(tables, target.mailbox, payer, [request.message]))
    return { refused: "recipient_busy" };

  const id = messageId ?? randomUUID();
  const seq = mail.add({
    sender: payer.sender,
    address: payer.address,
    stranger: payer.stranger,
    mailbox: target.mailbox,
    from: sender.username,
    device: sender.kind === "key" ? sender.device.id : undefined,
    kind: "application",
    message: request.message,
    sessionId: request.sessionId,
    groupId: request.groupId,
    epoch: request.epoch,
    messageId: id,
    expiresAt: request.expiresAt,
    status: undefined,
    reason: undefined,
    unknown: target.unknown,
  });
  // Not sooner: what finds no room shall cost little, however large it is.
  if (messageId !== undefined) requests.add(senderMailbox, "message", id, messageDigest(request), target.mailbox, seq);
  if (sender.kind === "key") {
    requests.setLast(senderMailbox, id);
    tables.groups.use(request.groupId ?? "");
  }
  return { messageId: id, mailbox: target.mailbox, waiting: true };
}

/** The payer of what a sender leaves in another account's mailbox; undefined: it is blocked there. */
export function payerOf(
  { peers }: Pick<Tables, "peers">,
  { name, address }: TokenAccount | KeyAccount,
  to: string | undefined,
): Payer | undefined {
  const standing = to === undefined ? "stranger" : peers.standing(to, name);
  return standing === "blocked" ? undefined : { sender: name, address, stranger: standing === "stranger" };
}

/** Whether a stranger has to wait until the recipient has read what strangers have left there. [P-5.10] */
export function isBusy(
  { mail, isPushed }: Pick<Tables, "mail" | "isPushed">,
  mailbox: number,
  payer: Payer,
  messages: string[],
): boolean {
  return isPushed(mailbox) && mail.isBusy(mailbox, payer, messages);
}

/** The account whose active mailbox this is. */
export function senderOf(accounts: Accounts, mailbox: number): TokenAccount | KeyAccount | undefined {
  const account = accounts.find(accounts.owner(mailbox)?.name ?? "");
  return account !== undefined && account.kind !== "removed" && account.mailbox === mailbox ? account : undefined;
}

export function messageDigest(
  request: Pick<SendRequest, "to" | "message" | "sessionId" | "groupId" | "epoch" | "expiresAt">,
): Uint8Array {
  const { to, message, sessionId, groupId, epoch, expiresAt } = request;
  return digestOf(to.toLowerCase(), message, sessionId ?? null, groupId ?? null, epoch ?? null, expiresAt ?? null);
}

type Target = { mailbox: number; unknown: boolean };

function tokenTarget(
  { accounts, mail, limits }: Tables,
  sender: TokenAccount,
  to: Account | undefined,
  request: SendRequest,
): Target | WireReason {
  if (to?.kind === "token") return to.disabled ? "account_disabled" : { mailbox: to.mailbox, unknown: false };
  if (to?.kind === "key") return "encryption_required";
  // Nobody can ever read what waits for a name that cannot be registered.
  if (to?.kind === "removed" || !Username.safeParse(request.to).success) return "unknown_user";
  if (mail.waitingForUnknown(sender.name) >= limits.unknownUserMessages) return "sender_quota";
  return { mailbox: accounts.mailboxOfUnknown(request.to), unknown: true };
}

function keyTarget(
  { accounts, groups }: Tables,
  sender: KeyAccount,
  to: Account | undefined,
  { groupId, epoch }: SendRequest,
): Target | WireReason {
  if (to === undefined || to.kind === "removed") return "unknown_user";
  if (to.kind === "token") return "encryption_required";
  if (to.name === sender.name) return "self_send";
  if (to.disabled) return "account_disabled";
  // Between full agents there is nothing but encrypted groups.
  if (groupId === undefined || epoch === undefined) return "invalid_data";
  const group = groups.find(groupId);
  if (group === undefined || !group.members.includes(sender.mailbox)) return "not_a_member";
  if (!group.members.includes(to.mailbox))
    return group.members.some((member) => accounts.owner(member)?.name === to.name)
      ? "device_replaced"
      : "not_a_member";
  if (epoch < 1 || epoch > group.epoch || epoch < group.epoch - 1) return "stale_epoch";
  return { mailbox: to.mailbox, unknown: false };
}
