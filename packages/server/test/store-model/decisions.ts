import type { CommitRequest, SendRequest } from "../../src/store/store.ts";
import type { Model } from "./model.ts";
import type { Account, Entry, Refusal } from "./records.ts";

const lower = (text: string): string => text.toLowerCase();

type Request = SendRequest & { to: string; messageId: string };

/** What becomes of a `send`. [P-6.1, P-6.2, P-6.4, P-6.5] */
export function send(model: Model, request: Request, blocked: Set<string>): { waiting: boolean } | Refusal {
  const { groupId } = request;
  if (groupId !== undefined && request.resume === true) blocked.delete(groupId);
  if (groupId !== undefined && blocked.has(groupId)) return { refused: "send_blocked" };
  const result = decide(model, request);
  if ("refused" in result && groupId !== undefined) blocked.add(groupId);
  return result;
}

function decide(model: Model, request: Request) {
  const { sender: mailbox, messageId: id, expiresAt: expires, groupId: group } = request;
  const sender = model.active(mailbox);
  if (sender === undefined) return { refused: "device_replaced" } as const;
  const digest = digestOf(request);
  const past = model.past(mailbox, "message", id);
  if (past !== undefined) {
    if (past.digest !== digest) return { refused: "message_id_reused" } as const;
    if (sender.kind === "key") model.last.set(mailbox, id);
    return { waiting: model.entries.some(({ seq }) => seq === past.seq) };
  }
  if (expires !== undefined && expires <= model.now) return { refused: "expired" } as const;
  const name = model.name(mailbox);
  const to = model.account(request.to);
  const refused = sender.kind === "token" ? tokenTo(model, name, to) : keyTo(model, mailbox, to, request);
  if (refused !== undefined) return { refused };
  const known = to?.mailbox ?? model.unknownBox(lower(request.to));
  const standing = known === undefined ? "stranger" : model.standing(known, name);
  if (standing === "blocked") return { refused: "blocked" } as const;
  if (known !== undefined && !model.hasRoom(known, "application", model.payer(known, name), 1))
    return { refused: "mailbox_full" } as const;
  const { username: from, address } = sender;
  const target = known ?? model.createBox(lower(request.to), undefined);
  const unknown = to === undefined;
  const stranger = standing === "stranger";
  const rest = { sender: name, from, stranger, address, unknown };
  const entry = {
    ...rest,
    device: model.deviceOf(mailbox),
    mailbox: target,
    kind: "application" as const,
    id,
    group,
    expires,
  };
  const seq = model.add({ ...entry, reason: undefined });
  model.remember(mailbox, "message", id, { digest, mailbox: target, seq });
  if (sender.kind === "key") model.last.set(mailbox, id);
  const used = sender.kind === "key" ? model.groups.get(group ?? "") : undefined;
  if (used !== undefined) used.used = model.today;
  return { waiting: true };
}

function digestOf({ to, message, groupId, epoch, expiresAt }: Omit<Request, "sender" | "sessionId" | "messageId">) {
  return JSON.stringify([lower(to), message, groupId ?? null, epoch ?? null, expiresAt ?? null]);
}

function tokenTo(model: Model, name: string, to: Account | undefined) {
  if (to?.kind === "key") return "encryption_required" as const;
  if (to?.kind === "removed") return "unknown_user" as const;
  const waiting = model.entries.filter((entry: Entry) => entry.unknown && entry.sender === name);
  return to === undefined && waiting.length >= 2 ? ("sender_quota" as const) : undefined;
}

function keyTo(model: Model, mailbox: number, to: Account | undefined, { groupId, epoch }: SendRequest) {
  if (to === undefined || to.kind === "removed") return "unknown_user" as const;
  if (to.kind === "token") return "encryption_required" as const;
  if (to.mailbox === mailbox) return "self_send" as const;
  if (groupId === undefined || epoch === undefined) return "invalid_data" as const;
  const group = model.groups.get(groupId);
  if (group === undefined || !group.members.includes(mailbox)) return "not_a_member" as const;
  if (!group.members.includes(to.mailbox)) {
    const wasIn = group.members.some((member) => model.name(member) === lower(to.username));
    return wasIn ? ("device_replaced" as const) : ("not_a_member" as const);
  }
  return epoch < 1 || epoch > group.epoch || epoch < group.epoch - 1 ? ("stale_epoch" as const) : undefined;
}

