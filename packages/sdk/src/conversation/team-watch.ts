/**
 * How long an agent listens in vain where it is stuck: where no member takes it in again, an admin founds the team anew. [P-15.9]
 */
import { rankOf } from "../crypto/team/foundings.ts";
import { usernameKey } from "../protocol/index.ts";
import { get, put } from "../records/records.ts";
import { type Team, teamOf } from "../turn/groups.ts";
import { listened, listensAnew } from "../turn/listened.ts";
import type { Turn } from "../turn/turn.ts";
import { addLinkOp } from "./team-ops.ts";
import { lastKnown, rosterIn } from "./teams.ts";

/** An admin listens for so long in vain before it founds the team anew, and the next one in rank for so long more. Milliseconds. */
const IN_VAIN_MS = 120_000;
const NEXT_MS = 60_000;
/** Each founds a team anew this often at most. Milliseconds. */
const ANEW_MS = 3_600_000;
/** How long we have listened is written down from time to time: of that a process that is killed loses no more. Milliseconds. */
const STEP_MS = 10_000;
/** A mailbox from which nothing has come for so long has given all. Milliseconds. */
const QUIET_MS = 10_000;

/** How long we have listened since we are stuck, by group: milliseconds, as text. */
const STUCK = "stuck/";

/** From now on it is counted. */
export async function watch(turn: Turn, group: string): Promise<void> {
  await turn.tx.put(STUCK + group, "");
  turn.cache.stuckAt = 0;
}

/** We go on in it, or in another one. */
export async function unwatch(turn: Turn, group: string): Promise<void> {
  await turn.tx.delete(STUCK + group);
}

/** Whether all is processed that has waited for us. What has expired meanwhile never comes. */
export function hasReadAll(turn: Turn): boolean {
  const { arrived, begunAt } = turn.cache;
  return turn.isCurrent || turn.ticks - Math.max(arrived.at, begunAt) >= QUIET_MS;
}

/** Counts how long we listen in vain where we are stuck, and begins what an admin does then. */
export async function watchStuck(turn: Turn): Promise<void> {
  const { cache, ticks } = turn;
  if (ticks < cache.stuckAt) return;
  const rows = await turn.tx.list({ prefix: STUCK });
  const listens = hasReadAll(turn);
  cache.stuckAt = rows.length === 0 ? Infinity : ticks + STEP_MS;
  for (const [at, before] of rows)
    await turn.on(at, async () => {
      const id = at.slice(STUCK.length);
      const team = await teamOf(turn, id);
      if (team?.record.state !== "stuck") return unwatch(turn, id);
      // Where it has just begun, or there is still something to read, what was before does not count.
      if (before === "" || !listens) listensAnew(turn, at);
      const waited = listens ? listened(turn, at, Number(before)) : Number(before);
      await turn.tx.put(at, String(waited));
      const left = await untilAnew(turn, team, waited);
      if (left <= 0 && listens) await beginAnew(turn, team);
      else cache.stuckAt = Math.min(cache.stuckAt, ticks + Math.max(1, left));
    });
}

/** Milliseconds until we found a team anew; infinite if that is not up to us. */
async function untilAnew(turn: Turn, team: Team, waited: number): Promise<number> {
  const { settings, accused } = await lastKnown(turn, team);
  const admins = settings.admins.filter((admin) => !accused.has(admin));
  const rank = rankOf({ ...settings, admins }, ownName(turn));
  const row = await get(turn.tx, "team/", team.record.key);
  if (row?.group !== team.record.id || row.state !== "active") return Infinity;
  const last = row.founded_anew_at;
  const pause = last === undefined ? 0 : ANEW_MS - Math.abs(turn.relayNow - last);
  return Math.max(IN_VAIN_MS + rank * NEXT_MS - waited, pause);
}

async function beginAnew(turn: Turn, team: Team): Promise<void> {
  const { key, id, accused = [] } = team.record;
  const row = await get(turn.tx, "team/", key);
  if (row === undefined) return;
  const out = new Set([...accused, ownName(turn)]);
  const names = (await rosterIn(turn, team)).map(({ name }) => name).filter((name) => !out.has(name));
  await put(turn.tx, "team/", key, { ...row, founded_anew_at: turn.relayNow });
  if (names.length > 0) await addLinkOp(turn, { kind: "refound", key, group: id, names });
}

function ownName({ account }: Turn): string {
  return usernameKey(account.identity.username);
}
