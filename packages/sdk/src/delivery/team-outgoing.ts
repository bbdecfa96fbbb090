/** What leaves for teams: messages to all of a team, and receipts to one of its members. */
import { encodeContent, frameId, type Header } from "../crypto/content.ts";
import { sealDirect } from "../crypto/team/direct.ts";
import { teamMessageData } from "../crypto/team/message-data.ts";
import { sentInEpoch } from "../crypto/mls/state.ts";
import { TEAM_EPOCH_MESSAGES } from "../crypto/mls/team-seam.ts";
import { withoutCounters } from "../conversation/receipt.ts";
import { directSecret } from "../conversation/team-commits.ts";
import { countsOf } from "../conversation/team-direct.ts";
import { addLinkOp } from "../conversation/team-ops.ts";
import { placeToCome, seenBy } from "../conversation/team-order.ts";
import { countAnew } from "../conversation/team-recount.ts";
import { goneFromEach, settleAll } from "../conversation/team-outcomes.ts";
import { sendToOne } from "../conversation/team-resend.ts";
import { rosterIn, whomIn } from "../conversation/teams.ts";
import { toBase64, usernameKey } from "../protocol/index.ts";
import { readAddress } from "../records/addresses.ts";
import { isTrusted, untrustedIn } from "../records/team-pins.ts";
import { hasLeft } from "../records/outbox-records.ts";
import { get, pad, put, rowsUnder } from "../records/records.ts";
import type { OutboxRecord } from "../records/tables.ts";
import { deleteRow, settle } from "../turn/outbox-rows.ts";
import { enterRoster, notAmong, type Whom, whomFor } from "../records/rosters.ts";
import { type Team, teamMember, teamOf } from "../turn/groups.ts";
import type { Turn } from "../turn/turn.ts";
import type { Flight, SendData } from "./flight.ts";
import { withFiles } from "./offered-files.ts";
import { endWaiting, queuedRows } from "./queue.ts";
import { counterFor, headerOf, remember, sendQueued } from "./sending.ts";

/** Encrypts what waits for a team, or for one of its members. */
export async function serveTeam(turn: Turn, flight: Flight, to: string, most: number): Promise<void> {
  const address = readAddress(to);
  if (address.kind === "pair") return;
  const row = await get(turn.tx, "team/", address.key);
  // Whoever is no member any more says nothing there again, as the relay would say; of what waits nothing leaves by surprise if it is added anew.
  if (row === undefined || row.state === "over") {
    if (row !== undefined && (await repeatsIn(turn, flight, { to, group: row.group, most }))) return undefined;
    return endWaiting(turn, flight, to, { state: "refused", reason: "not_a_member", keepsReceipts: false });
  }
  const team = await teamOf(turn, row.group);
  if (team?.record.state !== "open") return;
  const { record } = team;
  if (turn.cache.between.isHeld(record.id)) return;
  // Before its owner has taken the invitation nothing is said, to nobody.
  if (record.epoch < record.wait_for_epoch || row.state !== "active") return;
  flight.lastServed = to;
  if (address.kind === "team") {
    const left = TEAM_EPOCH_MESSAGES - sentInEpoch(team.group);
    // Before the epoch is full, the next one begins.
    if (left < TEAM_EPOCH_MESSAGES / 2)
      await addLinkOp(turn, { kind: "update", key: record.key, group: record.id, names: [] });
    const seal = (row: OutboxRecord, body: Uint8Array) => encryptToTeam(turn, team, row, body);
    const isStopped = (await untrustedIn(turn.tx, record.key)) !== undefined;
    if (isStopped) await endUntrusted(turn, flight, to);
    return sendQueued(turn, flight, { to, group: record.id, identityKey: "", most, left: isStopped ? 0 : left, seal });
  }
  const member = (await rosterIn(turn, team)).find(({ name }) => name === address.name);
  if (!(await isTrusted(turn.tx, record.key, address.name))) return undefined;
  if (member === undefined) {
    // Whoever is no member any more needs no word of what came from it.
    for (const row of await queuedRows(turn, flight, to, most)) await deleteRow(turn, row);
    return undefined;
  }
  const { name, device } = member;
  const seal = (row: OutboxRecord, body: Uint8Array) => sealTo(turn, team, { row, body, to: { name, device } });
  const identityKey = toBase64(member.identityKey);
  return sendQueued(turn, flight, { to, group: record.id, direct: name, identityKey, most, left: most, seal });
}

/** What has left for a group that is over leaves again, since its answer was lost: all may have it. @returns whether some of it has to wait */
async function repeatsIn(
  turn: Turn,
  flight: Flight,
  { to, group, most }: { to: string; group: string; most: number },
): Promise<boolean> {
  await sendQueued(turn, flight, { to, group, identityKey: "", most, left: 0, seal: sealNothing });
  return (flight.repeats.get(group)?.size ?? 0) > 0;
}

function sealNothing(): Promise<never> {
  return Promise.reject(new Error("nothing is encrypted for a group that is over"));
}

/** What would leave for somebody whom the owner has to trust first fails, rather than leave later by surprise. */
async function endUntrusted(turn: Turn, flight: Flight, to: string): Promise<void> {
  const prefix = `queue/${to}/`;
  for await (const [key] of rowsUnder(turn.tx, prefix)) {
    if (!turn.mayGoOn()) return;
    const seq = key.slice(prefix.length);
    const row = await get(turn.tx, "out/", seq);
    // What is encrypted was so for those of before.
    if (row === undefined || (await turn.tx.get(`wire/${seq}`)) !== undefined || flight.sends.has(row.seq)) continue;
    await settle(turn, row, { state: "failed", reason: "identity_changed", provisional: hasLeft(row) });
  }
}

