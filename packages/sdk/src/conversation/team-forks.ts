/**
 * A team that the relay has split goes on in two halves that share no keys, which looks like silence. So two members say to each other, in their own
 * conversation, how each of their teams began its epoch. [P-15.12]
 */
import { isSameSeen, SEEN_BYTES } from "../crypto/team/transcript.ts";
import { fromBase64, toBase64 } from "../protocol/index.ts";
import { get, parse } from "../records/records.ts";
import type { TeamGroupRecord, TeamRecord } from "../records/team-records.ts";
import { startOf } from "../turn/team-order.ts";
import type { Turn } from "../turn/turn.ts";
import { type Receipt, TEAMS } from "./receipt.ts";

type Said = NonNullable<Receipt["teams"]>[number];

/** What a receipt to a contact says of the teams that both are in, as far as that contact was not told in this session; some of them at a time. */
export async function teamsFor(turn: Turn, name: string): Promise<Said[]> {
  const { told, entered } = turn.cache.forks;
  const state = told.get(name) ?? { next: Math.max(0, entered.length - TEAMS), after: "" };
  told.set(name, state);
  // First what is new, the latest of it to whom we talk for the first time; then, once, all the others.
  const groups = entered.slice(state.next, state.next + TEAMS);
  state.next += groups.length;
  const rows: TeamRecord[] = [];
  for (const group of new Set(groups)) {
    const record = await recordOf(turn, group);
    const row = record === undefined ? undefined : await get(turn.tx, "team/", record.key);
    if (row?.group === group) rows.push(row);
  }
  if (rows.length === 0 && state.after !== undefined) {
    const page = await turn.tx.list({ prefix: "team/", after: state.after || undefined, limit: TEAMS });
    rows.push(...page.map(([key, value]) => parse(key, value) as TeamRecord));
    state.after = page.length < TEAMS ? undefined : page.at(-1)?.[0];
  }
  const said: Said[] = [];
  for (const { state: standing, members, group } of rows) {
    if (standing !== "active" || !members.includes(name)) continue;
    const epoch = (await recordOf(turn, group))?.epoch;
    const start = epoch === undefined ? undefined : await startOf(turn.tx, group, epoch);
    if (epoch !== undefined && start !== undefined)
      said.push({ group, epoch, start: toBase64(start.slice(0, SEEN_BYTES)) });
  }
  return said;
}

async function recordOf(turn: Turn, group: string): Promise<TeamGroupRecord | undefined> {
  const known = turn.cache.groups.get(group);
  return known?.kind === "team" ? known.record : get(turn.tx, "team-group/", group);
}

/** What a contact says of them. What it says of others counts for nothing. */
export async function hearTeams(turn: Turn, name: string, said: readonly Said[]): Promise<void> {
  for (const { group, epoch, start } of said) {
    const known = await startOf(turn.tx, group, epoch);
    if (known === undefined || isSameSeen(known, fromBase64(start))) continue;
    const record = await recordOf(turn, group);
    const team = record === undefined ? undefined : await get(turn.tx, "team/", record.key);
    if (team?.members.includes(name) !== true) continue;
    await turn.alert(
      "relay_fork",
      name,
      `the relay has split the group @${team.name}: ${name} is in another half of it, and hears nothing of this one; harmless if it was restored from a backup, else the relay lies, or ${name} does`,
    );
  }
}