/** What becomes of a `commit` that is well-formed. [P-6.3] */
export function commit(model: Model, request: CommitRequest): { highWater: number } | Refusal {
  const { sender: mailbox, commitId: id, groupId: group, epoch, messages } = request;
  const sender = model.active(mailbox);
  if (sender === undefined) return { refused: "device_replaced" };
  if (sender.kind === "token") return { refused: "token_account" };
  const answer = () => ({ highWater: model.highWater(mailbox) });
  const past = model.past(mailbox, "commit", id);
  const digest = JSON.stringify(request);
  if (past !== undefined) {
    if (past.digest !== digest) return { refused: "message_id_reused" };
    model.last.set(mailbox, id);
    return answer();
  }
  const peer = epoch === 0 ? openingPeer(model, sender, request) : groupPeer(model, mailbox, request);
  if (typeof peer === "string") return { refused: peer };
  const standing = model.standing(peer.mailbox, model.name(mailbox));
  if (standing === "blocked") return { refused: "blocked" };
  const refused = refuseMessages(model, request, peer);
  if (refused !== undefined) return { refused };

  const members = model.groups.get(group)?.members ?? [mailbox, peer.mailbox];
  model.groups.set(group, { epoch: epoch + 1, members, used: model.today, ended: undefined });
  if (epoch === 0) model.claims.delete(`${mailbox}/${peer.mailbox}`);
  const payer = { sender: model.name(mailbox), address: sender.address, stranger: standing === "stranger" };
  const rest = {
    ...payer,
    device: model.deviceOf(mailbox),
    mailbox: peer.mailbox,
    from: sender.username,
    group,
    unknown: false,
  };
  const kind = epoch === 0 ? "welcome" : "commit";
  const seq = model.add({ ...rest, kind, id, expires: undefined, reason: undefined });
  model.remember(mailbox, "commit", id, { digest, mailbox: peer.mailbox, seq });
  for (const { to, message, messageId, expiresAt } of messages) {
    const own = { kind: "application" as const, id: messageId, expires: expiresAt, reason: undefined };
    const place = model.add({ ...rest, ...own });
    const its = digestOf({ to, message, groupId: group, epoch: epoch + 1, expiresAt });
    model.remember(mailbox, "message", messageId, { digest: its, mailbox: peer.mailbox, seq: place });
  }
  model.last.set(mailbox, id);
  return answer();
}

function openingPeer(model: Model, sender: Account, { groupId, members }: CommitRequest) {
  const other = members?.[1];
  const own = members?.[0];
  if (own?.device !== `${lower(sender.username)}-${sender.counter}`) return "not_a_member" as const;
  if (other === undefined || lower(other.username) === lower(sender.username)) return "self_send" as const;
  const peer = model.account(other.username);
  if (peer === undefined || peer.kind === "removed") return "unknown_user" as const;
  if (peer.kind === "token") return "encryption_required" as const;
  if (other.device !== `${lower(peer.username)}-${peer.counter}`) return "device_replaced" as const;
  return model.groups.has(groupId) ? ("group_exists" as const) : peer;
}

function groupPeer(model: Model, mailbox: number, { groupId, epoch }: CommitRequest) {
  const group = model.groups.get(groupId);
  if (group === undefined || !group.members.includes(mailbox)) return "not_a_member" as const;
  const peer = model.active(group.members.find((member) => member !== mailbox) ?? 0);
  if (peer?.kind !== "key") return "device_replaced" as const;
  if (epoch < group.epoch) return "epoch_taken" as const;
  return epoch > group.epoch ? ("stale_epoch" as const) : peer;
}

function refuseMessages(model: Model, { sender, epoch, messages }: CommitRequest, peer: Account) {
  if (messages.some(({ to }) => lower(to) !== lower(peer.username))) return "not_a_member" as const;
  const ids = messages.map(({ messageId }) => messageId);
  if (new Set(ids).size < ids.length) return "message_id_reused" as const;
  if (ids.some((id) => model.past(sender, "message", id) !== undefined)) return "message_id_reused" as const;
  if (messages.some(({ expiresAt }) => expiresAt !== undefined && expiresAt <= model.now)) return "expired" as const;
  const payer = model.payer(peer.mailbox, model.name(sender));
  return model.hasRoom(peer.mailbox, epoch === 0 ? "welcome" : "commit", payer, 1) &&
    model.hasRoom(peer.mailbox, "application", payer, messages.length)
    ? undefined
    : ("mailbox_full" as const);
}
