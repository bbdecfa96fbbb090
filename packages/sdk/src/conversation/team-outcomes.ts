/** What became of a message to a team at each of those whom it was for, and what that makes of the whole. */
import { get, pad, put } from "../records/records.ts";
import type { OutboxRecord } from "../records/tables.ts";
import type { ToRecord } from "../records/team-records.ts";
import { isRefusal } from "../records/outbox-records.ts";
import { sentIn, settle, unlink } from "../turn/outbox-rows.ts";
import { awaitsFetching, filesWithout } from "./team-files.ts";
import { type Team, teamMember } from "../turn/groups.ts";
import type { Turn } from "../turn/turn.ts";

/** Final states do not change, but for the relay's word, which the recipient's outweighs. */
const RANK = { missing: 0, expired: 1, received: 2, gone: 3, refused: 3, failed: 3, handled: 3 } as const;

/** Whether a message was for somebody: whoever came later asks for it in vain, and has no say on it. */
export async function isFor(turn: Turn, { group, recipients }: OutboxRecord, name: string): Promise<boolean> {
  if (group === undefined || recipients === undefined) return false;
  const roster = await get(turn.tx, "roster/", `${group}/${pad(recipients.epoch)}`);
  return roster?.names.includes(name) === true;
}

/** Writes down what became of a message at one of its recipients, and what that makes of the whole. */
export async function settleAt(turn: Turn, row: OutboxRecord, name: string, outcome: ToRecord): Promise<void> {
  if (row.recipients === undefined || !(await isFor(turn, row, name))) return;
  const at = `${pad(row.seq)}/${name}`;
  const known = await get(turn.tx, "to/", at);
  const before = known?.state ?? "missing";
  if (RANK[outcome.state] <= RANK[before]) return;
  await put(turn.tx, "to/", at, { ...outcome, ...(known?.files === undefined ? {} : { files: known.files }) });
  const now = isForNobody(outcome) ? await filesWithout(turn, row, name, outcome.reason ?? outcome.state) : row;
  const counts = { ...(now.recipients ?? row.recipients) };
  if (before === "expired") counts.expired -= 1;
  const had = before === "received";
  // Whoever has failed on it had it.
  const has = outcome.state !== "gone" && outcome.state !== "expired";
  counts.received += Number(has) - Number(had);
  if (outcome.state === "refused") counts.failed += 1;
  else if (outcome.state !== "received" && outcome.state !== "missing") counts[outcome.state] += 1;
  await settleAll(turn, { ...row, recipients: counts });
}

/** A message has expired, for all at once: at all of whom nothing is known it ends. */
export async function expireAtOthers(turn: Turn, row: OutboxRecord, outcome: ToRecord): Promise<void> {
  if (row.group === undefined || row.recipients === undefined) return;
  const { epoch, expired: before } = row.recipients;
  const roster = await get(turn.tx, "roster/", `${row.group}/${pad(epoch)}`);
  let expired = before;
  for (const name of roster?.names ?? []) {
    const at = `${pad(row.seq)}/${name}`;
    if (((await get(turn.tx, "to/", at))?.state ?? "missing") !== "missing") continue;
    await put(turn.tx, "to/", at, outcome);
    expired += 1;
  }
  if (expired > before) await settleAll(turn, { ...row, recipients: { ...row.recipients, expired } });
}

/** Whether a member never fetches files of a message: it does not want it, or could not read it. */
function isForNobody({ state, reason }: ToRecord): boolean {
  return isRefusal(reason) || (state === "failed" && reason === "undecryptable");
}

/** The state of a message to a team is that of whoever is furthest behind; as soon as the relay has it. */
export async function settleAll(turn: Turn, row: OutboxRecord): Promise<void> {
  if (row.recipients === undefined || row.state === "queued") return put(turn.tx, "out/", pad(row.seq), row);
  const { received, handled, failed, expired, gone } = row.recipients;
  // Who is no member any more is not waited for.
  const living = row.recipients.all - gone;
  if (handled + failed + expired === living) {
    // What the relay has dropped is sent again to whoever comes back.
    if (expired === 0 && !(await awaitsFetching(turn, row))) await unlink(turn, row);
    const failure = { state: "failed", reason: "partial", provisional: expired > 0 } as const;
    return settle(turn, row, handled === living && living > 0 ? { state: "handled" } : failure);
  }
  if (received === living && row.state === "stored") return settle(turn, row, { state: "received" });
  return put(turn.tx, "out/", pad(row.seq), row);
}

/** We are no member any more: of what we have sent nothing more will be heard. What waits is ended when it would leave. */
export async function endAllSent(turn: Turn, { record }: Pick<Team, "record">): Promise<void> {
  for await (const [, seq] of sentIn(turn, record.id)) await endSent(turn, Number(seq));
}

/** Of a message to a team that we are out of: nobody is waited for who has not said what became of it. */
export async function endSent(turn: Turn, seq: number): Promise<void> {
  const row = await get(turn.tx, "out/", pad(seq));
  if (row?.recipients === undefined || row.state === "queued") return;
  const roster = await get(turn.tx, "roster/", `${row.group}/${pad(row.recipients.epoch)}`);
  for (const name of roster?.names ?? []) {
    const now = await get(turn.tx, "out/", pad(seq));
    if (now !== undefined) await settleAt(turn, now, name, { state: "gone" });
  }
  await unlink(turn, row);
}

/** Somebody is no member any more: nobody waits for it. */
export async function goneFrom(turn: Turn, team: Team, name: string): Promise<void> {
  for await (const [, seq] of sentIn(turn, team.record.id)) {
    const row = await get(turn.tx, "out/", pad(Number(seq)));
    if (row === undefined) continue;
    await settleAt(turn, row, name, { state: "gone" });
    // Nor for its files, which whoever has handled it may not have fetched. (Where we are gone ourselves, the others may still fetch them.)
    const settled = row.files === undefined ? undefined : await get(turn.tx, "out/", pad(row.seq));
    if (settled !== undefined && (await isFor(turn, settled, name))) await filesWithout(turn, settled, name, "gone");
  }
  const member = await teamMember(turn, team, name);
  const lost = member.gaps?.length ?? 0;
  if (lost === 0) return;
  member.gaps = [];
  team.changed.add(name);
  await turn.alert("lost", name, `${lost} of its messages in a group never came, and ${name} is no member any more`);
}
