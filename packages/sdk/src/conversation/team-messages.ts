/** What comes in a team: messages to all, and direct frames of one member. */
import { type Content, decodeContent, type Header, isFrameIdOf } from "../crypto/content.ts";
import { openDirect } from "../crypto/team/direct.ts";
import { isTeamDataOf } from "../crypto/team/message-data.ts";
import { certifiedBy, type TeamMember } from "../crypto/team/roster.ts";
import { type Delivery, fromBase64, isBase64, toBase64, usernameKey } from "../protocol/index.ts";
import { directAddress } from "../records/addresses.ts";
import { owed } from "../records/owed.ts";
import { get } from "../records/records.ts";
import type { TeamMemberRecord } from "../records/team-records.ts";
import { takeOffers } from "./offers.ts";
import { keep } from "./received.ts";
import { directSecret } from "./team-commits.ts";
import { holdInTeam } from "./team-held.ts";
import { heardFrom } from "./team-heard.ts";
import { ATTEMPT, readMessage } from "./reading.ts";
import { applyTeamReceipt } from "./reports.ts";
import { commitMissing } from "./team-stuck.ts";
import { countIn, lookFrom, missAgain, strikeOff } from "./team-gaps.ts";
import { askForUnheard, isFirst, leaveUnread } from "./team-direct.ts";
import { hearSeen } from "./team-order.ts";
import { rosterIn, whomIn } from "./teams.ts";
import { memberBy, type Team, teamMember } from "../turn/groups.ts";
import type { Turn } from "../turn/turn.ts";

/** Messages of one member that were not read and of which it has not been told, at most: of more it hears by their counters. */
const OWED_AT_MOST = 400;

/** A message to all. */
export async function receiveTeamMessage(turn: Turn, team: Team, delivery: Delivery, offline: boolean): Promise<void> {
  const from = usernameKey(delivery.from);
  if (turn.isSpent(from)) return unreadIn(turn, team, from, delivery.message_id);
  const opened = await openMessage(turn, team, delivery);
  if (opened === undefined && (delivery.epoch ?? 0) > team.record.epoch) return commitMissing(turn, team);
  if (opened === undefined) return unreadIn(turn, team, from, delivery.message_id);
  const { content, sender } = opened;
  await hearSeen(turn, team, sender.name, content.header.seen);
  const present = (await rosterIn(turn, team)).find(({ name }) => name === sender.name);
  // What another device of it has left in the epoch before is not of the same count.
  const isPresent = present?.device === sender.device;
  if (isPresent) count(team, await memberBy(turn, team, sender), content.header);
  await heardFrom(turn, team, sender.name);
  return deliver(turn, team, { sender, offline }, content);
}

/** Its sender hears that a message was not read, and sends it again, to us alone. */
export async function unreadIn(turn: Turn, team: Team, from: string, messageId: string): Promise<void> {
  if ((await whomIn(turn, team)).has(from)) await oweLost(turn, directAddress(team.record.key, from), messageId, "");
}

/** Where nothing leaves for it, there are not more and more of them: its counter is asked for all the same. */
async function oweLost(turn: Turn, to: string, id: string, why: string): Promise<void> {
  const prefix = owed(to, "lost");
  const waiting = await turn.tx.list({ prefix, limit: OWED_AT_MOST });
  if (waiting.length < OWED_AT_MOST) await turn.tx.put(prefix + id, why);
}

/** A direct frame: a receipt, or a message that we lack. */
export async function receiveDirect(turn: Turn, team: Team, delivery: Delivery, offline: boolean): Promise<void> {
  const from = usernameKey(delivery.from);
  if (turn.isSpent(from)) return leaveUnread(turn, team, from);
  const sender = (await rosterIn(turn, team)).find(({ name }) => name === from);
  const secret = await secretOf(turn, team, delivery.epoch ?? -1);
  if ((delivery.epoch ?? 0) > team.record.epoch) return commitMissing(turn, team);
  if (sender === undefined || secret === undefined || !isBase64(delivery.message)) return turn.wasted(from, ATTEMPT);
  const { device, identity } = turn.account;
  const plaintext = await openDirect(
    turn.teams.primitives,
    fromBase64(delivery.message),
    {
      group: team.record.id,
      epoch: delivery.epoch ?? -1,
      from: { name: sender.name, device: sender.device },
      to: { name: identity.username, device: device.id },
      messageId: delivery.message_id,
    },
    { secret, deviceKey: sender.deviceKey },
  );
  const content = plaintext === undefined ? undefined : decodeContent(plaintext);
  if (content === undefined || !isFrameIdOf(delivery.message_id, content.header.id)) return turn.wasted(from, ATTEMPT);
  const member = await memberBy(turn, team, sender);
  if (!isFirst(team, member, content.header)) return;
  await heardFrom(turn, team, from);
  team.changed.add(from);
  turn.heard.add(directAddress(team.record.key, from));
  await hearSeen(turn, team, from, content.header.seen);
  const { again } = content.header;
  if (content.header.type === "receipt") await applyTeamReceipt(turn, team, from, content.body);
  await askForUnheard(turn, team, member);
  if (again === undefined) return undefined;
  const original = { ...content, header: { ...content.header, id: again.id } };
  if (content.header.type === "offer")
    return takeOffers(turn, { from, identityKey: toBase64(sender.identityKey) }, original);
  if (content.header.type !== "message") return undefined;
  countAgain(team, member, { ...content.header, counter: again.counter });
  await deliver(turn, team, { sender, offline }, original);
}

