/** The relay's answers to what was sent. */
import { frameId } from "../crypto/content.ts";
import type { RelayFrameData, WireReason } from "../protocol/index.ts";
import { applyAdmitted } from "../conversation/commits.ts";
import { waitForEpoch } from "../conversation/awaiting.ts";
import { isTemporary, type Refusal } from "../wire/connection.ts";
import { refuseWithoutKey } from "../trust/contacts.ts";
import { closeConversation, forget } from "../conversation/conversations.ts";
import { underAnotherId } from "../conversation/resend.ts";
import type { Answered, Flight } from "./flight.ts";
import { rowById } from "../records/outbox-records.ts";
import { settle, unlink } from "../turn/outbox-rows.ts";
import { queuedRows } from "./queue.ts";
import { isForRoom, mayBeTaken } from "./refusals.ts";
import { free, withdraw } from "./sending.ts";
import { isOfTeam, refusedInTeam, storedInTeam } from "./team-answers.ts";
import { unuse } from "./packages.ts";
import { applyChangeAnswer, pauseOfCommit } from "./team-commit-answers.ts";
import { get, pad, remove } from "../records/records.ts";
import type { CommitRecord } from "../records/group-records.ts";
import type { OutboxRecord } from "../records/tables.ts";
import { groupOf, pairOf, type Pair } from "../turn/groups.ts";
import type { Turn } from "../turn/turn.ts";

const RETRY_MS = 1_000;
const BUSY_LAST_MS = 2_000;

/** Applies the relay's answers to what was sent. */
export async function applyAnswers(turn: Turn, flight: Flight): Promise<void> {
  for (const { group, commitId, answer } of flight.commitAnswers.splice(0))
    await turn.on(`${turn.cache.commits.get(group)?.kind === "team" ? "team-group" : "group"}/${group}`, async () => {
      if ("refusal" in answer) unuse(flight, group);
      const commit = turn.cache.commits.get(group);
      if (commit?.kind === "team" && commit.commit_id === commitId)
        await applyChangeAnswer(turn, flight, commit, answer);
      else if (commit !== undefined && commit.commit_id === commitId && !("brought" in answer))
        await applyCommitAnswer(turn, flight, commit, answer);
      // Its conversation may have been closed, or its epoch lost, meanwhile.
      else await forgetClosed(turn, flight, group);
    });
  // There are no more than the window has; but each may name hundreds of members of a group that get nothing. What is left then comes first in the next turn.
  for (let named = 0; flight.sendAnswers.length > 0 && (named === 0 || turn.mayGoOn());) {
    const [sent] = flight.sendAnswers.splice(0, 1);
    if (sent === undefined) return;
    named += "ok" in sent.answer ? (sent.answer.ok.lapsed ?? []).length : 0;
    await turn.on(`out/${pad(sent.seq)}`, () => applySendAnswer(turn, flight, sent));
  }
}

/** No answer comes any more for what travelled in a conversation that is closed. */
async function forgetClosed(turn: Turn, flight: Flight, group: string): Promise<void> {
  if ((await groupOf(turn, group)) === undefined) flight.forget(group);
}

async function applySendAnswer(
  turn: Turn,
  flight: Flight,
  { seq, group, answer }: Flight["sendAnswers"][0],
): Promise<void> {
  const sent = flight.landed(seq, group);
  if ("ok" in answer && sent !== undefined) flight.succeeded(sent);
  const row = await get(turn.tx, "out/", pad(seq));
  // Meanwhile it may be encrypted in another conversation, or the other side has asked for it again: then it waits under
  // another frame id.
  if (row === undefined || row.state !== "queued" || (row.group !== undefined && row.group !== group)) return;
  const answered = "ok" in answer ? answer.ok.message_id : answer.refusal.message_id;
  if (answered !== undefined && answered !== frameId(row.id, row.attempt)) return;
  if (isOfTeam(row)) {
    if ("ok" in answer) await storedInTeam(turn, row, answer.ok);
    else await refusedInTeam(turn, flight, row, answer.refusal);
  } else if ("ok" in answer) await stored(turn, row, answer.ok.status === "delivered");
  else await refusedSend(turn, flight, row, answer.refusal);
}

