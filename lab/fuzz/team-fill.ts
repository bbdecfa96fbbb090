import type { Agent } from "../../packages/server/test/agent.ts";
import { randomGroup } from "../../packages/server/test/agent.ts";
import { base64, expiry, type Filled, messageId, nextId, type View } from "./filled.ts";
import type { Known, User } from "./known.ts";
import { mark } from "./marker.ts";
import type { FuzzTeam, NamedDevice } from "./known-teams.ts";
import type { TeamCommitPlan, TeamPlan, TeamSayPlan } from "./team-plans.ts";

/** A frame about teams. Whoever is in none, as a token account, asks for one that nobody has founded. */
export function fillTeam(plan: TeamPlan, { known, user }: View): Filled {
  const teams = user?.agent === undefined ? [] : known.teams.of(user.agent.deviceId);
  switch (plan.type) {
    case "groups":
      return { type: "groups", data: undefined };
    case "claim_several":
      return {
        type: "claim_keys",
        data: { usernames: plan.names.map((name, index) => known.name(name * 16 + index * 32 + 2)) },
      };
    case "leave":
    case "rejoin": {
      const group_id = teams[plan.team % Math.max(1, teams.length)]?.id ?? randomGroup();
      return { type: plan.type, data: { group_id, statement: base64(plan.size) } };
    }
    case "say":
      return say(plan, { known, user, team: teams[plan.team % Math.max(1, teams.length)] });
    default:
      return commit(plan, { known, user, team: teams[plan.team % Math.max(1, teams.length)] });
  }
}

interface Place {
  known: Known;
  user: User | undefined;
  team: FuzzTeam | undefined;
}

function say(plan: TeamSayPlan, { known, user, team }: Place): Filled {
  const past = user?.past.at(-1 - (plan.team % 8));
  if (plan.repeat === "same" && past !== undefined) return past;
  const epoch = (team?.epoch ?? 2) + plan.epoch;
  const group = team?.id ?? randomGroup();
  const members = team?.members ?? [];
  const to = plan.to === undefined ? undefined : (members[plan.to]?.username ?? known.name(plan.to));
  const from = user?.name.toLowerCase() ?? "";
  const data = {
    ...(to === undefined ? {} : { to, direct: plan.direct ? true : undefined }),
    message: mark({ to: to ?? `*${epoch}`, from, group }, plan.size),
    group_id: group,
    epoch,
    message_id: messageId(plan.repeat, past),
    expires_at: expiry(plan.expires),
    resume: plan.resume ? true : undefined,
  };
  if (user !== undefined) known.remember(user, { type: "send", data });
  return { type: "send", data };
}

function commit(plan: TeamCommitPlan, { known, user, team }: Place): Filled {
  const past = user?.past.findLast(({ type }) => type === "commit");
  if (plan.repeat === "same" && past !== undefined) return past;
  const again = plan.repeat === "changed" ? past?.data["commit_id"] : undefined;
  const agent = user?.agent;
  const own = { username: user?.name ?? "nobody", device: agent?.deviceId ?? "none" };
  const founds = plan.founds || team === undefined || agent === undefined;
  const data = founds ? founding(plan, { known, user, team }, own) : ending(plan, known, { user, team, agent }, own);
  const commit_id = again ?? nextId("t");
  const filled = { type: "commit" as const, data: { commit_id, team: true, ...data, ...faultOf(plan, own) } };
  if (user !== undefined) known.remember(user, filled);
  return filled;
}

/** What is there beside all that has to be, or in its place. */
function faultOf({ fault }: TeamCommitPlan, own: NamedDevice): Record<string, unknown> {
  if (fault === "file") return { body: { blob: "0".repeat(32), token: base64(32), bytes: 9, sha256: base64(32) } };
  if (fault === "many") return { members: Array.from({ length: 1000 }, () => own) };
  if (fault === "messages")
    return { messages: [{ to: own.username, message: base64(3), message_id: nextId("m") }], commit: base64(3) };
  return {};
}

function founding(plan: TeamCommitPlan, { known, user, team }: Place, own: NamedDevice): Record<string, unknown> {
  const others = user === undefined ? [] : peersOf(plan.add, known, user);
  // At times one that is taken.
  const group = team !== undefined && plan.team % 16 === 0 ? team.id : randomGroup();
  const members = plan.fault === "self" ? others : [own, ...others];
  const twice = plan.fault === "case" ? { ...own, username: own.username.toUpperCase() } : others[0];
  const isTwice = (plan.fault === "case" || plan.fault === "twice") && twice !== undefined;
  return {
    group_id: group,
    epoch: 1 + Math.max(0, plan.epoch),
    members: wrong(plan, isTwice ? [...members, twice] : members),
    ...welcomes(plan, others, { from: own.username, group }),
    body: plan.fault === "body" ? base64(9) : undefined,
  };
}

function ending(
  plan: TeamCommitPlan,
  known: Known,
  { user, team, agent }: { user: User | undefined; team: FuzzTeam; agent: Agent },
  own: NamedDevice,
): Record<string, unknown> {
  const isIn = (one: NamedDevice): boolean => team.members.some(({ username }) => username === one.username);
  const peers = user === undefined ? [] : peersOf(plan.add.slice(0, 2), known, user);
  const others = team.members.filter(({ device }) => device !== agent.deviceId);
  const remove = plan.remove.map((at) => (at === 0 ? own : (others[at - 1] ?? own)));
  const swapped = plan.swap ? others[plan.team % Math.max(1, others.length)] : undefined;
  const present = known.users.find(({ name }) => name === swapped?.username)?.agent?.deviceId;
  // Some are in it already: those are refused.
  let add = plan.team % 8 === 0 ? peers : peers.filter((one) => !isIn(one));
  if (swapped !== undefined) {
    add = [
      ...add.filter(({ username }) => username !== swapped.username),
      { ...swapped, device: present ?? swapped.device },
    ];
    if (!remove.includes(swapped)) remove.push(swapped);
  }
  if (plan.fault === "twice" && add[0] !== undefined)
    add = [...add, { ...add[0], username: add[0].username.toUpperCase() }];
  if (plan.fault === "self") add = [...add, own];
  return {
    group_id: team.id,
    epoch: team.epoch + plan.epoch,
    add: add.length > 0 || plan.team % 4 === 0 ? wrong(plan, add) : undefined,
    remove: remove.length > 0 || plan.team % 4 === 0 ? remove : undefined,
    ...welcomes(plan, add, { from: own.username, group: team.id }),
    body: plan.fault === "body" ? undefined : base64(60),
  };
}

function peersOf(picks: number[], known: Known, user: User): NamedDevice[] {
  const peers = picks.map((one) => known.peer(one, user));
  return [...new Map(peers.map((peer) => [peer.username, peer])).values()];
}

function wrong({ fault }: TeamCommitPlan, named: NamedDevice[]): NamedDevice[] {
  return fault === "device" ? named.map((one) => ({ ...one, device: `${one.device}0` })) : named;
}

function welcomes({ fault }: TeamCommitPlan, add: NamedDevice[], { from, group }: { from: string; group: string }) {
  const to = fault === "welcomes" ? add.slice(1) : add;
  return {
    welcomes: to.map(({ username, device }) => ({
      to: username,
      device,
      welcome: mark({ to: username, from: from.toLowerCase(), group }),
    })),
    tree: add.length > 0 !== (fault === "tree") ? base64(90) : undefined,
  };
}
