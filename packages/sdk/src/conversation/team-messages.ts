/** What comes in a team: messages to all, and direct frames of one member. */
import { type Content, decodeContent, type Header, isFrameIdOf } from "../crypto/content.ts";
import { GroupError } from "../crypto/mls/seam.ts";
import { openDirect } from "../crypto/team/direct.ts";
import { isTeamDataOf } from "../crypto/team/message-data.ts";
import { certifiedBy, type TeamMember } from "../crypto/team/roster.ts";
import { type Delivery, fromBase64, isBase64, toBase64, usernameKey } from "../protocol/index.ts";
import { directAddress } from "../records/addresses.ts";
import { owed } from "../records/owed.ts";
import { get } from "../records/records.ts";
import type { TeamMemberRecord } from "../records/team-records.ts";
import { keep } from "./received.ts";
import { directSecret } from "./team-commits.ts";
import { heardFrom } from "./team-heard.ts";
import { applyTeamReceipt } from "./team-reports.ts";
import { rosterIn } from "./teams.ts";
import { type Team, teamMember } from "../turn/teams.ts";
import type { Turn } from "../turn/turn.ts";

/** Counters of a member that were not read, at most: what is more is not asked for any more. */
const MISSING_AT_MOST = 400;
/** The cost of trying to decrypt. See `Waste`. */
const ATTEMPT = 0.5;

/** A message to all. */
export async function receiveTeamMessage(turn: Turn, team: Team, delivery: Delivery, offline: boolean): Promise<void> {
  const from = usernameKey(delivery.from);
  if (turn.isSpent(from)) return;
  const opened = await openMessage(turn, team, delivery);
  if (opened === undefined) {
    turn.wasted(from, ATTEMPT);
    // Its sender hears that it was not read, and sends it again, to us alone.
    if ((await rosterIn(turn, team)).some(({ name }) => name === from))
      await turn.tx.put(owed(directAddress(team.record.key, from), "lost", delivery.message_id), "");
    return undefined;
  }
  const { content, sender } = opened;
  const member = await teamMember(turn, team, sender.name);
  count(team, member, content.header);
  await heardFrom(turn, team, sender.name);
  // Nobody hears that it was received before the owner has taken the invitation; then it is asked for.
  if ((await get(turn.tx, "team/", team.record.key))?.state === "invited")
    return void (member.gaps = [...(member.gaps ?? []), content.header.counter].slice(-MISSING_AT_MOST));
  return deliver(turn, team, { sender, offline }, content);
}

/** A direct frame: a receipt, or a message that we lack. */
export async function receiveDirect(turn: Turn, team: Team, delivery: Delivery, offline: boolean): Promise<void> {
  const from = usernameKey(delivery.from);
  if (turn.isSpent(from)) return;
  const sender = (await rosterIn(turn, team)).find(({ name }) => name === from);
  const secret = await secretOf(turn, team, delivery.epoch ?? -1);
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
  const member = await teamMember(turn, team, from);
  // The relay brings it once more, or another member does that has seen it.
  if (content.header.counter <= member.direct_in) return;
  member.direct_in = content.header.counter;
  team.changed.add(from);
  turn.heard.add(directAddress(team.record.key, from));
  await heardFrom(turn, team, from);
  if (content.header.type === "receipt") return applyTeamReceipt(turn, team, from, content.body);
  const { again } = content.header;
  if (content.header.type !== "message" || again === undefined) return undefined;
  member.gaps = (member.gaps ?? []).filter((gap) => gap !== again.counter);
  await deliver(turn, team, { sender, offline }, { ...content, header: { ...content.header, id: again.id } });
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
  if ((await turn.contact(name))?.blocked === true)
    return turn.tx.put(owed(directAddress(key, name), "lost", content.header.id), "blocked");
  if (upTo > 0) await turn.tx.put(owed(directAddress(key, name), "read", id), String(upTo));
  const row = await get(turn.tx, "team/", key);
  if (content.header.type !== "message" || row?.state !== "active") return;
  // Files are for one recipient: who sends some to a team by another program is read without them.
  const { header, body } = content;
  const whose = { from: name, identityKey: toBase64(identityKey), team: key };
  await keep(turn, whose, { header, body }, { name, offline });
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
  try {
    const bytes = isBase64(delivery.message) ? fromBase64(delivery.message) : new Uint8Array();
    const opened = await turn.teams.decrypt(team.group, bytes);
    team.group = opened.group;
    team.dirty = true;
    turn.consumed.push(...opened.consumed);
    const sender = await certifiedBy(opened.sender.certificate);
    const content = decodeContent(opened.plaintext);
    if (sender === undefined || content === undefined) return undefined;
    const bound = { messageId: delivery.message_id, from: sender.name, fromDevice: sender.device };
    const isBound = isTeamDataOf(opened.authenticatedData, { ...bound, expiresAt: delivery.expires_at });
    if (isBound && usernameKey(delivery.from) === sender.name && isFrameIdOf(delivery.message_id, content.header.id))
      return { content, sender };
    await turn.alert(
      "relay_mismatch",
      sender.name,
      `a message from ${sender.name} came with other names, ids or expiry than its sender gave it`,
    );
    return undefined;
  } catch (error) {
    if (!(error instanceof GroupError)) throw error;
    return undefined;
  }
}

/** Keeps the books on what one member has said. */
function count(team: Team, member: TeamMemberRecord, { counter, base = 0 }: Header): void {
  if (member.receive_counter === 0) member.receive_counter = Math.min(base, counter - 1);
  const gaps = new Set(member.gaps);
  gaps.delete(counter);
  const newest = Math.min(counter, member.receive_counter + MISSING_AT_MOST + 1);
  for (let missing = member.receive_counter + 1; missing < newest; missing++) gaps.add(missing);
  member.gaps = [...gaps];
  member.receive_counter = Math.max(member.receive_counter, counter);
  team.changed.add(member.name);
}
