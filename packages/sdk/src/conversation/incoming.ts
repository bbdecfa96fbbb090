import { frameId } from "../crypto/content.ts";
import { type Delivery, fromBase64, isBase64, usernameKey } from "../protocol/index.ts";
import { acceptCommit, applyAdmitted, applyUnanswered } from "./commits.ts";
import type { Pushed } from "../wire/connection.ts";
import { acceptWelcome, closeConversation } from "./conversations.ts";
import { rowById } from "../records/outbox-records.ts";
import { settle, unlink } from "../turn/outbox-rows.ts";
import { receiveMessage, unreadable } from "./received.ts";
import { applyUnansweredInTeam } from "./team-admitted.ts";
import { isComputed } from "./team-ahead.ts";
import { receiveTeamCommit } from "./team-commits.ts";
import { letTakenIn } from "./team-held.ts";
import { hearLapsed } from "./team-stuck.ts";
import { receiveDirect, receiveTeamMessage, unreadIn } from "./team-messages.ts";
import { forgetPlaces, place } from "./team-order.ts";
import { expireAtOthers, settleAt } from "./team-outcomes.ts";
import { acceptTeamWelcome } from "./team-welcome.ts";
import { groupOf, pairOf, pairsWith, type Team, teamOf } from "../turn/groups.ts";
import { hasEnough } from "./reports.ts";
import { type sendAgain, underAnotherId } from "./resend.ts";
import { packageOf } from "./welcomes.ts";
import type { Turn } from "../turn/turn.ts";

/** The part of a turn that goes into what comes and into what was left of it before. */
const SHARE = 0.8;
/** The cost of joining or of following a commit: ms of an ordinary core. See `Waste`. */
const HANDSHAKE = 10;
/** A Welcome by none of our key packages: it is read, and counted in an alert. */
const UNTRIED = 0.2;
/** Messages of both sides between two commits of the other one. What comes sooner, for its age or after a race, is rare. */
const COMMIT_EVERY = 50;

/**
 * Processes what the relay has pushed, in the order of `seq`. Nothing in it can fail the turn: what is not readable is
 * recorded, and asked for again; a kind of entry that this version does not know is skipped. [P-13.2]
 * @returns how many the turn had time for
 */
export async function receive(turn: Turn, batch: Pushed[]): Promise<number> {
  let count = 0;
  await letTakenIn(turn);
  turn.ahead.begin(batch);
  for (const { delivery, offline } of batch) {
    if (count > 0 && !turn.mayGoOn(SHARE)) return count;
    if (await hasEnough(turn, delivery)) {
      turn.isCut = true;
      return count;
    }
    if (delivery.seq > turn.position) {
      await applyAdmitted(turn, delivery.seq);
      if (!(await isComputed(turn, delivery))) {
        turn.isCut = true;
        return count;
      }
    }
    count += 1;
    if (delivery.seq <= turn.position) continue;
    const at = `pushed/${delivery.seq}`;
    if (!turn.aside.has(at)) await turn.on(at, () => receiveOne(turn, delivery, offline));
    else await leaveAlone(turn, delivery);
    turn.cache.between.forget(at);
    turn.position = delivery.seq;
    turn.cache.arrived = { at: turn.ticks, storedAt: delivery.timestamp * 1000 };
  }
  await applyAdmitted(turn, turn.position + 1);
  return count;
}

/** Whether it is a message or a receipt. */
function isMessage({ kind }: Delivery): boolean {
  return (kind ?? "application") === "application";
}

/** Passes over an entry on which the turn has failed: its sender hears that it was not readable, unless that fails, too. */
async function leaveAlone(turn: Turn, delivery: Delivery): Promise<void> {
  const { seq, from, message_id, group_id: group = "", epoch } = delivery;
  turn.wasted(usernameKey(from), HANDSHAKE);
  const at = `unread/${seq}`;
  if (turn.aside.has(at)) return;
  await turn.on(at, async () => {
    const team = delivery.pos === undefined ? undefined : await teamOf(turn, group);
    if (team !== undefined) await forgetPlaces(turn, team, epoch);
    if (!isMessage(delivery)) return;
    if (team !== undefined) await unreadIn(turn, team, usernameKey(from), message_id);
    else await unreadable(turn, usernameKey(from), message_id);
  });
}

async function receiveOne(turn: Turn, delivery: Delivery, offline: boolean): Promise<void> {
  const { group_id: group = "" } = delivery;
  const known = await groupOf(turn, group);
  if (known?.kind === "team") return receiveInTeam(turn, known, delivery, offline);
  // Of a group that is over, or whose state is lost, nothing is read but that we are in it again.
  const isOver = known === undefined && (await turn.tx.get(`team-group/${group}`)) !== undefined;
  if (isOver && delivery.kind !== "welcome") return undefined;
  switch (delivery.kind ?? "application") {
    case "application":
      return receiveMessage(turn, delivery, offline);
    case "welcome":
      return delivery.tree === undefined ? receiveWelcome(turn, delivery) : acceptTeamWelcome(turn, delivery);
    case "commit":
      return receiveCommit(turn, delivery);
    case "notice":
      return receiveNotice(turn, delivery);
  }
}