async function stored(turn: Turn, row: OutboxRecord, delivered: boolean): Promise<void> {
  await settle(turn, { ...row, delivered }, { state: "stored" });
}

async function refusedSend(turn: Turn, flight: Flight, row: OutboxRecord, refusal: Refusal): Promise<void> {
  const wire = await get(turn.tx, "wire/", pad(row.seq));
  const conversation = wire === undefined ? undefined : await pairOf(turn, wire.group);
  if (wire !== undefined) flight.blocked.add(wire.group);
  if (refusal.reason === "send_blocked" || mayBeTaken(row, refusal)) {
    // The same bytes can be taken another time, and so can those behind it: no keys are spent on waiting.
    if (wire !== undefined) flight.repeat(wire.group, row.seq);
  } else if (conversation !== undefined && wire !== undefined) {
    await withdraw(turn, conversation, wire.counter);
    free(conversation, wire.counter);
  }
  const { record } = conversation ?? {};
  switch (refusal.reason as WireReason) {
    case "send_blocked":
      return;
    case "message_id_reused":
      return underAnotherId(turn, row, "message_id_reused");
    case "stale_epoch":
      if (conversation === undefined || record === undefined || wire === undefined) return;
      return waitForEpoch(turn, record, wire.epoch + 1);
    case "device_replaced":
    case "not_a_member":
      if (conversation !== undefined) await closeConversation(turn, conversation);
      return;
    case "encryption_required":
      await refusedAsToken(turn, flight, row);
      return;
    case "rate_limited":
      flight.pausedUntil = turn.ticks + (refusal.retry_after_ms ?? RETRY_MS);
      return;
    default:
      if (mayBeTaken(row, refusal)) waitFor(turn, flight, row.to, refusal);
      else
        await settle(turn, row, {
          state: refusal.reason === "expired" ? "expired" : "refused",
          reason: refusal.reason,
          provisional: true,
        });
  }
}

/** Tries again later. A recipient that is busy is reading: whoever waits for longer leaves the room to those who do not. */
function waitFor(turn: Turn, flight: Flight, contact: string, { reason, retry_after_ms: least }: Refusal): void {
  flight.backOff(contact, turn.ticks, least, reason === "recipient_busy" ? BUSY_LAST_MS : undefined);
}

/** A pinned contact without a key is a changed one; any other is refused. */
async function refusedAsToken(turn: Turn, flight: Flight, row: OutboxRecord): Promise<void> {
  const known = await refuseWithoutKey(turn, row.to);
  if (row.kind === "receipt") flight.backOff(row.to, turn.ticks);
  else if (known) await settle(turn, row, { state: "failed", reason: "identity_changed", provisional: true });
  else await settle(turn, row, { state: "refused", reason: "encryption_required", provisional: true });
}

/** Sends the commits again that were refused for a while, once that is over. */
export async function repeatCommits(turn: Turn, flight: Flight): Promise<void> {
  for (const group of flight.commitsToRepeat) {
    const contact = (await pairOf(turn, group))?.record.contact;
    if (flight.isPaused(contact ?? pauseOfCommit(group), turn.ticks)) continue;
    flight.commitsToRepeat.delete(group);
    if (!turn.cache.commits.has(group)) {
      await forgetClosed(turn, flight, group);
      continue;
    }
    turn.after.push(() => flight.postCommit(group));
  }
}

