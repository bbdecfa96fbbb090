/** Joining a team by a Welcome. */
import { GroupError } from "../crypto/mls/seam.ts";
import { epochOf, groupIdOf } from "../crypto/mls/state.ts";
import { verifyCertificate } from "../crypto/identity.ts";
import { joinTeam } from "../crypto/team/changes.ts";
import { mayTakeIn } from "../crypto/team/foundings.ts";
import { sha256 } from "../crypto/team/fields.ts";
import { certifiedBy, memberAt } from "../crypto/team/roster.ts";
import { hex } from "../crypto/hex.ts";
import { type Delivery, fromBase64, isBase64, lengthPrefixed, toBase64, usernameKey, utf8 } from "../protocol/index.ts";
import { deleteState } from "../records/group-state.ts";
import { get, list, pad, put } from "../records/records.ts";
import { nameOfTeam } from "../records/team-names.ts";
import type { TeamGroupRecord } from "../records/team-records.ts";
import { leaveSilently } from "./team-end.ts";
import { goOnIn, judgeFounding } from "./team-founded.ts";
import { planHealing } from "./team-healing.ts";
import { aheadOf } from "./team-ahead.ts";
import { addOp, endOp, rejoinOf, signWord } from "./team-ops.ts";
import { goneMeanwhile } from "./team-lost.ts";
import { tell } from "./team-news.ts";
import { comparePins } from "./team-pins.ts";
import { hasRoomForTeam } from "./strange-teams.ts";
import { cannotCome, goBackTo } from "./team-return.ts";
import { hearLapsed } from "./team-stuck.ts";
import { unwatch } from "./team-watch.ts";
import { meet } from "../trust/contacts.ts";
import { isConversation } from "./conversations.ts";
import { packageOf, useKeyPackage } from "./welcomes.ts";
import { lastKnown, learn, newTeamGroup, rosterIn, settingsIn } from "./teams.ts";
import { beginOrder, dropOrders } from "../turn/team-order.ts";
import { addTeam, countDirectAnew, letGoOfTeam, type Team, teamOf } from "../turn/groups.ts";
import type { Turn } from "../turn/turn.ts";

/** The costs of joining a group in vain, and of a Welcome by none of our key packages: ms of an ordinary core. See `Waste`. */
const JOINING = 20;
const UNTRIED = 0.2;

type Joined = Awaited<ReturnType<typeof joinTeam>>;

/** Joins the group of a Welcome that has a tree beside it. Whatever is wrong with it is reported, and it is dropped. */
export async function acceptTeamWelcome(turn: Turn, delivery: Delivery): Promise<void> {
  const { from, device, group_id: announced, message, tree } = delivery;
  const username = usernameKey(from);
  const known = announced === undefined ? undefined : await get(turn.tx, "team-group/", announced);
  if (turn.isSpent(username)) {
    // What a contact adds us to we are in all the same: any of the members may take us in.
    const isMissed = known === undefined && announced !== undefined && !(await turn.isStranger(username));
    return isMissed ? hearLapsed(turn, announced) : undefined;
  }
  const refuse = (kind: string, text: string) => {
    turn.wasted(username, kind === "welcome_without_key" ? UNTRIED : JOINING);
    return turn.alert(kind, username, text);
  };
  const welcome = isBase64(message) ? fromBase64(message) : new Uint8Array();
  const rejoin = announced === undefined ? undefined : await rejoinOf(turn, announced);
  const isBack = known?.state === "replaced";
  const isAwaited = isBack || (known?.state === "stuck" && rejoin !== undefined) || isPutAnew(known);
  if (known !== undefined && known.state !== "closed" && !isAwaited)
    return refuse("welcome_replayed", `a Welcome from ${from} names a team that is known already`);
  const key = await packageOf(turn, welcome);
  if (typeof tree !== "string")
    return refuse("bad_welcome", `a Welcome from ${from} is not acceptable: its tree is not at the relay`);
  if (key === undefined) {
    // A relay that was put back hands out key packages once more: whoever has added us does so anew.
    if (known === undefined && announced !== undefined) await hearLapsed(turn, announced);
    return refuse("welcome_without_key", `a Welcome from ${from} uses a key package that this device does not have`);
  }
  let joined: Joined;
  try {
    const invited = { welcome, tree: fromBase64(tree) };
    const ahead = turn.cache.between.get(aheadOf(delivery), "");
    joined = (ahead as Joined | undefined) ?? (await joinTeam(turn.teams, invited, key.secret, turn.account.device));
  } catch (error) {
    if (!(error instanceof GroupError)) throw error;
    return refuse("bad_welcome", `a Welcome from ${from} is not acceptable: ${error.message}`);
  }
  const by = await certifiedBy(joined.inviter.certificate);
  const id = groupIdOf(joined.group);
  // Whoever founds a group chooses its id: it takes the place of no conversation.
  if (await isConversation(turn, id))
    return refuse("bad_welcome", `a Welcome from ${from} is not acceptable: its group has the id of a conversation`);
  const isAsSaid = by?.name === username && (device ?? by.device) === by.device && (announced ?? id) === id;
  if (!isAsSaid)
    return refuse("bad_welcome", `a Welcome from ${from} is not acceptable: not what the relay says it is`);
  // Whoever poses as somebody who is pinned adds us to nothing.
  const said = await verifyCertificate(turn.crypto, joined.inviter.certificate);
  if (said === undefined || (await meet(turn, said, "welcome")) !== "trusted") return;
  await useKeyPackage(turn, key, from);
  // A key package of last resort is handed out more than once.
  const isSoon = key.last_resort;
  if (known === undefined) return joinNew(turn, joined, { from, isSoon });
  // Whoever takes us in again there does not know yet that another group is in its place.
  if (isBack && !(await cannotCome(turn, known.key, { record: known, group: joined.group })))
    return endOp(turn, rejoin?.seq);
  const objection = await objectionTo(turn, joined, { known, from });
  if (objection !== undefined) return refuse(...objection);
  const present = (await get(turn.tx, "team/", known.key))?.group;
  await letGoOfTeam(turn, id);
  await deleteState(turn.tx, id);
  await countDirectAnew(turn.tx, id);
  // Of the state that is gone.
  await turn.removeCommit(id);
  const team = await join(turn, joined, { from, isSoon, known });
  if (isBack && present !== undefined) await goBackTo(turn, team, present);
}

