import { randomBytes } from "node:crypto";
import { Agent, randomGroup } from "../../packages/server/test/agent.ts";
import { seal } from "../../packages/server/test/raw-client.ts";
import type {
  AuthenticatePlan,
  BlobPlan,
  CommitPlan,
  FramePlan,
  PublishPlan,
  RegisterPlan,
  SendPlan,
} from "./frame-plans.ts";
import { base64, expiry, type Filled, messageId, nextId, type View } from "./filled.ts";
import type { Group, Known, User } from "./known.ts";
import { mark } from "./marker.ts";
import { fillTeam } from "./team-fill.ts";

/** The frame of a plan, with what is known now. */
export function fill(plan: FramePlan, view: View): Filled {
  const { known, user } = view;
  switch (plan.type) {
    case "send":
      return user?.agent === undefined ? tokenSend(plan, view) : keySend(plan, view, user, user.agent);
    case "commit":
      return user?.agent === undefined
        ? { type: "commit", data: { commit_id: "c", group_id: randomGroup(), epoch: 1, commit: "AAAA" } }
        : commit(plan, known, user, user.agent);
    case "received":
      return { type: "received", data: { log_id: plan.log ? view.logId : "x", seq: view.pushed + plan.offset } };
    case "lookup":
      return { type: "lookup", data: { username: known.name(plan.name) } };
    case "claim_keys":
      return { type: "claim_keys", data: { username: known.name(plan.name), another: plan.another } };
    case "peers":
      return {
        type: "peers",
        data: {
          allow: plan.allow.map((name) => known.name(name)),
          block: plan.block.map((name) => known.name(name)),
          clear: plan.clear,
        },
      };
    case "publish_keys":
      return { type: "publish_keys", data: publish(plan, user) };
    case "blob":
      return { type: "blob", data: blob(plan, user) };
    case "blob_delete":
      return { type: "blob_delete", data: { blob: user?.blobs.at(-1 - (plan.blob % 8)) ?? "0".repeat(32) } };
    case "key_exchange":
    case "key_response":
      return { type: plan.type, data: { to: known.name(plan.to), public_key: "k".repeat(plan.size), session_id: "s" } };
    case "authenticate":
      return { type: "authenticate", data: authenticate(plan, view) };
    case "register":
      return { type: "register", data: register(plan, view) };
    case "say":
    case "team":
    case "leave":
    case "rejoin":
    case "groups":
    case "claim_several":
      return fillTeam(plan, view);
    case "unregister":
      return { type: "unregister", data: plan.release === undefined ? undefined : { release: plan.release } };
    default:
      return { type: plan.type, data: undefined };
  }
}

function tokenSend(plan: SendPlan, { known, user }: View): Filled {
  const past = user?.past.at(-1 - (plan.group % 8));
  if (plan.repeat === "same" && past !== undefined) return past;
  const to = plan.right ? known.tokenName(plan.to) : known.name(plan.to);
  const data = {
    to,
    message: mark({ to, from: user?.name.toLowerCase() ?? "", group: undefined }, plan.size),
    session_id: plan.session,
    message_id: messageId(plan.repeat, past),
    expires_at: expiry(plan.expires),
  };
  if (user !== undefined && data.message_id !== undefined) known.remember(user, { type: "send", data });
  return { type: "send", data };
}

function keySend(plan: SendPlan, { known }: View, user: User, agent: Agent): Filled {
  const past = user.past.at(-1 - (plan.group % 8));
  if (plan.repeat === "same" && past !== undefined) return past;
  const group = user.groups[plan.group % Math.max(1, user.groups.length)];
  const other = group?.members.find(({ device }) => device !== agent.deviceId)?.username;
  const to = plan.right && other !== undefined ? other : known.name(plan.to);
  const id = group?.id ?? randomGroup();
  const data = {
    to,
    message: mark({ to, from: user.name.toLowerCase(), group: id }, plan.size),
    session_id: plan.session,
    group_id: id,
    epoch: (group?.epoch ?? 1) + plan.epoch,
    message_id: messageId(plan.repeat, past),
    expires_at: expiry(plan.expires),
    resume: plan.resume ? true : undefined,
  };
  if (data.message_id !== undefined) known.remember(user, { type: "send", data });
  return { type: "send", data };
}

function commit(plan: CommitPlan, known: Known, user: User, agent: Agent): Filled {
  const past = user.past.findLast(({ type }) => type === "commit");
  if (plan.repeat === "same" && past !== undefined) return past;
  const again = plan.repeat === "changed" ? past?.data["commit_id"] : undefined;
  const group = user.groups[plan.group % Math.max(1, user.groups.length)];
  const opens = plan.opens || group === undefined;
  const data = opens ? opening(plan, known, { user, agent, group }) : ending(plan, group, agent, user.name);
  const filled = { type: "commit" as const, data: { commit_id: again ?? nextId("c"), ...data } };
  known.remember(user, filled);
  return filled;
}

