/** Room for teams to which somebody has added us whom our owner has neither written to nor accepted: their trees are kept here. Row A-11 of SECURITY.md. */
import { list } from "../records/records.ts";
import type { Turn } from "../turn/turn.ts";

/** Members in all of them; each takes some 4 KiB of a tree. */
const ALL = 16_384;
/** The part that those of one inviter may have of what the others leave. */
const PART = 1 / 4;

/** Whether there is room for another one, with so many members. */
export async function hasRoomForTeam(turn: Turn, inviter: string, members: number): Promise<boolean> {
  if (!(await turn.isStranger(inviter))) return true;
  const sums = { own: members, others: 0 };
  for (const row of await list(turn.tx, "team/"))
    if (row.state !== "over" && row.inviter !== undefined && (await turn.isStranger(row.inviter)))
      sums[row.inviter === inviter ? "own" : "others"] += row.members.length;
  return sums.own <= PART * (ALL - sums.others);
}
