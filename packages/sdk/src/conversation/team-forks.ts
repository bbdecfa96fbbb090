/**
 * A team that the relay has split goes on in two halves that share no keys, which looks like silence. So two members say to each other, in their own
 * conversation, how each of their teams began its epoch. [P-15.12]
 */
import { isSameSeen, SEEN_BYTES } from "../crypto/team/transcript.ts";
import { fromBase64, toBase64 } from "../protocol/index.ts";
import { get, parse } from "../records/records.ts";
import type { TeamRecord } from "../records/team-records.ts";
import { startOf } from "../turn/team-order.ts";
import type { Turn } from "../turn/turn.ts";
import { type Receipt, TEAMS } from "./receipt.ts";

type Said = NonNullable<Receipt["teams"]>[number];

/** What a receipt to a contact says of the teams that both are in, as far as that contact was not told; some of them at a time. */
export async function teamsFor(turn: Turn, name: string): Promise<Said[]> {
  const { told, entered } = turn.cache.forks;
  const before = told.get(name);
  if (before?.all === entered) return [];
  const rows = await turn.tx.list({ prefix: "team/", after: before?.after, limit: TEAMS });
  const said: Said[] = [];
  for (const [key, value] of rows) {
    const { state, members, group } = parse(key, value) as TeamRecord;
    if (state !== "active" || !members.includes(name)) continue;
    const record = turn.cache.teams.get(group)?.record ?? (await get(turn.tx, "team-group/", group));
    const start = record === undefined ? undefined : await startOf(turn.tx, group, record.epoch);
    if (record === undefined || start === undefined) continue;
    said.push({ group, epoch: record.epoch, start: toBase64(start.slice(0, SEEN_BYTES)) });
  }
  // What changes while they are gone through is said the next time.
  const from = before?.from ?? entered;
  told.set(name, rows.length < TEAMS ? { all: from } : { after: rows.at(-1)?.[0], from });
  return said;
}

/** What a contact says of them. What it says of others counts for nothing. */
export async function hearTeams(turn: Turn, name: string, said: readonly Said[]): Promise<void> {
  for (const { group, epoch, start } of said) {
    const known = await startOf(turn.tx, group, epoch);
    if (known === undefined || isSameSeen(known, fromBase64(start))) continue;
    const record = await get(turn.tx, "team-group/", group);
    const team = record === undefined ? undefined : await get(turn.tx, "team/", record.key);
    if (team?.members.includes(name) !== true) continue;
    await turn.alert(
      "relay_fork",
      name,
      `the relay has split the group @${team.name}: ${name} is in another half of it, and hears nothing of this one; harmless if it was restored from a backup, else the relay lies, or ${name} does`,
    );
  }
}
