/** What became of a message to a team at each of those whom it was for, and what that makes of the whole. */
import { get, pad, put } from "../records/records.ts";
import type { OutboxRecord } from "../records/tables.ts";
import type { ToRecord } from "../records/team-records.ts";
import { sentIn, settle, unlink } from "../turn/outbox-rows.ts";
import { type Team, teamMember } from "../turn/teams.ts";
import type { Turn } from "../turn/turn.ts";

const RANK = { missing: 0, received: 1, handled: 2, failed: 2, refused: 2, expired: 2, gone: 2 } as const;

/** Writes down what became of a message at one of its recipients, and what that makes of the whole. */
export async function settleAt(turn: Turn, row: OutboxRecord, name: string, outcome: ToRecord): Promise<void> {
  if (row.recipients === undefined) return;
  const at = `${pad(row.seq)}/${name}`;
  const before = await get(turn.tx, "to/", at);
  // Final states do not change.
  if (RANK[outcome.state] <= (before === undefined ? 0 : RANK[before.state])) return;
  await put(turn.tx, "to/", at, outcome);
  const counts = { ...row.recipients };
  const had = before !== undefined && before.state !== "missing";
  if (outcome.state === "gone") {
    counts.gone += 1;
    if (had) counts.received -= 1;
  } else {
    // Whoever has failed on it had it, but for whom it has never reached.
    if (!had && outcome.state !== "expired") counts.received += 1;
    if (outcome.state === "handled") counts.handled += 1;
    else if (outcome.state !== "received") counts.failed += 1;
  }
  await settleAll(turn, { ...row, recipients: counts });
}

/** Somebody is no member any more: nobody waits for it. */
export async function goneFrom(turn: Turn, team: Team, name: string): Promise<void> {
  for await (const [, seq] of sentIn(turn, team.record.id)) {
    const row = await get(turn.tx, "out/", pad(Number(seq)));
    if (row !== undefined) await settleAt(turn, row, name, { state: "gone" });
  }
  const member = await teamMember(turn, team, name);
  const lost = member.gaps?.length ?? 0;
  if (lost === 0) return;
  member.gaps = [];
  team.changed.add(name);
  await turn.alert("lost", name, `${lost} of its messages in a group never came, and ${name} is no member any more`);
}

/** The state of a message to a team is that of whoever is furthest behind. */
async function settleAll(turn: Turn, row: OutboxRecord): Promise<void> {
  if (row.recipients === undefined || row.state === "queued") return put(turn.tx, "out/", pad(row.seq), row);
  const { received, handled, failed, gone } = row.recipients;
  // Who is no member any more is not waited for.
  const living = row.recipients.all - gone;
  if (handled + failed === living) {
    await unlink(turn, row);
    return settle(
      turn,
      row,
      failed > 0 || living === 0 ? { state: "failed", reason: "partial" } : { state: "handled" },
    );
  }
  if (received === living && row.state === "stored") return settle(turn, row, { state: "received" });
  return put(turn.tx, "out/", pad(row.seq), row);
}
