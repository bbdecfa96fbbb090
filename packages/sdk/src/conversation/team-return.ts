/**
 * A group that was founded anew, and that others cannot go on in: its founder was an admin by the last epoch that it knows, and is none where they
 * have gone on. Whoever is in it goes back to them. [P-15.9]
 */
import { isFoundedAnew } from "../crypto/team/foundings.ts";
import { get } from "../records/records.ts";
import { type Team, teamOf } from "../turn/groups.ts";
import type { Turn } from "../turn/turn.ts";
import { leaveSilently } from "./team-end.ts";
import { invitedTo, leaveBehind } from "./team-founded.ts";
import { addLinkOp } from "./team-ops.ts";
import { lastKnown, settingsIn, whomIn } from "./teams.ts";

/** Whoever has followed a founding, and sees its founder go so soon, goes where that has gone. Milliseconds. */
const SOON_MS = 86_400_000;

/** The founder of the group that we have followed to is in it no more: it has gone back, and we ask to be taken in again there as well. */
export async function followBack(turn: Turn, { record, group }: Team): Promise<void> {
  const { key, id, founder } = record;
  if (founder === undefined || (await whomIn(turn, { group })).has(founder)) return;
  const { replaces } = settingsIn(turn, { group });
  const before = await get(turn.tx, "team-group/", replaces);
  if (before?.state !== "replaced" || Math.abs(turn.now - (before.replaced_at ?? 0)) > SOON_MS) return;
  const isTeams = (await get(turn.tx, "team/", key))?.group === id;
  if (isTeams) await addLinkOp(turn, { kind: "rejoin", key, group: replaces, names: [] });
}

/** Whether those who take us in again, into the group that ours has replaced, cannot follow us: else they are on their way here. */
export async function cannotCome(turn: Turn, key: string, there: Pick<Team, "record" | "group">): Promise<boolean> {
  const present = await foundedIn(turn, key);
  if (present === undefined) return false;
  const { team, founder } = present;
  return !isFoundedAnew(await invitedTo(turn, team, founder), await lastKnown(turn, there));
}

/** We are in it again: the one that we had gone on in is left, and what was not received there is sent here. */
export async function goBackTo(turn: Turn, { record }: Team, present: string): Promise<void> {
  const { key, id } = record;
  const old = await teamOf(turn, present);
  await leaveBehind(turn, { key, before: present, old, next: id });
  await leaveSilently(turn, present, old?.group);
  const row = await get(turn.tx, "team/", key);
  await turn.alert(
    "founded_in_vain",
    undefined,
    `most members of @${row?.alias ?? row?.name} go on where they were, and have not followed to where it was founded anew: this agent is among them again`,
  );
}

/** The group that a team goes on in now, if it was founded anew, and by whom. */
async function foundedIn(turn: Turn, key: string): Promise<{ team: Team; founder: string } | undefined> {
  const row = await get(turn.tx, "team/", key);
  const team = row === undefined ? undefined : await teamOf(turn, row.group);
  const founder = team?.record.founder;
  return team === undefined || founder === undefined ? undefined : { team, founder };
}
