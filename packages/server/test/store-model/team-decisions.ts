import type { CommitRequest, NamedDevice, SendRequest, StatementRequest } from "../../src/store/store.ts";
import { limits, type Model } from "./model.ts";
import type { Account, Entry } from "./records.ts";
import type { Member, Team } from "./team-model.ts";

const OF_MEMBERS = new Set(["not_a_member", "device_replaced"]);
const REJOIN_MS = 600_000;

/** Why something is refused: any of these may be said. */
export type Reasons = { refused: string; username?: string }[];
type Outcome<T> = { reasons: Reasons } | { answer: T };

const lower = (text: string): string => text.toLowerCase();

/** Of a repeat: its answer, or that it is none. */
function pastOf(model: Model, mailbox: number, kind: "message" | "commit", id: string, digest: string) {
  const past = model.past(mailbox, kind, id);
  if (past === undefined) return undefined;
  if (past.digest !== digest) return { reasons: [{ refused: "message_id_reused" }] };
  model.last.set(mailbox, id);
  return { past };
}

/** A message to all, or a direct frame. [P-6.9] */
export function say(model: Model, request: SendRequest & { messageId: string }): Outcome<object> {
  const { sender: mailbox, to, direct, groupId = "", epoch = 0, message, messageId: id, expiresAt: expires } = request;
  const sender = model.active(mailbox);
  if (sender === undefined) return { reasons: [{ refused: "device_replaced" }] };
  const digest = JSON.stringify([to === undefined ? null : lower(to), message, groupId, epoch, expires ?? null]);
  const repeat = pastOf(model, mailbox, "message", id, digest);
  if (repeat?.reasons !== undefined) return repeat;
  if (repeat?.past !== undefined) {
    const waiting = model.entries.some(({ seq }) => seq === repeat.past.seq);
    if (repeat.past.answer === undefined) return { answer: { waiting } };
    // As far as those are members still that got nothing.
    const { team: sent, ...rest } = repeat.past.answer as { team: object };
    return {
      answer: {
        ...rest,
        team: { ...sent, lapsed: model.teams.awayAt(groupId, mailbox, { epoch, at: repeat.past.at }) },
      },
    };
  }
  const team = model.teams.all.get(groupId);
  const own = model.teams.member(groupId, mailbox);
  // What is said as in a conversation of two is refused as it is there.
  const nowhere = to === undefined || direct === true ? ofNone(team) : "not_a_member";
  if (sender.kind === "token")
    return { reasons: ["invalid_data", "encryption_required", "unknown_user"].map(asReason) };
  if (team === undefined || own === undefined || own.leaves)
    return { reasons: [nowhere, "unknown_user", "self_send", "encryption_required", "expired"].map(asReason) };
  const reasons: string[] = [];
  if (expires !== undefined && expires <= model.now) reasons.push("expired");
  if (!model.teams.admits(team, epoch) || epoch < own.joined) reasons.push("stale_epoch");
  const common = {
    device: model.deviceOf(mailbox),
    from: sender.username,
    id,
    group: groupId,
    expires,
    unknown: false,
    reason: undefined,
    epoch,
  };
  if (to !== undefined) {
    const of: string[] = [];
    const member = recipientOf(model, team, own, to, of);
    reasons.push(...of);
    if (direct !== true) reasons.push("invalid_data");
    if (member !== undefined && epoch < member.joined) reasons.push("stale_epoch");
    const payer = member && model.teams.payer(team, member, sender);
    if (member !== undefined && payer !== undefined) {
      const kind = payer.stranger ? "application" : "group";
      if (!model.hasRoom(member.mailbox, kind, payer, 1)) reasons.push("mailbox_full");
    }
    // Of whom it is for it is said that it is no member, since its sender could be none.
    const username = model.account(to)?.username ?? "";
    if (reasons.length > 0 || member === undefined || payer === undefined)
      return {
        reasons: reasons.map((refused) => (OF_MEMBERS.has(refused) ? { refused, username } : { refused })),
      };
    const seq = model.add({ ...common, ...payer, mailbox: member.mailbox, kind: "direct", message });
    model.remember(mailbox, "message", id, { digest, mailbox: member.mailbox, seq });
    own.adder = undefined;
    Object.assign(team, { used: model.today });
    model.last.set(mailbox, id);
    return { answer: { waiting: true, listening: model.listening.has(member.mailbox) } };
  }
  if (reasons.length > 0) return { reasons: reasons.map(asReason) };

  const pos = (team.said.get(epoch) ?? 0) + 1;
  team.said.set(epoch, pos);
  const text = JSON.stringify({ message });
  const shared = { ...common, kind: "application" as const, pos, text, message: "" };
  const { got, lapsed } = share(model, team, { sender, epoch, shared });
  for (const member of lapsed.full) model.teams.lapse(model, team, member, id);
  const offline = got.filter((member) => !model.listening.has(member.mailbox)).length;
  const answer = { team: { pos, offline, lapsed: lapsed.names, recipients: got.length } };
  own.adder = undefined;
  team.used = model.today;
  model.remember(mailbox, "message", id, { digest, mailbox: 0, seq: 0, answer });
  model.last.set(mailbox, id);
  return { answer: { ...answer, listening: offline === 0 } };
}