async function encryptToTeam(
  turn: Turn,
  team: Team,
  row: OutboxRecord,
  body: Uint8Array,
): Promise<SendData | undefined> {
  const { record } = team;
  if (await isOfBefore(turn, team, row)) return sendToEach(turn, team, row);
  const { identity, device } = turn.account;
  const counter = await counterFor(turn, team, row);
  const messageId = frameId(row.id, row.attempt);
  const seen = await seenBy(turn, team);
  const header = {
    ...headerOf(turn, row, counter),
    base: Math.max(record.base, record.alone ?? 0),
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
  await remember(
    turn,
    { ...row, recipients: await recipientsOf(turn, team, row) },
    { group: record.id, epoch: record.epoch, counter, at: turn.now },
    frame,
  );
  return frame;
}

/** Whom a message is for. What it became at whom it reached before is known. */
async function recipientsOf(
  turn: Turn,
  team: Team,
  row: OutboxRecord,
): Promise<NonNullable<OutboxRecord["recipients"]>> {
  const whom = await othersIn(turn, team);
  return countAnew(turn, row, await enterRoster(turn.tx, team.record, row, whom), [...whom.keys()]);
}

async function othersIn(turn: Turn, team: Team): Promise<Whom> {
  const others = new Map(await whomIn(turn, team));
  others.delete(usernameKey(turn.account.identity.username));
  return others;
}

/** Whether a message was said to fewer than are there now, in another group or by another device: whoever has come since then is not to hear it. */
async function isOfBefore(turn: Turn, team: Team, row: OutboxRecord): Promise<boolean> {
  if (row.recipients === undefined || row.group === team.record.id) return false;
  const were = await whomFor(turn.tx, row);
  return notAmong(await othersIn(turn, team), were).length > 0;
}

/** What was said before some of the members came leaves for the others, for each alone. It has a counter of its own all the same, by which it is asked for. */
async function sendToEach(turn: Turn, team: Team, row: OutboxRecord): Promise<undefined> {
  const { record } = team;
  const counter = await counterFor(turn, team, row);
  record.alone = counter;
  team.dirty = true;
  await turn.tx.put(`sent/${record.id}/${pad(counter)}`, String(row.seq));
  const before = { ...row, group: record.id, counter };
  await settle(turn, before, { state: "stored" });
  const present = await othersIn(turn, team);
  await goneFromEach(turn, { ...before, state: "stored" }, notAmong(await whomFor(turn.tx, row), present));
  for (const name of present.keys()) {
    const [at, now] = [`${pad(row.seq)}/${name}`, await get(turn.tx, "out/", pad(row.seq))];
    const to = await get(turn.tx, "to/", at);
    // How often it was sent to it before, by another device or in another group, counts for nothing.
    if (to?.times !== undefined) await put(turn.tx, "to/", at, { ...to, times: 0 });
    if (now !== undefined) await sendToOne(turn, record, now, { name });
  }
  // All may have said meanwhile what became of it.
  const now = await get(turn.tx, "out/", pad(row.seq));
  if (now !== undefined) await settleAll(turn, now);
}

/** A frame that one member alone can read. It is no part of a ratchet: where one is lost, that one sees so by the counter of the next. */
async function sealTo(
  turn: Turn,
  team: Team,
  { row, body, to }: { row: OutboxRecord; body: Uint8Array; to: { name: string; device: string } },
): Promise<SendData> {
  const { record } = team;
  const { identity, device } = turn.account;
  const member = await teamMember(turn, team, to.name);
  // What the relay has refused, and may have delivered, keeps its counter: another one would leave a hole.
  const { direct_since: since = 0 } = member;
  const counter = directCounter(row, { group: record.id, device: to.device, since }) ?? member.direct_out + 1;
  member.direct_out = Math.max(member.direct_out, counter);
  team.changed.add(to.name);
  const messageId = frameId(row.id, row.attempt);
  const seen = await seenBy(turn, team);
  const header = {
    ...(await directHeader(turn, row, counter)),
    base: record.base,
    ...(since === 0 ? {} : { since }),
    ...(seen === undefined ? {} : { seen }),
  };
  // What it has waited to say by counters may be of another device, or of the group before this one: of those that there are now it would be untrue.
  const isByCounters = row.kind === "receipt" && row.of === undefined && row.counts !== countsOf(turn, team, to);
  const said = isByCounters ? withoutCounters(body) : body;
  const message = await sealDirect(
    turn.teams.primitives,
    encodeContent({ header, ...(await withFiles(turn, row, said)) }),
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
    direct: to.name,
    epoch: record.epoch,
    counter,
    frame: JSON.stringify(frame),
  });
  await put(turn.tx, "out/", pad(row.seq), {
    ...row,
    group: record.id,
    direct: { group: record.id, device: to.device, counter },
  });
  return frame;
}

/** The counter that a direct frame has had before; undefined: it has not been made yet, or for nobody who is there now. */
function directCounter(
  { direct }: OutboxRecord,
  { group, device, since }: { group: string; device: string; since: number },
): number | undefined {
  if (direct?.group !== group || direct.device !== device || direct.counter <= since) return undefined;
  return direct.counter;
}

/** Of a receipt, of a message that its recipient lacks, or of where the files of one lie now. */
async function directHeader(turn: Turn, row: OutboxRecord, counter: number): Promise<Header> {
  const original = row.of === undefined ? undefined : await get(turn.tx, "out/", pad(row.of));
  if (original?.counter === undefined) return headerOf(turn, row, counter);
  const again = { id: original.id, counter: original.counter };
  const type = row.kind === "offer" ? row.kind : original.kind;
  return { ...headerOf(turn, original, counter), id: row.id, type, again };
}
