/** Joining a team by a Welcome. */
import { mayTakeIn } from "../crypto/team/foundings.ts";
import { GroupError } from "../crypto/mls/seam.ts";
import { epochOf, groupIdOf } from "../crypto/mls/state.ts";
import { verifyCertificate } from "../crypto/identity.ts";
import { joinTeam } from "../crypto/team/changes.ts";
import { certifiedBy, memberAt } from "../crypto/team/roster.ts";
import { type Delivery, fromBase64, isBase64, lengthPrefixed, toBase64, usernameKey } from "../protocol/index.ts";
import { hex } from "../crypto/mls/bytes.ts";
import { deleteState } from "../records/group-state.ts";
import { get, pad, put } from "../records/records.ts";
import { planHealing } from "./team-healing.ts";
import { aheadOf } from "./team-ahead.ts";
import { goneMeanwhile } from "./team-lost.ts";
import { comparePins } from "./team-pins.ts";
import { addOp, endOp, rejoinOf, signWord } from "./team-ops.ts";
import { meet } from "../trust/contacts.ts";
import { isConversation, useKeyPackage } from "./conversations.ts";
import { learn, newTeamGroup, rosterIn, settingsIn } from "./teams.ts";
import { beginOrder, dropOrders } from "../turn/team-order.ts";
import { addTeam, countDirectAnew, type Team, teamOf } from "../turn/teams.ts";
import type { Turn } from "../turn/turn.ts";

/** The costs of joining a group in vain, and of a Welcome by none of our key packages: ms of an ordinary core. See `Waste`. */
const JOINING = 20;
const UNTRIED = 0.2;

