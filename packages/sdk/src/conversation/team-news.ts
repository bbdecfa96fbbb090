/** What is told of the changes of teams that were made: who made them, and what they are. */
import { decodeCommitData } from "../crypto/team/commit-data.ts";
import type { TeamMember } from "../crypto/team/roster.ts";
import type { TeamSettings } from "../crypto/team/settings.ts";
import { readStatement } from "../crypto/team/statements.ts";
import { get, nextSeq, pad, put } from "../records/records.ts";
import type { TeamNewsRecord } from "../records/team-records.ts";
import type { Team } from "../turn/groups.ts";
import type { Turn } from "../turn/turn.ts";
import { rosterIn, settingsIn } from "./teams.ts";

/** So many are known, for whoever looks a moment later. */
const KNOWN = 100;

/** A team as it was, by whom it was changed, and who of those that are gone wanted to go. */
export interface AsItWas {
  roster: TeamMember[];
  settings: TeamSettings;
  by: string | undefined;
  left: readonly string[];
}

/** Members' words in a commit by which they leave. */
export function leaversIn(authenticatedData: Uint8Array): string[] {
  const { statements = [] } = decodeCommitData(authenticatedData) ?? {};
  return statements.flatMap((bytes) => {
    const statement = readStatement(bytes);
    return statement?.kind === "leave" ? [statement.name] : [];
  });
}

/** Tells what a commit has changed, if its owner is in the team, and anything that one would notice. */
export async function tellChange(turn: Turn, team: Team, { roster, settings, by, left }: AsItWas): Promise<void> {
  const now = settingsIn(turn, team);
  const had = roster.map(({ name }) => name);
  const have = (await rosterIn(turn, team)).map(({ name }) => name);
  const gone = without(had, have);
  await tell(turn, team.record.key, {
    by,
    added: without(have, had),
    removed: without(gone, left),
    left: gone.filter((name) => left.includes(name)),
    promoted: without(now.admins, settings.admins),
    demoted: without(settings.admins, now.admins),
    ...(now.name === settings.name ? {} : { before: settings.name }),
  });
}

export async function tell(
  turn: Turn,
  key: string,
  { by, ...news }: Omit<TeamNewsRecord, "key" | "at" | "by"> & { by: string | undefined },
): Promise<void> {
  const isNews = Object.values(news).some((part) => part.length > 0);
  if (!isNews || (await get(turn.tx, "team/", key))?.state !== "active") return;
  const seq = await nextSeq(turn.tx, "team-news");
  await put(turn.tx, "team-news/", pad(seq), { key, at: turn.now, ...(by === undefined ? {} : { by }), ...news });
  await turn.tx.delete(`team-news/${pad(Math.max(0, seq - KNOWN))}`);
}

function without(names: readonly string[], others: readonly string[]): string[] {
  const known = new Set(others);
  return names.filter((name) => !known.has(name));
}