/** Whether the Welcome of a commit that has put us in our own place anew is to come. */
function isPutAnew(known: TeamGroupRecord | undefined): boolean {
  return known?.state === "open" && known.put_anew !== undefined;
}

/** Why a Welcome leads into no group that we know: the kind of an alert, and its text. */
async function objectionTo(
  turn: Turn,
  joined: Joined,
  { known, from }: { known: TeamGroupRecord; from: string },
): Promise<[kind: string, text: string] | undefined> {
  const { id, key, shared = key, epoch } = known;
  if (shared !== hex(settingsIn(turn, joined).key))
    return ["bad_welcome", `a Welcome from ${from} poses as a group that this agent is in`];
  if (epochOf(joined.group) <= epoch)
    return ["welcome_replayed", `a Welcome from ${from} leads back to what was before in a group`];
  // What we have missed we cannot judge any more.
  const rejoin = await rejoinOf(turn, id);
  const before = known.state === "closed" ? undefined : await teamOf(turn, id);
  const isJudged = rejoin !== undefined || known.state === "replaced" || isPutAnew(known);
  if (before === undefined || !isJudged || (await isLetTakeUsIn(turn, before, joined))) return undefined;
  const statement = toBase64(lengthPrefixed(...(await signWord(turn, "rejoin", joined.group))));
  if (rejoin === undefined) await addOp(turn, { kind: "rejoin", key, group: id, names: [], statement });
  else await put(turn.tx, "op/", pad(rejoin.seq), { ...rejoin, statement });
  return [
    "bad_welcome",
    `a Welcome from ${from} leads to what this agent cannot judge, by the word of nobody who may say so`,
  ];
}

/** Whether whoever takes us in again may, as far as we can tell. */
async function isLetTakeUsIn(turn: Turn, before: Team, { group, inviter }: Joined): Promise<boolean> {
  const by = await memberAt(inviter);
  if (by === undefined) return false;
  const known = await lastKnown(turn, before);
  // Nobody who keeps to the rules has followed a forbidden commit: what comes after it is its maker's.
  if (known.accused.size > 0 && !known.settings.admins.includes(by.name)) return false;
  const there = { settings: settingsIn(turn, { group }), roster: await rosterIn(turn, { group }) };
  return mayTakeIn({ group: before.record.id, inviter: by, ...there }, known);
}

