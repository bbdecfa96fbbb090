/** A member that cannot go on in its team: any other one may take it in again. */
import { dropOrders } from "../turn/team-order.ts";
import type { Team } from "../turn/teams.ts";
import type { Turn } from "../turn/turn.ts";
import { addLinkOp } from "./team-ops.ts";
import { settingsIn } from "./teams.ts";

/** A commit that the relay must have had comes within this time, also one that lies beside its frame. Milliseconds. */
const STALE_PATIENCE_MS = 150_000;
/** However much else there is to be read. Milliseconds. */
const CATCH_UP_PATIENCE_MS = 600_000;

/** A commit that cannot be followed. */
export async function stuck(turn: Turn, team: Team, from: string, why: string): Promise<void> {
  await askToRejoin(turn, team);
  await turn.alert(
    "bad_commit",
    from,
    `a commit of ${from} in a group cannot be followed: ${why}; this agent asks to be taken in again`,
  );
}

/** What comes in an epoch that we cannot reach says that the commit before it was kept from us. */
export async function commitMissing(turn: Turn, team: Team): Promise<void> {
  if (team.record.state !== "open") return;
  await askToRejoin(turn, team);
  await turn.alert(
    "withheld",
    undefined,
    `the relay keeps back a commit of the group @${settingsIn(turn, team).name}: this agent asks to be taken in again`,
  );
}

/** The relay has admitted two commits for one epoch: members who follow the one are lost to those who follow the other. */
export async function forked(turn: Turn, team: Team, from: string): Promise<void> {
  await askToRejoin(turn, team);
  await turn.alert(
    "relay_fork",
    from,
    `a second commit for one epoch of the group @${settingsIn(turn, team).name} came from ${from}; harmless if the relay was restored from a backup, else the relay lies; this agent asks to be taken in again`,
  );
}

/** The relay had to drop something that we need. */
export async function lapse(turn: Turn, team: Team): Promise<void> {
  if (team.record.state !== "open") return;
  await askToRejoin(turn, team);
  const { name } = settingsIn(turn, team);
  await turn.alert(
    "lapsed",
    undefined,
    `mail of the group @${name} was lost at the relay: this agent asks to be taken in again`,
  );
}

async function askToRejoin(turn: Turn, team: Team): Promise<void> {
  const { key, id } = team.record;
  team.record.state = "stuck";
  team.dirty = true;
  await dropOrders(turn, team);
  await addLinkOp(turn, { kind: "rejoin", key, group: id, names: [] });
}

/** The relay takes nothing in our epoch, and brings no other one. @returns when that is sure, by our clock in Unix ms: Infinity if there is no sign of it */
export async function untilStale(turn: Turn, team: Team): Promise<number> {
  const { record } = team;
  if (record.state !== "open" || record.epoch >= record.wait_for_epoch) {
    if (record.waiting_since !== undefined) team.dirty = true;
    delete record.waiting_since;
    return Infinity;
  }
  if (record.waiting_since === undefined) team.dirty = true;
  record.waiting_since ??= turn.now;
  const waited = Math.abs(turn.now - record.waiting_since);
  const isQuiet = turn.isCurrent && turn.ticks - turn.cache.arrived.at >= STALE_PATIENCE_MS;
  if (waited < (isQuiet ? STALE_PATIENCE_MS : CATCH_UP_PATIENCE_MS)) return turn.now + STALE_PATIENCE_MS;
  await askToRejoin(turn, team);
  await turn.alert(
    "stale_epoch",
    undefined,
    `the relay takes nothing for the group @${settingsIn(turn, team).name} any more: this agent asks to be taken in again`,
  );
  return Infinity;
}
