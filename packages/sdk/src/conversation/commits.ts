/** Commits: new keys for our own leaf (healing), and those of the other member. */
import { GroupError } from "../crypto/mls/seam.ts";
import { type ClientFrameInput, fromBase64, isBase64, randomId, toBase64 } from "../protocol/index.ts";
import { CATCH_UP_PATIENCE_MS, waitsInVain } from "./awaiting.ts";
import { closeConversation } from "./conversations.ts";
import { applyTeamCommit } from "./team-commits.ts";
import type { CommitRecord } from "../records/group-records.ts";
import { pairOf, pairsIn, type Pair } from "../turn/groups.ts";
import { listened, listensAnew } from "../turn/listened.ts";
import type { Turn } from "../turn/turn.ts";

/** Messages (sent and received) and time after which a device commits new keys of its own. */
const HEAL_MESSAGES = 100;
const HEAL_MS = 24 * 3_600_000;
/** However many messages pass meanwhile, the relay has so long to admit a commit. Milliseconds. */
const HEAL_PATIENCE_MS = 60_000;
/** After a refusal for a stale epoch, and all mail of before, the commit that the relay must have had comes within this time. Milliseconds. */
const STALE_PATIENCE_MS = 10_000;

/** Keeps a commit as it leaves behind the turn, so that a repeat is byte-identical. `post` sends it. */
export async function keepCommit(
  turn: Turn,
  post: (group: string) => void,
  {
    frame,
    ...given
  }: Pick<CommitRecord, "kind" | "op" | "large"> & { rows?: number[]; frame: ClientFrameInput<"commit"> },
): Promise<void> {
  const { group_id: group, commit_id, epoch } = frame;
  const kept = { rows: [], ...given, frame: JSON.stringify(frame) };
  await turn.saveCommit({ group, commit_id, epoch, created_at: turn.now, ...kept });
  turn.after.push(() => post(group));
}

/** A commit of the other member. @returns false if it closed the conversation. */
export async function acceptCommit(turn: Turn, conversation: Pair, epoch: number, message: string): Promise<boolean> {
  const { record } = conversation;
  const pending = turn.cache.commits.get(record.id);
  if (
    epoch < record.epoch ||
    (pending?.kind === "update" && pending.high_water !== undefined && pending.epoch === epoch)
  ) {
    await closeConversation(
      turn,
      conversation,
      "relay_fork",
      `a second commit for epoch ${epoch} came from ${record.contact}; harmless if the relay was restored from a backup, else the relay lies; a new conversation takes its place`,
    );
    return false;
  }
  try {
    const opened = await turn.crypto.decrypt(
      conversation.group,
      isBase64(message) ? fromBase64(message) : new Uint8Array(),
    );
    if (opened.kind !== "commit") throw new GroupError("not a commit");
    conversation.group = opened.group;
    turn.consumed.push(...opened.consumed);
  } catch (error) {
    if (!(error instanceof GroupError)) throw error;
    await closeConversation(
      turn,
      conversation,
      "bad_commit",
      `a commit from ${record.contact} is not valid: ${error.message}`,
    );
    return false;
  }
  // The winner is applied: ours for the same epoch lost.
  if (pending?.kind === "update") await turn.removeCommit(record.id);
  record.epoch = epoch + 1;
  conversation.dirty = true;
  return true;
}

/** Applies our own admitted commit, once our mailbox is processed up to where it stood when the commit was admitted. */
async function applyCommit(turn: Turn, group: string): Promise<void> {
  const conversation = await pairOf(turn, group);
  const next = await turn.tx.get(`next/${group}`);
  if (conversation !== undefined && next !== undefined) {
    conversation.group = turn.crypto.applyUpdate(conversation.group, next as Uint8Array);
    const { record } = conversation;
    record.epoch += 1;
    record.messages_since_commit = 0;
    record.committed_at = turn.now;
    conversation.dirty = true;
    turn.healed = true;
  }
  await turn.removeCommit(group);
}