/** A group that we have not been in: a new team, one of ours that was founded anew, or one that has its key. */
async function joinNew(turn: Turn, joined: Joined, { from, isSoon }: Pick<How, "from" | "isSoon">): Promise<void> {
  const { group } = joined;
  const id = groupIdOf(group);
  const settings = settingsIn(turn, joined);
  const shared = hex(settings.key);
  const before = settings.replaces === "" ? undefined : await get(turn.tx, "team-group/", settings.replaces);
  const key = before !== undefined && (before.shared ?? before.key) === shared ? before.key : shared;
  const row = await get(turn.tx, "team/", key);
  const named = key === shared ? {} : { shared };
  if (row === undefined || row.state === "over")
    return void (await joinAnother(turn, joined, { from, isSoon, key, ...named }));
  const inviter = await memberAt(joined.inviter);
  const roster = await rosterIn(turn, joined);
  const founding = inviter && (await judgeFounding(turn, { group: id, settings, roster, inviter }, row));
  // All go on in another one that was founded at the same time.
  if (founding === "behind") return leaveSilently(turn, id, group);
  if (founding === "next") {
    const record = newTeamGroup(turn, { id, key, epoch: epochOf(group), state: "open", ...named });
    const team = addTeam(turn, record, group);
    await beginOrder(turn, team);
    await planHealing(turn, team, isSoon);
    await endOp(turn, (await rejoinOf(turn, id))?.seq);
    return goOnIn(turn, team, usernameKey(from));
  }
  // Whoever has been in a team knows its key: nobody takes its place by that.
  const other = hex((await sha256(utf8(shared + id))).slice(0, 16));
  if (!(await joinAnother(turn, joined, { from, isSoon, key: other, shared }))) return;
  const name = (await nameOfTeam(turn.tx, key)) ?? row.name;
  const shown = await nameOfTeam(turn.tx, other);
  const isShown = shown === undefined ? "" : `: it is @${shown} here, and not the same`;
  return turn.alert(
    "group_twice",
    usernameKey(from),
    `${from} has added this agent to another group that poses as @${name}${isShown}`,
  );
}

/** A team that is none of ours yet. @returns whether there was room for it */
async function joinAnother(turn: Turn, joined: Joined, how: How): Promise<boolean> {
  const { group } = joined;
  const username = usernameKey(how.from);
  const isRoom = await hasRoomForTeam(turn, username, (await rosterIn(turn, joined)).length);
  if (isRoom) await join(turn, joined, how);
  else {
    turn.wasted(username, JOINING);
    await leaveSilently(turn, groupIdOf(group), group);
    const text = `${how.from}, whom you have neither written to nor accepted, adds this agent to more groups than there is room for, and it has left the last one`;
    await turn.alert("stranger_quota", username, text);
  }
  return isRoom;
}

interface How {
  from: string;
  /** New keys are due soon. */
  isSoon: boolean;
  /** As it was, if we were in it. */
  known?: TeamGroupRecord;
  /** Else its key here, and the one that it has, if that is another one. */
  key?: string;
  shared?: string;
}

async function join(turn: Turn, { group }: Joined, { from, isSoon, known, ...keys }: How): Promise<Team> {
  const username = usernameKey(from);
  const id = groupIdOf(group);
  const { key = known?.key ?? "", shared = known?.shared } = keys;
  const record = newTeamGroup(turn, {
    id,
    key,
    epoch: epochOf(group),
    state: "open",
    ...(shared === undefined ? {} : { shared }),
    ...(known?.accused === undefined ? {} : { accused: known.accused }),
    ...(known?.founder === undefined ? {} : { founder: known.founder }),
    // The time that was planned is planned anew.
    ...(known?.heals_at === undefined ? {} : { heals_at: known.heals_at }),
    // What we send goes on where it was, so that what the others lack is missed.
    ...(known === undefined ? {} : { send_counter: known.send_counter, base: known.send_counter }),
  });
  const team = addTeam(turn, record, group);
  await dropOrders(turn, team);
  await beginOrder(turn, team);
  await planHealing(turn, team, isSoon);
  await comparePins(turn, team);
  if (known !== undefined) await goneMeanwhile(turn, team, (await get(turn.tx, "team/", key))?.members);
  const rejoin = await rejoinOf(turn, id);
  if (rejoin !== undefined || isPutAnew(known)) {
    await unwatch(turn, id);
    for (const op of await list(turn.tx, "op/"))
      if (op.kind === "refound" && op.group === id) await endOp(turn, op.seq);
    await endOp(turn, rejoin?.seq);
    // Whoever had left it, as far as this store knows, was added again since.
    const row = await get(turn.tx, "team/", key);
    if (row !== undefined && row.state !== "over") {
      await learn(turn, team);
      return team;
    }
  }
  // A stranger's invitation waits for the owner.
  const policy = await turn.policy();
  const isWanted = policy === "open" || !(await turn.isStranger(username));
  await learn(turn, team, { inviter: username, state: isWanted ? "active" : "invited", since: turn.now });
  if (isWanted) await tell(turn, key, { by: username, added: [usernameKey(turn.account.identity.username)] });
  if (!isWanted && policy === "closed") await addOp(turn, { kind: "leave", key, group: id, names: [] });
  else if (!isWanted)
    await turn.alert("invited", username, `${from} invites this agent to the group @${settingsIn(turn, team).name}`);
  return team;
}
