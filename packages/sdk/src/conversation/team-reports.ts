/** Members' reports on what was sent to their team. */
import { readReceipt } from "./receipt.ts";
import { rowById } from "../records/outbox-records.ts";
import { teamAddress } from "../records/addresses.ts";
import { get, pad, put, rowsUnder } from "../records/records.ts";
import type { OutboxRecord } from "../records/tables.ts";
import type { ToRecord } from "../records/team-records.ts";
import { sentIn, settle, unlink } from "../turn/outbox-rows.ts";
import { type Team, teamMember } from "../turn/teams.ts";
import type { Turn } from "../turn/turn.ts";

/** Costs of a receipt that is none, and of a word in one that changes nothing. See `Waste`. */
const MALFORMED = 2;
const MISS = 0.02;

/** What a member says of messages that were sent to all. */
export async function applyTeamReceipt(turn: Turn, team: Team, from: string, body: Uint8Array): Promise<void> {
  const receipt = readReceipt(body);
  if (receipt === undefined) return turn.wasted(from, MALFORMED);
  const { id, key } = team.record;
  const upTo = receipt.received[id] ?? 0;
  const missing = new Set(receipt.missing.filter(({ group }) => group === id).map(({ counter }) => counter));
  if (upTo > 0) await confirm(turn, team, from, { upTo, missing });
  const tell = async (message: string, outcome: ToRecord): Promise<void> => {
    const row = await rowById(turn.tx, message);
    if (row === undefined || row.to !== teamAddress(key)) turn.wasted(from, MISS);
    else await settleAt(turn, row, from, outcome);
  };
  for (const message of receipt.handled) await tell(message, { state: "handled" });
  for (const { id: message, reason, expired } of receipt.failed)
    await tell(message, { state: expired === true ? "expired" : "failed", reason });
}

/** It has everything on disk that we sent up to a counter, but for what it misses. */
async function confirm(
  turn: Turn,
  team: Team,
  from: string,
  { upTo, missing }: { upTo: number; missing: Set<number> },
): Promise<void> {
  const member = await teamMember(turn, team, from);
  const before = member.confirmed ?? 0;
  const known = Math.min(upTo, team.record.send_counter);
  if (known <= before) return;
  const prefix = `sent/${team.record.id}/`;
  for await (const [key, seq] of rowsUnder(turn.tx, prefix, prefix + pad(before))) {
    const counter = Number(key.slice(prefix.length));
    if (counter > known) break;
    if (missing.has(counter)) continue;
    const row = await get(turn.tx, "out/", pad(Number(seq)));
    if (row !== undefined) await settleAt(turn, row, from, { state: "received" });
  }
  member.confirmed = known;
  team.changed.add(from);
}

const RANK = { received: 1, handled: 2, failed: 2, refused: 2, expired: 2, gone: 2 } as const;

/** Writes down what became of a message at one of its recipients, and what that makes of the whole. */
export async function settleAt(turn: Turn, row: OutboxRecord, name: string, outcome: ToRecord): Promise<void> {
  if (row.recipients === undefined) return;
  const at = `${pad(row.seq)}/${name}`;
  const before = await get(turn.tx, "to/", at);
  // Final states do not change.
  if (RANK[outcome.state] <= (before === undefined ? 0 : RANK[before.state])) return;
  await put(turn.tx, "to/", at, outcome);
  const counts = { ...row.recipients };
  if (outcome.state === "gone") {
    counts.gone += 1;
    if (before !== undefined) counts.received -= 1;
  } else {
    // Whoever has failed on it had it, but for whom it has never reached.
    if (before === undefined && outcome.state !== "expired") counts.received += 1;
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