async function applyCommitAnswer(
  turn: Turn,
  flight: Flight,
  commit: CommitRecord,
  answer: Answered<RelayFrameData<"ack">>,
): Promise<void> {
  const conversation = await pairOf(turn, commit.group);
  if ("ok" in answer) {
    if (commit.kind === "update") {
      await turn.saveCommit({ ...commit, high_water: answer.ok.high_water ?? turn.position });
      return applyAdmitted(turn, turn.position + 1);
    }
    await turn.removeCommit(commit.group);
    if (conversation !== undefined) {
      conversation.record.state = "open";
      conversation.dirty = true;
    }
    for (const seq of commit.rows) {
      flight.landed(seq, commit.group);
      const row = await get(turn.tx, "out/", pad(seq));
      // One that waits again since its notice came is not in it any more.
      if (row?.state === "queued" && row.group === commit.group) await stored(turn, row, answer.ok.delivered ?? false);
    }
    return;
  }
  const { refusal } = answer;
  // A commit that finds no room in the mailbox loses nothing by waiting.
  if (isTemporary(refusal) || (commit.kind === "update" && isForRoom(refusal))) {
    if (conversation !== undefined) waitFor(turn, flight, conversation.record.contact, refusal);
    flight.commitsToRepeat.add(commit.group);
    return;
  }
  if (commit.kind === "update") {
    // The winner is on its way to us; whatever else it was, a new conversation mends it.
    if (refusal.reason === "epoch_taken") {
      await turn.removeCommit(commit.group);
      if (conversation === undefined || conversation.record.lost_commit?.epoch === commit.epoch) return;
      conversation.record.lost_commit = { epoch: commit.epoch };
      conversation.dirty = true;
    } else if (conversation !== undefined) await closeConversation(turn, conversation);
    return;
  }
  await undoOpening(turn, flight, { commit, conversation, refusal });
}

/** What travelled in an opening; where nothing had room in it, what it was made for. */
async function inside(
  turn: Turn,
  flight: Flight,
  commit: CommitRecord,
  conversation: Pair | undefined,
): Promise<OutboxRecord[]> {
  if (commit.rows.length === 0)
    return conversation === undefined ? [] : queuedRows(turn, flight, conversation.record.contact, 1);
  const rows: OutboxRecord[] = [];
  for (const seq of commit.rows) {
    const row = await get(turn.tx, "out/", pad(seq));
    if (row?.state === "queued" && row.group === commit.group) rows.push(row);
  }
  return rows;
}

/** By the relay's clock one of these has run out of time: if it does not say which, the first that does. */
async function expireFirst(turn: Turn, rows: OutboxRecord[]): Promise<void> {
  const [first] = rows
    .filter(({ expires_at }) => expires_at !== undefined)
    .toSorted((a, b) => (a.expires_at ?? 0) - (b.expires_at ?? 0));
  if (first !== undefined) await settle(turn, first, { state: "expired", reason: "expired", provisional: true });
}

interface Refused {
  commit: CommitRecord;
  conversation: Pair | undefined;
  refusal: Refusal;
}

/** The relay did not admit the opening: nobody has seen it. */
async function undoOpening(turn: Turn, flight: Flight, { commit, conversation, refusal }: Refused): Promise<void> {
  await turn.removeCommit(commit.group);
  if (conversation !== undefined) await forget(turn, conversation);
  for (const seq of commit.rows) {
    flight.landed(seq, commit.group);
    const row = await get(turn.tx, "out/", pad(seq));
    // In the conversation that the other side has opened meanwhile it may be encrypted already.
    if (row?.group !== commit.group) continue;
    await remove(turn.tx, "wire/", pad(seq));
    await unlink(turn, row);
  }
  const retry: WireReason[] = ["device_replaced", "group_exists", "not_a_member", "message_too_large"];
  const culprit = refusal.message_id === undefined ? undefined : await rowById(turn.tx, refusal.message_id);
  if (refusal.reason === "expired")
    await expireFirst(turn, culprit === undefined ? await inside(turn, flight, commit, conversation) : [culprit]);
  else if (refusal.reason === "message_id_reused")
    // It does not say which.
    for (const row of await inside(turn, flight, commit, conversation))
      await underAnotherId(turn, row, "message_id_reused");
  else if (refusal.reason === "encryption_required" && conversation !== undefined)
    await refuseWithoutKey(turn, conversation.record.contact);
  else if (!retry.includes(refusal.reason as WireReason))
    for (const row of await inside(turn, flight, commit, conversation))
      if (mayBeTaken(row, refusal)) continue;
      else await settle(turn, row, { state: "refused", reason: refusal.reason, provisional: true });
  if (conversation !== undefined) waitFor(turn, flight, conversation.record.contact, refusal);
}
