/** What of a member of a team shows that it is there: when something came of it last, and when it gave itself new keys. */
import { type Team, teamMember } from "../turn/groups.ts";
import type { Turn } from "../turn/turn.ts";

const DAY_MS = 86_400_000;

/** Something that a member has signed or encrypted has come. `renewed`: with new keys of its own. */
export async function heardFrom(turn: Turn, team: Team, name: string, renewed = false): Promise<void> {
  const member = await teamMember(turn, team, name);
  const today = Math.floor(turn.now / DAY_MS) * DAY_MS;
  if (member.heard_at === today && !renewed) return;
  member.heard_at = today;
  if (renewed) member.keys_at = turn.now;
  team.changed.add(name);
}

/** Its keys are as old: of those who were added, from then on. */
export async function keysOf(turn: Turn, team: Team, names: readonly string[]): Promise<void> {
  for (const name of names) {
    (await teamMember(turn, team, name)).keys_at = turn.now;
    team.changed.add(name);
  }
}
