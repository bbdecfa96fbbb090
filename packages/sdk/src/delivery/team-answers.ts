/** The relay's answers to what was sent to a team, or to one of its members. */
import type { RelayFrameData, WireReason } from "../protocol/index.ts";
import { endSent, settleAll, settleAtEach } from "../conversation/team-outcomes.ts";
import { placeOwn, placesWithdrawn } from "../conversation/team-order.ts";
import { endNumbered } from "../conversation/fillers.ts";
import { waitForEpoch } from "../conversation/awaiting.ts";
import { underAnotherId } from "../conversation/resend.ts";
import { retire } from "../conversation/team-end.ts";
import { lose } from "../conversation/team-stuck.ts";
import { readAddress } from "../records/addresses.ts";
import { find, get, pad, remove } from "../records/records.ts";
import type { OutboxRecord } from "../records/tables.ts";
import { deleteRow, settle } from "../turn/outbox-rows.ts";
import { teamOf } from "../turn/groups.ts";
import type { Turn } from "../turn/turn.ts";
import type { Refusal } from "../wire/connection.ts";
import { mayBeTaken } from "./refusals.ts";
import { withdraw } from "./sending.ts";
import { type Flight, laneOf } from "./flight.ts";

const RETRY_MS = 1_000;
/** Of a frame to one member: that one is not there at the moment. */
const IS_AWAY: ReadonlySet<WireReason> = new Set([
  "member_lapsed",
  "device_replaced",
  "not_a_member",
  "account_disabled",
]);

/** Whether a row is for a team, or for one of its members. */
export function isOfTeam({ to }: OutboxRecord): boolean {
  return readAddress(to).kind !== "pair";
}

export async function storedInTeam(turn: Turn, row: OutboxRecord, ack: RelayFrameData<"ack">): Promise<void> {
  // If it gets lost, whoever it is for asks for what it said.
  if (readAddress(row.to).kind === "direct") return deleteRow(turn, row);
  const wire = await get(turn.tx, "wire/", pad(row.seq));
  const team = wire === undefined ? undefined : await teamOf(turn, wire.group);
  if (wire !== undefined && team !== undefined) await placeOwn(turn, team, wire, ack.pos);
  const delivered = ack.status === "delivered";
  await settle(turn, { ...row, delivered }, { state: "stored" });
  // Receipts may have come before the answer.
  const stored = await get(turn.tx, "out/", pad(row.seq));
  if (stored !== undefined) await settleAll(turn, stored);
  // Whoever has lost the state of a group, and asks to be taken in again, hears of that later.
  if (!(await isStillIn(turn, row))) return endSent(turn, row.seq);
  const now = ack.lapsed === undefined ? undefined : await get(turn.tx, "out/", pad(row.seq));
  if (now !== undefined) await settleAtEach(turn, now, ack.lapsed ?? [], { state: "expired", reason: "lapsed" });
}

async function isStillIn(turn: Turn, { group = "" }: OutboxRecord): Promise<boolean> {
  const record = await find(turn.tx, "team-group/", group);
  return record !== undefined && record.state !== "closed";
}

export async function refusedInTeam(turn: Turn, flight: Flight, row: OutboxRecord, refusal: Refusal): Promise<void> {
  const wire = await get(turn.tx, "wire/", pad(row.seq));
  if (wire === undefined) return;
  const team = await teamOf(turn, wire.group);
  const isDirect = readAddress(row.to).kind === "direct";
  const lane = laneOf(wire);
  flight.blocked.add(lane);
  if (refusal.reason === "send_blocked" || mayBeTaken(row, refusal)) {
    flight.repeat(lane, row.seq);
    if (refusal.reason === "rate_limited") flight.pausedUntil = turn.ticks + (refusal.retry_after_ms ?? RETRY_MS);
    else if (refusal.reason !== "send_blocked") flight.backOff(row.to, turn.ticks, refusal.retry_after_ms);
    return;
  }
  if (isDirect || team === undefined) await remove(turn.tx, "wire/", pad(row.seq));
  else {
    await placesWithdrawn(turn, team, wire.counter);
    await withdraw(turn, team, wire.counter);
  }
  // Whoever it is for comes back, in a later epoch, or is let go by a commit that is on its way to us. What it says is said nowhere else.
  if (isDirect && IS_AWAY.has(refusal.reason as WireReason)) return flight.backOff(row.to, turn.ticks);
  switch (refusal.reason as WireReason) {
    case "message_id_reused":
      return underAnotherId(turn, row, refusal.reason);
    case "stale_epoch":
      if (team === undefined) return;
      waitForEpoch(turn, team.record, wire.epoch + 1);
      team.dirty = true;
      return;
    // It waits for the group that takes the place of this one.
    case "unknown_group":
      if (team === undefined) break;
      return lose(turn, team);
    case "not_a_member":
      if (team !== undefined && !isDirect) return retire(turn, team.record);
      break;
    default:
  }
  const state = refusal.reason === "expired" ? "expired" : "refused";
  await endNumbered(turn, row, { state, reason: refusal.reason, provisional: true });
}