function opening(
  plan: CommitPlan,
  known: Known,
  { user, agent, group }: { user: User; agent: Agent; group: Group | undefined },
) {
  const own = { username: user.name, device: agent.deviceId };
  const peer = known.peer(plan.peer, user);
  const third = known.peer(plan.peer >> 3, user);
  const members = {
    right: [own, peer],
    swapped: [peer, own],
    device: [own, { ...peer, device: `${peer.device}0` }],
    third: [peer, third],
    self: [own, own],
    none: undefined,
    many: [own, peer, third],
  }[plan.members];
  // At times one that is taken.
  const id = group !== undefined && plan.group % 16 === 0 ? group.id : randomGroup();
  known.opening(id, [own, peer]);
  const from = user.name.toLowerCase();
  const welcome = () => ({
    to: peer.username,
    device: peer.device,
    welcome: mark({ to: peer.username, from, group: id }),
  });
  return {
    group_id: id,
    epoch: 0,
    members,
    welcomes: Array.from({ length: plan.welcomes }, welcome),
    messages: first(plan, peer.username, from, id),
  };
}

function ending(plan: CommitPlan, group: Group, agent: Agent, username: string) {
  const to = group.members.find(({ device }) => device !== agent.deviceId)?.username ?? "";
  const from = username.toLowerCase();
  return {
    group_id: group.id,
    epoch: group.epoch + plan.epoch,
    commit: mark({ to, from, group: group.id }),
    messages: first(plan, to, from, group.id),
  };
}

function first(plan: CommitPlan, to: string, from: string, group: string) {
  return plan.messages.map((expires) => ({
    to,
    message: mark({ to, from, group }),
    message_id: nextId("m"),
    expires_at: expiry(expires),
  }));
}

function publish(plan: PublishPlan, user: User | undefined) {
  const packages = user?.agent !== undefined && plan.repeat ? user.agent.keyPackages : [];
  return {
    key_packages: [...packages, ...Array.from({ length: plan.count }, () => base64(40))],
    last_resort: plan.lastResort ? base64(40) : undefined,
    replace: plan.replace,
  };
}

function blob({ repeat, bytes, readers, hash, ttl }: BlobPlan, user: User | undefined): Record<string, unknown> {
  if (user !== undefined && repeat === "fresh") user.room = { request_id: nextId("r"), read_hash: base64(32) };
  const { request_id, read_hash } = user?.room ?? { request_id: "r", read_hash: base64(32) };
  const hashes = { right: read_hash, short: base64(31), odd: "A".repeat(44) };
  return { request_id, bytes, readers, read_hash: hashes[hash], ttl_ms: ttl };
}

function authenticate({ step, name }: AuthenticatePlan, { known, user, challenge }: View): Record<string, unknown> {
  const other = known.user(name);
  const as = step === "other" || user === undefined ? other : user;
  const asks = step === "ask" || step === "other" || challenge === undefined;
  // A stranger stays one.
  const wrong = step === "wrong" || user === undefined;
  if (as.agent !== undefined) {
    const { username, deviceId: device, relay } = as.agent;
    if (asks) return { username, device, relay };
    const answer = as.agent.answer(challenge, step === "old" ? 1 : undefined);
    return wrong ? { ...answer, signature: base64(64) } : answer;
  }
  if (asks || as.token === undefined) return { username: as.name };
  return { username: as.name, challenge: seal(wrong ? randomBytes(32) : as.token.key, challenge) };
}

function register({ how, name }: RegisterPlan, { known, user }: View): Record<string, unknown> {
  const agent = user?.agent ?? known.users.find((one) => one.agent !== undefined && one.registered)?.agent;
  if (how === "taken" || agent === undefined) return { username: known.user(name).name.toUpperCase() };
  if (how === "name") return { username: ["ab", "x".repeat(33), "a b", "\ud800abc", "\u212aey"][name % 5] };
  if (how === "token") return { username: nextId("late") };
  if (how === "key") return new Agent(known.url, nextId("late"), { packages: 2 }).registration();
  if (how === "device" && user?.agent !== undefined && user.registered) {
    const { username, identity, counter } = user.agent;
    user.next ??= new Agent(known.url, username, { identity, counter: counter + 1, packages: 3 });
    return user.next.registration();
  }
  const data = agent.registration();
  if (how === "signature") return { ...data, signature: base64(64) };
  if (how === "relay") return { ...data, relay: "elsewhere.example" };
  return data;
}
