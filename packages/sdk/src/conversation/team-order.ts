/**
 * Whether the relay shows all members of a team the same messages in the same order. [P-15.8] What honest relays do is never an alert: a place that is
 * not known yet may be one of ours whose answer is to come, and where that can never be told, nothing is said of the epoch.
 */
import { sha256 } from "../crypto/team/fields.ts";
import { hashAt, isSameSeen, type Placed, SEEN_BYTES } from "../crypto/team/transcript.ts";
import type { Header } from "../crypto/content.ts";
import { equal, type Delivery, fromBase64, isBase64, toBase64 } from "../protocol/index.ts";
import { get, pad } from "../records/records.ts";
import type { WireRecord } from "../records/tables.ts";
import type { OrderRecord } from "../records/team-records.ts";
import { addHash, hashOf, letWait, loseOrder, type Order, orderOf, waitsAt, waitsNoMore } from "../turn/team-order.ts";
import type { Team } from "../turn/groups.ts";
import type { Turn } from "../turn/turn.ts";
import { settingsIn } from "./teams.ts";

/** So much may wait for a place before it. */
const WAITING_AT_MOST = 512;
/** A relay knows a repeat for a day, and what is older it may store once more, at another place: ours is not sure any more then. Milliseconds. */
const SURE_MS = 12 * 3_600_000;

type Said = NonNullable<Header["seen"]>;

/** What came to all members, or stands there for it, has a place. */
export async function place(turn: Turn, team: Team, delivery: Delivery): Promise<void> {
  const order = await openOrder(turn, team, delivery.epoch);
  if (order === undefined) return;
  const { pos, from: sender, message_id: messageId, message, sha256: digest, kind } = delivery;
  if (pos === undefined) return unplaced(turn, team, order);
  const said = kind === "stub" ? (digest ?? "") : message;
  const bytes = isBase64(said) ? fromBase64(said) : new Uint8Array();
  await arrive(turn, team, order, {
    pos,
    sender,
    messageId,
    digest: kind === "stub" ? bytes : await sha256(bytes),
  });
}

/** A message of ours has left: one place more will be ours. */
export async function placeToCome(turn: Turn, team: Team): Promise<void> {
  const order = await openOrder(turn, team, team.record.epoch);
  if (order === undefined) return;
  order.record.open += 1;
  order.changed = true;
}

/** The relay has said where a message of ours stands. */
export async function placeOwn(turn: Turn, team: Team, wire: WireRecord, pos: number | undefined): Promise<void> {
  const order = await openOrder(turn, team, wire.epoch);
  if (order === undefined) return;
  if (pos === undefined) return unplaced(turn, team, order);
  const { message, message_id: messageId } = JSON.parse(wire.frame) as { message: string; message_id: string };
  settleOne(turn, order, wire);
  const sender = turn.account.identity.username;
  await arrive(turn, team, order, { pos, sender, messageId, digest: await sha256(fromBase64(message)), isOwn: true });
}

/** Messages of ours were refused, from a counter on: they have no places. To be asked before they are withdrawn. */
export async function placesWithdrawn(turn: Turn, team: Team, from: number): Promise<void> {
  const prefix = `sent/${team.record.id}/`;
  for (const [, seq] of await turn.tx.list({ prefix, after: prefix + pad(from - 1) })) {
    const wire = await get(turn.tx, "wire/", pad(Number(seq)));
    const order = wire === undefined ? undefined : await openOrder(turn, team, wire.epoch);
    if (wire === undefined || order === undefined) continue;
    settleOne(turn, order, wire);
    await judge(turn, team, order);
  }
}

function settleOne({ now }: Turn, order: Order, { at = 0 }: WireRecord): void {
  if (Math.abs(now - at) < SURE_MS) order.record.open = Math.max(0, order.record.open - 1);
  order.changed = true;
}

/** Something of an epoch was left alone: of its order nothing can be said any more. */
export async function forgetPlaces(turn: Turn, team: Team, epoch: number | undefined): Promise<void> {
  const order = await openOrder(turn, team, epoch);
  if (order !== undefined) await loseOrder(turn, order);
}

/** What we say of how far we have seen; of the epoch before, as long as nothing was said in the present one. */
export async function seenBy(turn: Turn, team: Team): Promise<Said | undefined> {
  for (const epoch of [team.record.epoch, team.record.epoch - 1]) {
    const order = await orderOf(turn, team, epoch);
    if (order === undefined || order.record.lost === true) return undefined;
    if (order.record.pos === 0) continue;
    const hash = await hashOf(turn, order, order.record.pos);
    return hash && { epoch, pos: order.record.pos, hash: toBase64(hash.slice(0, SEEN_BYTES)) };
  }
  return undefined;
}