async function receiveInTeam(turn: Turn, team: Team, delivery: Delivery, offline: boolean): Promise<void> {
  await applyUnansweredInTeam(turn, team, delivery);
  // Of what a member that cannot follow does not read, it gets again what it lacks when it is taken in again.
  const { state, accused } = team.record;
  // A group that was founded anew is read still, but for whoever it was founded anew without.
  const isFollowed =
    state === "open" || (state === "replaced" && accused?.includes(usernameKey(delivery.from)) !== true);
  switch (delivery.kind ?? "application") {
    case "stub":
      return place(turn, team, delivery);
    case "application":
      await place(turn, team, delivery);
      return isFollowed ? receiveTeamMessage(turn, team, delivery, offline) : undefined;
    case "direct":
      return isFollowed ? receiveDirect(turn, team, delivery, offline) : undefined;
    case "commit":
      return receiveTeamCommit(turn, team, delivery);
    case "notice":
      return receiveTeamNotice(turn, team, delivery);
    case "welcome":
      return acceptTeamWelcome(turn, delivery);
  }
}

/** The relay's word on a message to a team: at one of its recipients, or at all that do not have it. */
async function receiveTeamNotice(
  turn: Turn,
  team: Team,
  { message_id, from, status, reason }: Delivery,
): Promise<void> {
  if (reason === "lapsed" && status === "dropped") return hearLapsed(turn, team.record.id);
  const row = await rowById(turn.tx, message_id);
  if (row === undefined || row.kind === "receipt" || status !== "expired") return;
  const outcome = { state: "expired", reason: reason ?? "expired" } as const;
  if (from === "") await expireAtOthers(turn, row, outcome);
  else await settleAt(turn, row, usernameKey(from), outcome);
}

/** Of whoever is not read now, messages in another conversation are not readable: it hears of them as of those. */
async function receiveWelcome(turn: Turn, delivery: Delivery): Promise<void> {
  const { from, message } = delivery;
  const username = usernameKey(from);
  if ((await turn.contact(username))?.blocked === true || turn.isSpent(username)) return;
  const alone = (await pairsWith(turn, username)).length === 0;
  const isTried = (await packageOf(turn, isBase64(message) ? fromBase64(message) : new Uint8Array())) !== undefined;
  await acceptWelcome(turn, delivery);
  const joined = alone && (await pairsWith(turn, username)).length > 0;
  if (!joined) turn.wasted(username, isTried ? HANDSHAKE : UNTRIED);
}

async function receiveCommit(turn: Turn, delivery: Delivery): Promise<void> {
  const conversation = await pairOf(turn, delivery.group_id ?? "");
  // A commit of a conversation that is gone has nothing to advance.
  if (conversation === undefined) return;
  const { record, peer } = conversation;
  if (turn.isSpent(record.contact)) {
    // Without it nothing that follows can be read.
    const text = `${record.contact} keeps this agent busy with what leads to nothing`;
    return closeConversation(turn, conversation, "wasteful", text);
  }
  await applyUnanswered(turn, conversation, delivery.epoch);
  const accepted = await acceptCommit(turn, conversation, delivery.epoch ?? -1, delivery.message);
  const said = record.send_counter + peer.receive_counter;
  if (!accepted || said - (peer.said_at_commit ?? 0) < COMMIT_EVERY) turn.wasted(record.contact, HANDSHAKE);
  peer.said_at_commit = said;
}

/** The relay's word on a message that it had stored. A receipt outweighs it. */
async function receiveNotice(turn: Turn, delivery: Delivery): Promise<void> {
  const { group_id: group, reason, status } = delivery;
  if (group !== undefined && reason === "lapsed" && status === "dropped") return hearLapsed(turn, group);
  const row = await rowById(turn.tx, delivery.message_id);
  if (row === undefined || (row.state !== "stored" && row.state !== "queued")) return;
  if (row.to !== usernameKey(delivery.from)) return;
  if (row.kind === "receipt") return;
  // Of an earlier sending: it was sent again since.
  if (delivery.message_id !== frameId(row.id, row.attempt)) return;
  if (delivery.reason === "device_replaced") await sendAgainToNewDevice(turn, row);
  else if (delivery.status === "expired")
    await settle(turn, row, { state: "expired", reason: delivery.reason ?? "expired", provisional: true });
  else await settle(turn, row, { state: "refused", reason: delivery.reason ?? "dropped", provisional: true });
}

async function sendAgainToNewDevice(turn: Turn, row: Parameters<typeof sendAgain>[2]): Promise<void> {
  await unlink(turn, row);
  // Not the message's fault, so it does not count as a failed sending; but its frame needs a new id.
  await underAnotherId(turn, row, "device_replaced");
}