/** Joins the group of a Welcome that has a tree beside it. Whatever is wrong with it is reported, and it is dropped. */
export async function acceptTeamWelcome(turn: Turn, delivery: Delivery): Promise<void> {
  const { from, device, group_id: announced, message, tree } = delivery;
  const username = usernameKey(from);
  if (turn.isSpent(username)) return;
  const refuse = (kind: string, text: string) => {
    turn.wasted(username, kind === "welcome_without_key" ? UNTRIED : JOINING);
    return turn.alert(kind, username, text);
  };
  const welcome = isBase64(message) ? fromBase64(message) : new Uint8Array();
  const known = announced === undefined ? undefined : await get(turn.tx, "team-group/", announced);
  const rejoin = announced === undefined ? undefined : await rejoinOf(turn, announced);
  if (known !== undefined && known.state !== "closed" && (known.state !== "stuck" || rejoin === undefined))
    return refuse("welcome_replayed", `a Welcome from ${from} names a team that is known already`);
  const [ref, ...others] = turn.crypto.welcomeRefs(welcome);
  const key = ref === undefined || others.length > 0 ? undefined : await get(turn.tx, "key/", ref);
  const secret = key === undefined ? undefined : await turn.tx.get(`key-secret/${key.ref}`);
  if (typeof tree !== "string")
    return refuse("bad_welcome", `a Welcome from ${from} is not acceptable: its tree is not at the relay`);
  if (key === undefined || secret === undefined)
    return refuse("welcome_without_key", `a Welcome from ${from} uses a key package that this device does not have`);
  let joined: Awaited<ReturnType<typeof joinTeam>>;
  try {
    const invited = { welcome, tree: fromBase64(tree) };
    const ahead = turn.cache.between.get(aheadOf(delivery), "");
    joined =
      (ahead as typeof joined | undefined) ??
      (await joinTeam(turn.teams, invited, secret as Uint8Array, turn.account.device));
  } catch (error) {
    if (!(error instanceof GroupError)) throw error;
    return refuse("bad_welcome", `a Welcome from ${from} is not acceptable: ${error.message}`);
  }
  const { group, inviter } = joined;
  const by = await certifiedBy(inviter.certificate);
  const id = groupIdOf(group);
  // Whoever founds a group chooses its id: it takes the place of no conversation.
  if (await isConversation(turn, id))
    return refuse("bad_welcome", `a Welcome from ${from} is not acceptable: its group has the id of a conversation`);
  const isAsSaid = by?.name === username && (device ?? by.device) === by.device && (announced ?? id) === id;
  if (!isAsSaid)
    return refuse("bad_welcome", `a Welcome from ${from} is not acceptable: not what the relay says it is`);
  // Whoever poses as somebody who is pinned adds us to nothing.
  const said = await verifyCertificate(turn.crypto, inviter.certificate);
  if (said === undefined || (await meet(turn, said, "welcome")) !== "trusted") return undefined;
  await useKeyPackage(turn, key.ref, key.last_resort, from);
  const teamKey = hex(settingsIn(turn, { group }).key);
  // Whoever has been in a team knows its key: nobody takes its place by that.
  const row = await get(turn.tx, "team/", teamKey);
  const isAnother = row !== undefined && row.state !== "over" && row.group !== id;
  if (isAnother || (known !== undefined && known.key !== teamKey))
    return refuse("bad_welcome", `a Welcome from ${from} poses as a group that this agent is in`);
  const record = newTeamGroup(turn, { id, key: teamKey, epoch: epochOf(group), state: "open" });
  if (known !== undefined) {
    if (record.epoch <= known.epoch)
      return refuse("welcome_replayed", `a Welcome from ${from} leads back to what was before in a group`);
    // What we have missed we cannot judge any more.
    const before = known.state === "stuck" ? await teamOf(turn, id) : undefined;
    if (before !== undefined && rejoin !== undefined && !(await isLetTakeUsIn(turn, before, joined))) {
      const statement = toBase64(lengthPrefixed(...(await signWord(turn, "rejoin", group))));
      await put(turn.tx, "op/", pad(rejoin.seq), { ...rejoin, statement });
      return refuse("bad_welcome", `a Welcome from ${from}, who was no admin, names other admins of a group`);
    }
    // What we send goes on where it was, so that what the others lack is missed.
    record.send_counter = known.send_counter;
    record.base = known.send_counter;
    if (known.accused !== undefined) record.accused = known.accused;
    // A commit of ours that was under way belongs to the state that goes.
    await turn.removeCommit(id);
    await deleteState(turn.tx, id);
    await countDirectAnew(turn.tx, id);
  }
  const team = addTeam(turn, record, group);
  await dropOrders(turn, team);
  await beginOrder(turn, team);
  // A key package of last resort is handed out more than once.
  await planHealing(turn, team, key.last_resort);
  await comparePins(turn, team);
  if (known !== undefined) await goneMeanwhile(turn, team, row?.members);
  if (rejoin !== undefined) {
    await endOp(turn, rejoin.seq);
    if (row !== undefined) return void (await learn(turn, team));
  }
  // A stranger's invitation waits for the owner.
  const policy = await turn.policy();
  const isWanted = policy === "open" || !(await turn.isStranger(username));
  await learn(turn, team, { inviter: username, state: isWanted ? "active" : "invited", since: turn.now });
  if (!isWanted && policy === "closed") return addOp(turn, { kind: "leave", key: teamKey, group: id, names: [] });
  if (!isWanted)
    await turn.alert("invited", username, `${from} has added this agent to the team @${settingsIn(turn, team).name}`);
}

/** Whether whoever takes us in again may, as far as we can tell. */
async function isLetTakeUsIn(
  turn: Turn,
  before: Team,
  { group, inviter }: Awaited<ReturnType<typeof joinTeam>>,
): Promise<boolean> {
  const by = await memberAt(inviter);
  if (by === undefined) return false;
  const accused = new Set(before.record.accused);
  const known = { settings: settingsIn(turn, before), roster: await rosterIn(turn, before), accused };
  const there = { settings: settingsIn(turn, { group }), roster: await rosterIn(turn, { group }) };
  return mayTakeIn({ group: before.record.id, inviter: by, ...there }, known);
}
