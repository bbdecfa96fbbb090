/** Room for teams to which somebody has added us whom our owner has neither written to nor accepted: their trees are kept here. Row A-11 of SECURITY.md. */
import { list } from "../records/records.ts";
import type { TeamRecord } from "../records/team-records.ts";
import type { Turn } from "../turn/turn.ts";
import { leaveByItself } from "./team-ops.ts";

/** Members in all of them; each takes some 4 KiB of a tree. */
const ALL = 16_384;
/** The part that those of one inviter may have of what the others leave. */
const PART = 1 / 4;

/** Whether our owner has had no say on whoever has added us, nor on that. */
async function isStrange(turn: Turn, { state, accepted, inviter }: TeamRecord): Promise<boolean> {
  return state !== "over" && accepted !== true && inviter !== undefined && turn.isStranger(inviter);
}

/** A team has grown: if there is no room for it any more, we leave it. */
export async function leaveIfTooLarge(turn: Turn, row: TeamRecord): Promise<void> {
  const { inviter, name } = row;
  if (inviter === undefined || !(await isStrange(turn, row)) || (await hasRoomForTeam(turn, inviter, 0))) return;
  await leaveByItself(turn, row);
  const text = `@${name}, to which ${inviter} has added this agent, whom you have neither written to nor accepted, has grown beyond the room for such groups; the agent leaves it`;
  await turn.alert("stranger_quota", inviter, text);
}

/** Whether there is room for another one, with so many members. */
export async function hasRoomForTeam(turn: Turn, inviter: string, members: number): Promise<boolean> {
  if (!(await turn.isStranger(inviter))) return true;
  const sums = { own: members, others: 0 };
  for (const row of await list(turn.tx, "team/"))
    if (await isStrange(turn, row)) sums[row.inviter === inviter ? "own" : "others"] += row.members.length;
  return sums.own <= PART * (ALL - sums.others);
}