/** The other side is in the epoch that our commit opens: it was admitted, though its answer has not reached us. */
export async function applyUnanswered(turn: Turn, { record }: Pair, epoch: number | undefined): Promise<void> {
  const pending = turn.cache.commits.get(record.id);
  if (pending?.kind === "update" && epoch === pending.epoch + 1 && record.epoch === pending.epoch)
    await applyCommit(turn, record.id);
}

/** Applies an admitted commit of a conversation of two, or of a team. */
export async function applyOwn(turn: Turn, commit: CommitRecord): Promise<void> {
  const { kind, group } = commit;
  if (kind === "team") await turn.on(`team-group/${group}`, () => applyTeamCommit(turn, commit));
  else await turn.on(`group/${group}`, () => applyCommit(turn, group));
}

/** Applies the admitted commits for which everything below `seq` of our mailbox has been processed. */
export async function applyAdmitted(turn: Turn, seq: number): Promise<void> {
  for (const commit of turn.cache.commits.values())
    if (commit.kind !== "open" && commit.high_water !== undefined && commit.high_water < seq)
      await applyOwn(turn, commit);
}

/** Makes the Update commits that are due in the conversations in use. Sent by the caller's `post`. */
export async function heal(turn: Turn, post: (group: string) => void): Promise<void> {
  for (const pair of pairsIn(turn.cache))
    if (pair.record.state === "open") await turn.on(`group/${pair.record.id}`, () => healOne(turn, pair, post));
}

/** How long we have listened, since it was due, while a commit of ours, or one in its place, has not begun the next epoch. */
function waitedFor(turn: Turn, conversation: Pair, commit = ""): number {
  const { record } = conversation;
  const at = `unhealed/${record.id}`;
  const before = record.unhealed?.commit === commit ? record.unhealed.waited : undefined;
  if (before === undefined) listensAnew(turn, at);
  const waited = listened(turn, at, before ?? 0);
  if (waited === before) return waited;
  record.unhealed = { commit, waited };
  conversation.dirty = true;
  return waited;
}

async function healOne(turn: Turn, conversation: Pair, post: (group: string) => void): Promise<void> {
  const { record } = conversation;
  if (waitsInVain(turn, conversation, STALE_PATIENCE_MS)) {
    // The relay knows no epoch that we know: it may have been restored from a backup.
    const { contact } = record;
    const text = `the relay takes nothing for ${contact} in this conversation any more`;
    await closeConversation(turn, conversation, "stale_epoch", text);
    return;
  }
  const messages = record.messages_since_commit;
  const age = turn.now - record.committed_at;
  const pending = turn.cache.commits.get(record.id);
  const lost = record.lost_commit?.epoch === record.epoch ? record.lost_commit : undefined;
  if (pending !== undefined || lost !== undefined) {
    const blocked = messages >= 2 * HEAL_MESSAGES || (record.committed_at > 0 && age >= 2 * HEAL_MS);
    const patience = pending?.high_water === undefined ? HEAL_PATIENCE_MS : CATCH_UP_PATIENCE_MS;
    const commit = lost === undefined ? pending?.commit_id : `after ${lost.epoch}`;
    // The relay has had every chance to admit it: what is sent on would be readable with stolen state.
    if (blocked && waitedFor(turn, conversation, commit) > patience)
      await closeConversation(
        turn,
        conversation,
        "healing_blocked",
        `new keys for ${record.contact} were not admitted for too long`,
      );
    return;
  }
  if ((messages < HEAL_MESSAGES && age < HEAL_MS) || !turn.mayGoOn()) return;
  const { pending: next, commit } = await turn.crypto.update(conversation.group);
  await turn.tx.put(`next/${record.id}`, next);
  const frame = {
    commit_id: randomId(),
    group_id: record.id,
    epoch: record.epoch,
    commit: toBase64(commit),
  };
  await keepCommit(turn, post, { kind: "update", frame });
}
