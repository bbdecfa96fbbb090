/** What leaves for teams: messages to all of a team, and receipts to one of its members. */
import { encodeContent, frameId, type Header } from "../crypto/content.ts";
import { sealDirect } from "../crypto/team/direct.ts";
import { teamMessageData } from "../crypto/team/message-data.ts";
import { sentInEpoch } from "../crypto/mls/state.ts";
import { TEAM_EPOCH_MESSAGES } from "../crypto/mls/team-seam.ts";
import { directSecret } from "../conversation/team-commits.ts";
import { addLinkOp } from "../conversation/team-ops.ts";
import { placeToCome, seenBy } from "../conversation/team-order.ts";
import { rosterIn, teamByKey } from "../conversation/teams.ts";
import { toBase64, usernameKey } from "../protocol/index.ts";
import { readAddress } from "../records/addresses.ts";
import { get, pad, put } from "../records/records.ts";
import type { OutboxRecord } from "../records/tables.ts";
import { deleteRow } from "../turn/outbox-rows.ts";
import { type Team, teamMember } from "../turn/teams.ts";
import type { Turn } from "../turn/turn.ts";
import type { Flight, SendData } from "./flight.ts";
import { withFiles } from "./offered-files.ts";
import { endWaiting, queuedRows } from "./queue.ts";
import { headerOf, remember, sendQueued } from "./sending.ts";

/** Encrypts what waits for a team, or for one of its members. */
export async function serveTeam(turn: Turn, flight: Flight, to: string, most: number): Promise<void> {
  const address = readAddress(to);
  if (address.kind === "pair") return;
  // Whoever is no member any more says nothing there again; of what waits nothing leaves by surprise if it is added anew.
  if ((await get(turn.tx, "team/", address.key))?.state === "over")
    return endWaiting(turn, flight, to, { state: "failed", reason: "not_a_member", keepsReceipts: false });
  const found = await teamByKey(turn, address.key);
  if (found === undefined || found.team.record.state !== "open") return;
  const { team } = found;
  const { record } = team;
  if (turn.cache.between.isHeld(record.id)) return;
  // Before its owner has taken the invitation nothing is said, to nobody.
  if (record.epoch < record.wait_for_epoch || found.row.state === "invited") return;
  if (found.row.state !== "active" && address.kind === "team") return;
  flight.lastServed = to;
  if (address.kind === "team") {
    const left = TEAM_EPOCH_MESSAGES - sentInEpoch(team.group);
    // Before the epoch is full, the next one begins.
    if (left < TEAM_EPOCH_MESSAGES / 2)
      await addLinkOp(turn, { kind: "update", key: record.key, group: record.id, names: [] });
    const seal = (row: OutboxRecord, body: Uint8Array) => encryptToTeam(turn, team, row, body);
    return sendQueued(turn, flight, { to, group: record.id, identityKey: "", most, left, seal });
  }
  const member = (await rosterIn(turn, team)).find(({ name }) => name === address.name);
  if (member === undefined) {
    // Whoever is no member any more needs no word of what came from it.
    for (const row of await queuedRows(turn, flight, to, most)) await deleteRow(turn, row);
    return undefined;
  }
  const { name, device } = member;
  const seal = (row: OutboxRecord, body: Uint8Array) => sealTo(turn, team, { row, body, to: { name, device } });
  const identityKey = toBase64(member.identityKey);
  return sendQueued(turn, flight, { to, group: record.id, identityKey, most, left: most, seal });
}

async function encryptToTeam(turn: Turn, team: Team, row: OutboxRecord, body: Uint8Array): Promise<SendData> {
  const { record } = team;
  const { identity, device } = turn.account;
  record.send_counter += 1;
  const messageId = frameId(row.id, row.attempt);
  const seen = await seenBy(turn, team);
  const header = {
    ...headerOf(turn, row, record.send_counter),
    base: record.base,
    ...(seen === undefined ? {} : { seen }),
  };
  const data = teamMessageData({
    messageId,
    from: identity.username,
    fromDevice: device.id,
    expiresAt: header.expires_at,
  });
  const plaintext = encodeContent({ header, ...(await withFiles(turn, row, body)) });
  const { group, message, consumed } = await turn.on(`team-group/${record.id}`, () =>
    turn.teams.encrypt(team.group, plaintext, data),
  );
  team.group = group;
  team.dirty = true;
  turn.consumed.push(...consumed);
  const frame: SendData = {
    message: toBase64(message),
    group_id: record.id,
    epoch: record.epoch,
    message_id: messageId,
    ...(header.expires_at === undefined ? {} : { expires_at: header.expires_at }),
  };
  await placeToCome(turn, team);
  const recipients = await recipientsOf(turn, team);
  await remember(
    turn,
    { ...row, ...(recipients === undefined ? {} : { recipients }) },
    { group: record.id, epoch: record.epoch, counter: record.send_counter, at: turn.now },
    frame,
  );
  return frame;
}

/** Whom a message is for: the roster of the epoch, which stands once for all that is sent in it. */
async function recipientsOf(turn: Turn, team: Team): Promise<OutboxRecord["recipients"]> {
  const { id, epoch } = team.record;
  const own = usernameKey(turn.account.identity.username);
  const names = (await rosterIn(turn, team)).map(({ name }) => name).filter((name) => name !== own);
  const at = `${id}/${pad(epoch)}`;
  if ((await turn.tx.get(`roster/${at}`)) === undefined) await put(turn.tx, "roster/", at, { names });
  return { epoch, all: names.length, received: 0, handled: 0, failed: 0, expired: 0, gone: 0 };
}

/** A frame that one member alone can read. It is no part of a ratchet: when it is lost, the next one says it again. */
async function sealTo(
  turn: Turn,
  team: Team,
  { row, body, to }: { row: OutboxRecord; body: Uint8Array; to: { name: string; device: string } },
): Promise<SendData> {
  const { record } = team;
  const { identity, device } = turn.account;
  const member = await teamMember(turn, team, to.name);
  member.direct_out += 1;
  team.changed.add(to.name);
  const messageId = frameId(row.id, row.attempt);
  const seen = await seenBy(turn, team);
  const header = {
    ...(await directHeader(turn, row, member.direct_out)),
    ...(seen === undefined ? {} : { seen }),
  };
  const message = await sealDirect(
    turn.teams.primitives,
    encodeContent({ header, ...(await withFiles(turn, row, body)) }),
    { group: record.id, epoch: record.epoch, from: { name: identity.username, device: device.id }, to, messageId },
    { secret: await directSecret(turn, team), privateKey: device.privateKey },
  );
  const frame: SendData = {
    to: to.name,
    direct: true,
    message: toBase64(message),
    group_id: record.id,
    epoch: record.epoch,
    message_id: messageId,
  };
  await put(turn.tx, "wire/", pad(row.seq), {
    group: record.id,
    epoch: record.epoch,
    counter: member.direct_out,
    frame: JSON.stringify(frame),
  });
  await put(turn.tx, "out/", pad(row.seq), { ...row, group: record.id });
  return frame;
}

/** Of a receipt, of a message that its recipient lacks, or of where the files of one lie now. */
async function directHeader(turn: Turn, row: OutboxRecord, counter: number): Promise<Header> {
  const original = row.of === undefined ? undefined : await get(turn.tx, "out/", pad(row.of));
  if (original?.counter === undefined) return headerOf(turn, row, counter);
  const again = { id: original.id, counter: original.counter };
  const type = row.kind === "offer" ? row.kind : original.kind;
  return { ...headerOf(turn, original, counter), id: row.id, type, again };
}
