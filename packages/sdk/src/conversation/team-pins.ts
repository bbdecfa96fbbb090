/** A pin is no rule: whom a commit adds under another identity than the pinned one is a member, and nothing is sent to the team. [P-15.13] */
import type { TeamMember } from "../crypto/team/roster.ts";
import { toBase64, usernameKey } from "../protocol/index.ts";
import { teamPin } from "../records/team-pins.ts";
import type { Team } from "../turn/groups.ts";
import type { Turn } from "../turn/turn.ts";
import { rosterIn, settingsIn } from "./teams.ts";

/** Compares those who are new since `before` with the pins, and forgets what there was about all who are no members. */
export async function comparePins(turn: Turn, team: Team, before: readonly TeamMember[] = []): Promise<void> {
  const { key } = team.record;
  const old = new Map(before.map(({ name, identityKey }) => [name, toBase64(identityKey)]));
  const roster = await rosterIn(turn, team);
  const names = new Set(roster.map(({ name }) => name));
  // Somebody may have gone while we could not follow.
  for (const [at] of await turn.tx.list({ prefix: teamPin(key) }))
    if (!names.has(at.slice(teamPin(key).length))) await turn.tx.delete(at);
  for (const { name, identityKey } of roster) {
    const shown = toBase64(identityKey);
    if (old.get(name) === shown || name === usernameKey(turn.account.identity.username)) continue;
    const pinned = (await turn.contact(name))?.identity_key ?? shown;
    if (pinned === shown) {
      await turn.tx.delete(teamPin(key, name));
      continue;
    }
    await turn.tx.put(teamPin(key, name), shown);
    await turn.alert(
      "identity_changed",
      name,
      `${name} is in the group @${settingsIn(turn, team).name} under another identity key than the pinned one; nothing is sent to the group until you trust that, or it is removed`,
    );
  }
}

/** We are no member any more. */
export async function forgetPins(turn: Turn, key: string): Promise<void> {
  for (const [at] of await turn.tx.list({ prefix: teamPin(key) })) await turn.tx.delete(at);
}
