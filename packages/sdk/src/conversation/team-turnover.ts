/** Members that go, and such that come back: of all that was sent it is made what becomes of it at these. */
import { type Team, teamMember } from "../turn/groups.ts";
import type { Turn } from "../turn/turn.ts";
import { reportTurn } from "./reports.ts";
import { giveUp } from "./team-gaps.ts";

/** Somebody is no member any more: nobody waits for it. */
export async function memberGone(turn: Turn, team: Team, name: string): Promise<void> {
  await reportTurn(turn, team, name, "gone");
  const member = await teamMember(turn, team, name);
  const lost = giveUp(member);
  if (lost === 0) return;
  team.changed.add(name);
  await turn.alert("lost", name, `${lost} of its messages in a group never came, and ${name} is no member any more`);
}

/** Somebody was away from the group: it is sent, alone, all that it has not got, and told what became of its messages: what was said meanwhile it could not read. */
export async function memberBack(turn: Turn, team: Team, name: string): Promise<void> {
  const member = await teamMember(turn, team, name);
  member.direct_since = member.direct_out;
  team.changed.add(name);
  return reportTurn(turn, team, name, "back");
}