function recipientOf(model: Model, team: Team, own: Member, to: string, reasons: string[]): Member | undefined {
  const account = model.account(to);
  if (account === undefined || account.kind === "removed") reasons.push("unknown_user");
  else if (account.kind === "token") reasons.push("encryption_required");
  if (own.name === lower(to)) reasons.push("self_send");
  if (reasons.length > 0) return undefined;
  const member = team.members.find(({ name, gone }) => name === lower(to) && !gone);
  if (member === undefined) reasons.push("not_a_member", "device_replaced");
  else if (member.mailbox !== account?.mailbox) reasons.push("device_replaced", "member_lapsed");
  else if (member.lapsed || member.leaves) reasons.push("member_lapsed");
  return member;
}

/** Gives something to all that had joined, but for those that have lapsed, leave, or have no room. */
function share(
  model: Model,
  team: Team,
  what: {
    sender: Account;
    epoch: number;
    shared: Omit<Entry, "seq" | "at" | "mailbox" | "sender" | "stranger" | "address">;
  },
) {
  const { sender, epoch, shared } = what;
  const others = model.teams.others(team, sender.mailbox, epoch);
  const away = others.filter(({ lapsed, leaves }) => lapsed || leaves);
  const got: Member[] = [];
  const full: Member[] = [];
  for (const member of others.filter((other) => !away.includes(other))) {
    const payer = model.teams.payer(team, member, sender);
    const kind = payer.stranger ? (shared.kind === "commit" ? "commit" : "application") : "group";
    if (model.hasRoom(member.mailbox, kind, payer, 1)) got.push(member);
    else full.push(member);
  }
  for (const member of got)
    model.add({ ...shared, ...model.teams.payer(team, member, sender), mailbox: member.mailbox });
  return { got, lapsed: { away, full, names: [...away, ...full].map(({ name }) => name) } };
}

type TeamRequest = CommitRequest & { team: NonNullable<CommitRequest["team"]> };

/** A commit of a team: one that founds it, or one that ends an epoch. [P-6.10] */
export function teamCommit(model: Model, request: TeamRequest): Outcome<object> {
  const { sender: mailbox, commitId: id } = request;
  const sender = model.active(mailbox);
  if (sender === undefined) return { reasons: [{ refused: "device_replaced" }] };
  if (sender.kind === "token") return { reasons: [{ refused: "token_account" }] };
  const highWater = model.highWater(mailbox);
  const digest = JSON.stringify(request);
  const repeat = pastOf(model, mailbox, "commit", id, digest);
  if (repeat?.reasons !== undefined) return repeat;
  if (repeat?.past !== undefined) {
    const lapsed = model.teams.awayAt(request.groupId, mailbox, { epoch: request.epoch, at: repeat.past.at });
    return { answer: { ...repeat.past.answer, lapsed, highWater } };
  }
  const result = request.members === undefined ? change(model, sender, request) : found(model, sender, request);
  if ("reasons" in result) return result;
  model.remember(mailbox, "commit", id, { digest, mailbox: 0, seq: 0, answer: result.answer });
  model.last.set(mailbox, id);
  return { answer: { ...result.answer, highWater } };
}

