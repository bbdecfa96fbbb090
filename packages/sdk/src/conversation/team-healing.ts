/** When this agent gives itself new keys in its teams: whoever has stolen its state reads nothing that comes after. [P-15.11] */
import { nextHealing, slotLength } from "../crypto/team/slots.ts";
import { get, pad, rowsUnder } from "../records/records.ts";
import { type Team, teamOf } from "../turn/groups.ts";
import type { Turn } from "../turn/turn.ts";
import { addLinkOp } from "./team-ops.ts";
import { askToRejoin } from "./team-stuck.ts";
import { settingsIn } from "./teams.ts";

/** Whoever came by a key package that others may have used heals within this time. Milliseconds. */
const SOON_MS = 600_000;
/** After a commit so long nobody heals: it would only be in the way. */
const QUIET_MS = 30_000;
/** While our clock is not believed, it is looked so often whether it is. Milliseconds. */
const UNSURE_MS = 60_000;
/** The relay has so long to admit new keys of ours, while we listen, however late they are. Milliseconds. */
const PATIENCE_MS = 600_000;
/** What is looked at later than this after its time was slept through. Milliseconds. */
const LATE_MS = 60_000;

/** Plans the next time in place of the one that was planned. `soon`: there is reason for haste. */
export async function planHealing(turn: Turn, team: Team, soon = false): Promise<void> {
  const { record, group } = team;
  const width = turn.teams.width(group);
  const now = turn.relayNow;
  const [random = 0] = globalThis.crypto.getRandomValues(new Uint32Array(1));
  const part = random / 2 ** 32;
  const length = slotLength(width, record.healed !== true);
  record.healed_at = turn.now;
  delete record.wants_keys_at;
  const at = soon ? now + part * SOON_MS : nextHealing({ leaf: turn.teams.ownLeaf(group), width }, now, length, part);
  await plan(turn, team, Math.floor(turn.now + at - now));
}

async function plan(turn: Turn, team: Team, at: number): Promise<void> {
  const { record } = team;
  if (record.heals_at !== undefined) await turn.tx.delete(healKey(record.heals_at, record.id));
  record.heals_at = at;
  await turn.tx.put(healKey(at, record.id), "");
  turn.cache.healsAt = Math.min(turn.cache.healsAt, at);
  team.dirty = true;
}

/** Where stands when a group is due. */
export function healKey(at: number, group: string): string {
  return `heal/${pad(at)}/${group}`;
}

/** Begins the Updates whose time has come. */
export async function healTeams(turn: Turn): Promise<void> {
  if (turn.now < turn.cache.healsAt) return;
  // It is asked again whether the clock is believed by then.
  turn.cache.healsAt = turn.isTimeSure ? Infinity : turn.now + UNSURE_MS;
  if (!turn.isTimeSure) return;
  let count = 0;
  for await (const [key] of rowsUnder(turn.tx, "heal/")) {
    const [, at, id = ""] = key.split("/");
    if (Number(at) > turn.now || (count++ > 0 && !turn.mayGoOn())) {
      turn.cache.healsAt = Math.min(turn.cache.healsAt, Number(at));
      return;
    }
    await turn.tx.delete(key);
    await turn.on(`team-group/${id}`, () => healTeam(turn, id, Number(at)));
  }
}

async function healTeam(turn: Turn, id: string, at: number): Promise<void> {
  const team = await teamOf(turn, id);
  if (team === undefined || team.record.state !== "open") return;
  if (isBlocked(turn, team, at)) return giveUp(turn, team);
  const { key, entered_at: entered = 0 } = team.record;
  // Where its owner has not taken the invitation, we say nothing there.
  const isTaken = (await get(turn.tx, "team/", key))?.state === "active";
  const quiet = entered + QUIET_MS - turn.now;
  if (!isTaken || (quiet > 0 && quiet <= QUIET_MS)) return plan(turn, team, turn.now + QUIET_MS + Math.max(0, quiet));
  await addLinkOp(turn, { kind: "update", key, group: id, names: [] });
  team.record.wants_keys_at ??= turn.now;
  await plan(turn, team, Math.max(turn.now + PATIENCE_MS, twoRounds(turn, team)));
}

/** When two rounds are over without new keys of ours. */
function twoRounds(turn: Turn, { record, group }: Team): number {
  const width = turn.teams.width(group);
  return (record.healed_at ?? record.created_at) + 2 * width * slotLength(width, false);
}

/** Whether the relay admits no new keys of ours, which it had time for while we listened. */
function isBlocked(turn: Turn, team: Team, at: number): boolean {
  const { wants_keys_at: since } = team.record;
  if (since === undefined || turn.now < twoRounds(turn, team) || turn.now - at > LATE_MS) return false;
  return turn.now - since >= PATIENCE_MS;
}

/** What is sent on would be readable with a state that was stolen: we say nothing there, and are taken in anew with other keys. */
async function giveUp(turn: Turn, team: Team): Promise<void> {
  await askToRejoin(turn, team);
  await turn.alert(
    "healing_blocked",
    undefined,
    `new keys in the group @${settingsIn(turn, team).name} were not admitted for too long: this agent says nothing there, and asks to be taken in again`,
  );
}