/** A message of a member, however it has come: its sender hears that it is here. */
async function deliver(
  turn: Turn,
  team: Team,
  { sender, offline }: { sender: Omit<TeamMember, "leaf">; offline: boolean },
  content: Content,
): Promise<void> {
  const { key, id } = team.record;
  const { name, identityKey } = sender;
  const { receive_counter: upTo } = await teamMember(turn, team, name);
  // Its ratchet has to move; what it says is for nobody here.
  const objection = await objectionTo(turn, sender, content);
  if (objection !== undefined) {
    await missAgain(turn, team, sender, content);
    return oweLost(turn, directAddress(key, name), content.header.id, objection);
  }
  const row = await get(turn.tx, "team/", key);
  if (row?.state === "invited") return keepForOwner(turn, team, { sender, offline }, content);
  if (upTo > 0) await turn.tx.put(owed(directAddress(key, name), "read", id), String(upTo));
  if (content.header.type !== "message" || row?.state !== "active") return;
  const whose = { from: name, identityKey: toBase64(identityKey), team: key };
  if (!(await keep(turn, whose, content, { name, offline }))) await missAgain(turn, team, sender, content);
}

/** Why a message of a member is not kept: what its sender hears. */
async function objectionTo(
  turn: Turn,
  { name, identityKey }: Omit<TeamMember, "leaf">,
  { header, body }: Content,
): Promise<"blocked" | "identity_changed" | "stranger_quota" | undefined> {
  const contact = await turn.contact(name);
  if (contact?.blocked === true) return "blocked";
  if (header.type !== "message") return undefined;
  // A group is whatever its admins make it: in the name of somebody who is pinned nobody else is heard.
  if (contact !== undefined && contact.identity_key !== toBase64(identityKey)) {
    const text = `${name} has another identity key in a group than the pinned one; nothing is read from that until you trust it`;
    await turn.alert("identity_changed", name, text);
    return "identity_changed";
  }
  const isStranger = await turn.isStranger(name);
  return isStranger && !(await turn.cache.strangers.hasRoom(turn, name, body.length)) ? "stranger_quota" : undefined;
}

/** Nobody hears that it was received before the owner has taken the invitation; what has no room is asked for then. */
async function keepForOwner(
  turn: Turn,
  team: Team,
  { sender, offline }: { sender: Omit<TeamMember, "leaf">; offline: boolean },
  content: Content,
): Promise<void> {
  const { name, identityKey } = sender;
  if (content.header.type !== "message") return;
  const whose = { from: name, from_name: name, identity_key: toBase64(identityKey), offline };
  if (!(await holdInTeam(turn, team.record.key, whose, content))) await missAgain(turn, team, sender, content);
}

async function secretOf(turn: Turn, team: Team, epoch: number): Promise<Uint8Array | undefined> {
  const { record } = team;
  if (epoch === record.epoch) return directSecret(turn, team);
  return record.direct_before?.epoch === epoch ? fromBase64(record.direct_before.secret) : undefined;
}

async function openMessage(
  turn: Turn,
  team: Team,
  delivery: Delivery,
): Promise<{ content: Content; sender: Omit<TeamMember, "leaf"> } | undefined> {
  return readMessage(turn, { from: usernameKey(delivery.from), delivery }, async (bytes) => {
    const opened = await turn.teams.decrypt(team.group, bytes);
    team.group = opened.group;
    team.dirty = true;
    const sender = await certifiedBy(opened.sender.certificate);
    if (sender === undefined) return undefined;
    const bound = { messageId: delivery.message_id, from: sender.name, fromDevice: sender.device };
    const isBound =
      isTeamDataOf(opened.authenticatedData, { ...bound, expiresAt: delivery.expires_at }) &&
      opened.epoch === delivery.epoch &&
      (delivery.device ?? sender.device) === sender.device &&
      usernameKey(delivery.from) === sender.name;
    return { ...opened, isBound, signer: sender.name, sender };
  });
}

/** What one member has sent again is counted as it would have been by the way of all, if it was sent in this epoch; what is older is no gap any more. */
function countAgain(team: Team, member: TeamMemberRecord, header: Header): void {
  const { counter, base = 0 } = header;
  if (counter > base) return count(team, member, header);
  strikeOff(member, [counter]);
  lookFrom(member, counter);
}

/** Keeps the books on what one member has said. */
function count(team: Team, member: TeamMemberRecord, { counter, base = 0 }: Header): void {
  if (member.receive_counter === 0) {
    member.receive_counter = Math.min(base, counter - 1);
    if (member.receive_counter > 0) member.since = member.receive_counter;
  }
  team.changed.add(member.name);
  countIn(member, counter);
}