function found(model: Model, sender: Account, request: TeamRequest): Outcome<object> {
  const { groupId, epoch, team, members = [] } = request;
  const own = lower(sender.username);
  const reasons: Reasons = [];
  const others = members.filter(({ username }) => lower(username) !== own);
  const isFounder = members.some((named) => lower(named.username) === own && named.device === deviceOf(sender));
  if (!isFounder) reasons.push(asReason("not_a_member"));
  if (members.length - others.length > 1)
    reasons.push(asReason("invalid_data"), { refused: "self_send", username: sender.username });
  if (members.length - others.length > 1)
    reasons.push(...members.map(({ username }) => ({ refused: "self_send", username })));
  if (epoch !== 1 || team.body !== undefined) reasons.push(asReason("invalid_data"));
  if (members.length > limits.groupMembers) reasons.push(asReason("group_quota"));
  if (model.teams.of(own).length >= limits.accountGroups) reasons.push(asReason("group_quota"));
  if (model.teams.all.has(groupId) || model.groups.has(groupId)) reasons.push(asReason("group_exists"));
  reasons.push(...objections(model, sender, request, { add: others, swapped: new Set() }));
  if (reasons.length > 0) return { reasons };
  const base = { lapsed: false, leaves: false, awaySince: undefined, gone: false, rejoinedAt: undefined };
  const founder = {
    ...base,
    mailbox: sender.mailbox,
    name: own,
    device: deviceOf(sender),
    joined: 2,
    adder: undefined,
  };
  const made: Team = {
    id: groupId,
    epoch: 2,
    hasRemoved: true,
    said: new Map(),
    members: [founder],
    used: model.today,
    statements: new Map(),
  };
  model.teams.all.set(groupId, made);
  add(model, sender, request, { team: made, named: others, before: [] });
  return { answer: { lapsed: [], listening: others.every(({ username }) => isListening(model, username)) } };
}

function change(model: Model, sender: Account, request: TeamRequest): Outcome<object> {
  const { groupId, epoch, team: asked, commitId: id } = request;
  const team = model.teams.all.get(groupId);
  const own = model.teams.member(groupId, sender.mailbox);
  if (team === undefined || own === undefined || own.leaves) return { reasons: [asReason(ofNone(team))] };
  const reasons: Reasons = [];
  const removed = asked.remove.map(({ username, device }) =>
    team.members.find((member) => member.name === lower(username) && member.device === device),
  );
  const isWrong = asked.body === undefined || removed.some((one) => one === undefined || one === own);
  if (isWrong || new Set(removed).size < removed.length) reasons.push(asReason("invalid_data"));
  const staying = team.members.filter((member) => !removed.includes(member));
  for (const { username } of asked.add)
    if (staying.some(({ name }) => name === lower(username))) reasons.push({ refused: "invalid_data", username });
  if (epoch < team.epoch) reasons.push(asReason("epoch_taken"));
  if (epoch > team.epoch) reasons.push(asReason("stale_epoch"));
  if (staying.length + asked.add.length > limits.groupMembers) reasons.push(asReason("group_quota"));
  const swapped = new Set(removed.filter((one) => one?.leaves === false && !one.gone).map((one) => one?.name ?? ""));
  reasons.push(...objections(model, sender, request, { add: asked.add, swapped }));
  if (reasons.length > 0) return { reasons };

  const text = JSON.stringify({
    body: asked.body,
    ...(asked.add.length > 0 ? { add: asked.add } : {}),
    ...(asked.remove.length > 0 ? { remove: asked.remove } : {}),
  });
  const common = { from: sender.username, id, group: groupId, expires: undefined, unknown: false, reason: undefined };
  const shared = { ...common, epoch, kind: "commit" as const, message: "", text };
  const { got, lapsed } = share(model, team, { sender, epoch, shared });
  const stays = (member: Member): boolean => !removed.includes(member);
  for (const member of lapsed.full.filter(stays)) model.teams.lapse(model, team, member, id);
  own.adder = undefined;
  const before = team.members.filter((member) => !stays(member));
  Object.assign(team, { epoch: epoch + 1, hasRemoved: removed.length > 0, used: model.today, members: staying });
  for (const { name } of before) team.statements.delete(name);
  const reached = got.every(({ mailbox }) => model.listening.has(mailbox));
  add(model, sender, request, { team, named: asked.add, before });
  const listening = reached && asked.add.every(({ username }) => isListening(model, username));
  return { answer: { listening, lapsed: [...lapsed.away, ...lapsed.full].filter(stays).map(({ name }) => name) } };
}

function isListening(model: Model, username: string): boolean {
  return model.listening.has(model.account(username)?.mailbox ?? 0);
}

