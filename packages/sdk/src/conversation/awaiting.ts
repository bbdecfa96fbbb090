/** The next epoch of a group, of two or of many, of which the relay has the commit and we have not. */
import type { GroupRecord } from "../records/group-records.ts";
import type { Pair, Team } from "../turn/groups.ts";
import { listened, listensAnew } from "../turn/listened.ts";
import type { Turn } from "../turn/turn.ts";

/** An admitted commit waits so long for the messages that the relay says come before it. Milliseconds. */
export const CATCH_UP_PATIENCE_MS = 600_000;

/** What of a group says whether its next epoch is awaited. */
type Awaiting = Pick<GroupRecord, "id" | "epoch" | "wait_for_epoch" | "waited" | "refused_at">;

/** Whether nothing is encrypted before the group has reached another epoch. */
export function isWaiting({ epoch, wait_for_epoch }: Pick<Awaiting, "epoch" | "wait_for_epoch">): boolean {
  return epoch < wait_for_epoch;
}

/** Whether any does, of those in memory. */
export function isAnyWaiting({ groups }: Turn["cache"]): boolean {
  return groups.values().some(({ record }) => isWaiting(record));
}

/** The relay takes nothing of a group before an epoch: the commit that begins it is on its way to us. */
export function waitForEpoch(turn: Turn, record: Awaiting, epoch: number): void {
  if (!isWaiting(record)) {
    delete record.waited;
    listensAnew(turn, record.id);
  }
  record.refused_at = turn.relayNow;
  record.wait_for_epoch = Math.max(record.wait_for_epoch, epoch);
}

/** Whether the commit that is awaited has not come, though all mail of before has, in so much time in which we listened. To be asked in each turn. */
export function waitsInVain(turn: Turn, group: Pair | Team, patience: number): boolean {
  const { record } = group;
  if (!isWaiting(record)) {
    listensAnew(turn, record.id);
    return false;
  }
  const before = record.waited ?? 0;
  const waited = listened(turn, record.id, before);
  if (waited > before) {
    record.waited = waited;
    group.dirty = true;
  }
  return waited >= patience && !isBehind(turn, record, { waited, patience });
}

/** Whether mail is still being read that the relay had before it refused an epoch: the commit that ended it may stand behind that. */
function isBehind(
  turn: Turn,
  { refused_at = 0 }: Awaiting,
  { waited, patience }: { waited: number; patience: number },
): boolean {
  if (waited >= CATCH_UP_PATIENCE_MS) return false;
  const { arrived } = turn.cache;
  return !turn.isCurrent || (turn.ticks - arrived.at < patience && arrived.storedAt <= refused_at);
}