/** What another member says of that. */
export async function hearSeen(turn: Turn, team: Team, name: string, seen: Said | undefined): Promise<void> {
  const order = await openOrder(turn, team, seen?.epoch);
  if (order === undefined || seen === undefined) return;
  const claim = { name, pos: seen.pos, hash: seen.hash };
  if (seen.pos <= order.record.pos) return compare(turn, team, order, claim);
  if (seen.pos <= (order.record.claim?.pos ?? 0)) return;
  order.record.claim = claim;
  order.changed = true;
  await judge(turn, team, order);
}

async function openOrder(turn: Turn, team: Team, epoch: number | undefined): Promise<Order | undefined> {
  const { state } = team.record;
  if (epoch === undefined || (state !== "open" && state !== "founding")) return undefined;
  const order = await orderOf(turn, team, epoch);
  return order?.record.lost === true ? undefined : order;
}

/** A message in its place; what has waited for it follows. */
async function arrive(turn: Turn, team: Team, order: Order, placed: Placed & { isOwn?: true }): Promise<void> {
  const { record } = order;
  const { pos } = placed;
  if (pos <= record.pos) return again(turn, team, order, placed);
  if (pos > record.pos + 1) {
    const before = await waitsAt(turn, order, pos);
    if (before === undefined) await letWait(turn, order, placed, placed.isOwn === true);
    else if (before.messageId !== placed.messageId || !equal(before.digest, placed.digest)) return twoAt(turn, team);
    return judge(turn, team, order);
  }
  for (let next: Placed | undefined = placed; next !== undefined;) {
    const before = await hashOf(turn, order, record.pos);
    if (before === undefined) return loseOrder(turn, order);
    await addHash(turn, order, await hashAt(before, next));
    next =
      record.waits === undefined && record.own === undefined ? undefined : await waitsAt(turn, order, record.pos + 1);
    if (next !== undefined) await waitsNoMore(turn, order, next.pos);
  }
  return judge(turn, team, order);
}

/** Something at a place that is known: the relay repeats it, or has given the place to two. */
async function again(turn: Turn, team: Team, order: Order, placed: Placed): Promise<void> {
  const [before, known] = [await hashOf(turn, order, placed.pos - 1), await hashOf(turn, order, placed.pos)];
  if (before === undefined || known === undefined) return;
  if (!equal(await hashAt(before, placed), known)) await twoAt(turn, team);
}

/** How many more places are missing up to one that has come here, or to another member before what that says, than can be ours. */
function withheld({ pos, open, waits = 0, own = [] }: OrderRecord, upTo: number): number {
  return upTo - pos - waits - own.filter((place) => place <= upTo).length - open;
}

/** Whether something is withheld, and what a member has seen, as soon as that can be told. */
async function judge(turn: Turn, team: Team, order: Order): Promise<void> {
  const { record } = order;
  const { pos, waits = 0, last = pos, own = [], claim } = record;
  const isHole = withheld(record, last) > 0;
  if (isHole || waits + own.length > WAITING_AT_MOST) {
    await loseOrder(turn, order);
    if (!isHole) return;
    return turn.alert(
      "withheld",
      undefined,
      `the relay keeps back messages of the group @${nameOf(turn, team)}: there is a hole in their order; what is missing is asked for at its senders`,
    );
  }
  if (claim === undefined) return;
  if (claim.pos <= pos) return compare(turn, team, order, claim);
  if (claim.pos <= last || withheld(record, claim.pos) <= 0) return;
  delete record.claim;
  order.changed = true;
  await turn.alert(
    "withheld",
    claim.name,
    `${claim.name} has seen messages in the group @${nameOf(turn, team)} that this agent was not given: the relay keeps them back, or ${claim.name} does not tell the truth`,
  );
}

async function compare(turn: Turn, team: Team, order: Order, claim: { name: string } & Omit<Said, "epoch">) {
  if (order.record.claim !== undefined && order.record.claim.pos <= order.record.pos) {
    delete order.record.claim;
    order.changed = true;
  }
  const known = await hashOf(turn, order, claim.pos);
  if (known === undefined || isSameSeen(known, fromBase64(claim.hash))) return;
  await turn.alert(
    "relay_equivocates",
    claim.name,
    `the relay has shown ${claim.name} other messages, or another order, in the group @${nameOf(turn, team)} than this agent; or ${claim.name} does not tell the truth`,
  );
}

function twoAt(turn: Turn, team: Team): Promise<void> {
  return turn.alert(
    "relay_equivocates",
    undefined,
    `the relay has given two messages one place in the group @${nameOf(turn, team)}; harmless if it was restored from a backup, else the relay lies`,
  );
}

async function unplaced(turn: Turn, team: Team, order: Order): Promise<void> {
  await loseOrder(turn, order);
  await turn.alert(
    "relay_mismatch",
    undefined,
    `the relay has given a message in the group @${nameOf(turn, team)} no place in its order`,
  );
}

function nameOf(turn: Turn, team: Team): string {
  return settingsIn(turn, team).name;
}