/** What speaks against adding these. */
function objections(
  model: Model,
  sender: Account,
  { welcomes, team }: TeamRequest,
  { add: named, swapped }: { add: NamedDevice[]; swapped: Set<string> },
): Reasons {
  const reasons: Reasons = [];
  const names = named.map(({ username }) => lower(username));
  const welcomed = welcomes.map(({ to }) => lower(to));
  const isWhole = names.length === welcomed.length && names.every((name) => welcomed.includes(name));
  if (!isWhole || new Set(names).size < names.length || (team.tree !== undefined) !== names.length > 0)
    reasons.push(asReason("invalid_data"));
  for (const { username, device } of named) {
    const refuse = (refused: string): void => void reasons.push({ refused, username });
    const account = model.account(username);
    const given = welcomes.find(({ to }) => lower(to) === lower(username));
    if (account === undefined || account.kind === "removed") refuse("unknown_user");
    else if (account.kind === "token") refuse("encryption_required");
    else if (account.mailbox === sender.mailbox) refuse("self_send");
    else if (deviceOf(account) !== device || given?.device !== device) refuse("device_replaced");
    else {
      const own = lower(account.username);
      const payer = model.payer(account.mailbox, lower(sender.username));
      if (model.standing(account.mailbox, lower(sender.username)) === "blocked") refuse("blocked");
      const all = model.teams.of(own).length;
      const here = model.teams.unsaid(own, sender.address);
      const part = Math.ceil((limits.accountGroups - (all - here)) / 2);
      if (!swapped.has(own) && (all >= limits.accountGroups || here >= part)) refuse("group_quota");
      if (!model.hasRoom(account.mailbox, "welcome", payer, 1)) refuse("mailbox_full");
    }
  }
  return reasons;
}

/** Takes them in, and gives each its Welcome with the tree. */
function add(
  model: Model,
  sender: Account,
  { welcomes, team: asked, commitId: id }: TeamRequest,
  { team, named, before }: { team: Team; named: NamedDevice[]; before: Member[] },
): void {
  const name = lower(sender.username);
  for (const { username, device } of named) {
    const mailbox = model.account(username)?.mailbox ?? 0;
    const own = lower(username);
    const rejoinedAt = before.find((member) => member.name === own)?.rejoinedAt;
    const adder = { sender: name, address: sender.address, stranger: true };
    const fresh = { lapsed: false, leaves: false, awaySince: undefined, gone: false, adder, rejoinedAt };
    team.members.push({ mailbox, name: own, device, joined: team.epoch, ...fresh });
    model.claims.delete(`${sender.mailbox}/${mailbox}`);
    const welcome = welcomes.find(({ to }) => lower(to) === own)?.welcome ?? "";
    const entry = { from: sender.username, id, group: team.id, expires: undefined, unknown: false, reason: undefined };
    const text = JSON.stringify({ tree: asked.tree });
    const what = { kind: "welcome" as const, epoch: team.epoch, message: welcome, text };
    model.add({ ...entry, ...what, ...model.payer(mailbox, name), mailbox });
  }
}

/** What a member has signed. [P-6.11] */
export function state(
  model: Model,
  { sender: mailbox, groupId, kind, statement }: StatementRequest,
): Outcome<undefined> {
  const sender = model.active(mailbox);
  if (sender === undefined) return { reasons: [{ refused: "device_replaced" }] };
  const name = model.name(mailbox);
  const team = model.teams.all.get(groupId);
  const own = team?.members.find((member) => member.name === name && !member.gone);
  if (team === undefined || own === undefined) return { reasons: [ofNone(team), "device_replaced"].map(asReason) };
  if (kind === "leave" && own.mailbox !== mailbox)
    return { reasons: ["device_replaced", ...(own.leaves ? ["not_a_member"] : [])].map(asReason) };
  if (own.leaves && kind === "rejoin") return { reasons: [asReason("not_a_member")] };
  if (own.leaves) {
    const kept = team.statements.get(name);
    if (kept !== undefined) kept.text = statement;
    return { answer: undefined };
  }
  const next = (own.rejoinedAt ?? -Infinity) + REJOIN_MS;
  if (kind === "rejoin" && model.now < next) return { reasons: [{ refused: "rate_limited" }] };
  team.statements.set(name, { kind, text: statement, to: 0, tries: 0, at: -Infinity, soughtAt: -Infinity });
  own.awaySince ??= model.now;
  if (kind === "leave") own.leaves = true;
  else Object.assign(own, { lapsed: true, rejoinedAt: model.now });
  // Nobody is left to do anything.
  if (kind === "leave" && team.members.every(({ leaves, gone }) => leaves || gone)) team.statements.clear();
  return { answer: undefined };
}

function deviceOf({ username, counter }: Account): string {
  return `${lower(username)}-${counter}`;
}

/** That somebody is no member of a team, or that there is none. */
function ofNone(team: Team | undefined): string {
  return team === undefined ? "unknown_group" : "not_a_member";
}

function asReason(refused: string): { refused: string } {
  return { refused };
}
