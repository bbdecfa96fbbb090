/** The end of a group of many here: what waits for it ends, and its secrets go. */
import type { Group } from "../crypto/mls/seam.ts";
import { lengthPrefixed, toBase64 } from "../protocol/index.ts";
import { deleteState } from "../records/group-state.ts";
import { hasLeft } from "../records/outbox-records.ts";
import { directAddress, teamAddress } from "../records/addresses.ts";
import { forgetHeld } from "../records/team-held.ts";
import { find, get, pad, put, remove, rowsUnder } from "../records/records.ts";
import type { TeamGroupRecord } from "../records/team-records.ts";
import { deleteRow, sentIn, settle, unlink } from "../turn/outbox-rows.ts";
import { dropOrders } from "../turn/team-order.ts";
import type { Team } from "../turn/groups.ts";
import type { Turn } from "../turn/turn.ts";
import { addOp, signWord } from "./team-ops.ts";
import { healKey } from "./team-healing.ts";
import { forgetPins } from "./team-pins.ts";
import { endSent } from "./team-outcomes.ts";

/** We are no member any more, whether or not the state of the group is still there. */
export async function retire(turn: Turn, record: TeamGroupRecord): Promise<void> {
  for await (const [, seq] of sentIn(turn, record.id)) await endSent(turn, Number(seq));
  const row = await find(turn.tx, "team/", record.key);
  // Where another group serves the team by now, that goes on.
  if (row?.group === record.id) {
    const { alias: _alias, ...rest } = row;
    await put(turn.tx, "team/", record.key, { ...rest, state: "over", over_at: turn.now });
    await endWaitingFor(turn, record.key);
  }
  await forgetTeamGroup(turn, record);
}

/** A group that the relay has not admitted leaves nothing behind. */
export async function undoFounding(turn: Turn, team: Team): Promise<void> {
  const { record } = team;
  turn.cache.groups.delete(record.id);
  await dropOrders(turn, team);
  await remove(turn.tx, "team-group/", record.id);
  // What waits for a team that was to be founded anew still waits for it.
  if ((await get(turn.tx, "team/", record.key))?.group === record.id) {
    await endWaitingFor(turn, record.key);
    await remove(turn.tx, "team/", record.key);
  }
  await deleteState(turn.tx, record.id);
}

/** Nobody goes on in a group that another one has replaced: we leave it without a word to its owner. */
export async function leaveReplaced(turn: Turn, record: TeamGroupRecord, group: Group | undefined): Promise<void> {
  await leaveSilently(turn, record.id, group);
  await forgetTeamGroup(turn, record);
}

/** Has a group take no room at the relay. Its state goes, so the word to leave is signed now. */
export async function leaveSilently(turn: Turn, id: string, group: Group | undefined): Promise<void> {
  const statement = group === undefined ? [] : await signWord(turn, "leave", group);
  return addOp(turn, {
    kind: "leave",
    key: "",
    group: id,
    names: [],
    statement: toBase64(lengthPrefixed(...statement)),
  });
}

/** What has not left goes nowhere any more: neither to this team, nor to another one that might have its key later. */
async function endWaitingFor(turn: Turn, key: string): Promise<void> {
  for (const [prefix, isDirect] of [
    [`queue/${teamAddress(key)}/`, false],
    [`queue/${directAddress(key, "")}`, true],
  ] as const)
    for await (const [at] of rowsUnder(turn.tx, prefix)) {
      const row = await get(turn.tx, "out/", at.slice(at.lastIndexOf("/") + 1));
      if (row === undefined) await turn.tx.delete(at);
      else if (isDirect) await deleteRow(turn, row);
      // All may have what has left: the relay says what became of it.
      else if ((await turn.tx.get(`wire/${pad(row.seq)}`)) === undefined) {
        await unlink(turn, row);
        await settle(turn, row, { state: "refused", reason: "not_a_member", provisional: hasLeft(row) });
      }
    }
  for await (const [at] of rowsUnder(turn.tx, `owed/${directAddress(key, "")}`)) await turn.tx.delete(at);
}

/** Deletes the secrets of a group, and keeps by what it is known again. */
async function forgetTeamGroup(turn: Turn, record: TeamGroupRecord): Promise<void> {
  const { heals_at: due, direct_before: _secret, ...known } = record;
  const { id, key } = record;
  turn.cache.groups.delete(id);
  if ((await find(turn.tx, "team/", key))?.group === id) {
    await forgetPins(turn, key);
    await forgetHeld(turn.tx, key);
  }
  await turn.removeCommit(id);
  await deleteState(turn.tx, id);
  await dropOrders(turn, { record, orders: new Map() });
  if (due !== undefined) await turn.tx.delete(healKey(due, id));
  // Whoever takes us in again sees us as new.
  for await (const [at] of rowsUnder(turn.tx, `team-member/${id}/`)) await turn.tx.delete(at);
  await put(turn.tx, "team-group/", id, { ...known, state: "closed", closed_at: turn.now });
}
