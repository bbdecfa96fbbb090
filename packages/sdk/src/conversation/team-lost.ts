/** Messages of members that never came, and never will: their owner hears how many. [P-15.15] */
import { get, list } from "../records/records.ts";
import { forgetMember, type Team, teamMember, teamOf } from "../turn/groups.ts";
import type { Turn } from "../turn/turn.ts";
import { giveUp } from "./team-gaps.ts";
import { heardFrom } from "./team-heard.ts";
import { memberGone } from "./team-turnover.ts";
import { whomIn } from "./teams.ts";

const DAY_MS = 86_400_000;
/** How long a relay keeps a message, if ours has not said. Milliseconds. */
const MAILBOX_MS = 14 * DAY_MS;

/** Members that went while we were no member, or could not follow. */
export async function goneMeanwhile(turn: Turn, team: Team, before: readonly string[] = []): Promise<void> {
  const now = await whomIn(turn, team);
  const [last] = await list(turn.tx, "roster/", { under: `${team.record.id}/`, reverse: true, limit: 1 });
  const were = new Map(last?.whom);
  for (const name of before)
    // A name that something was sent to may be somebody else's by now.
    if (!now.has(name) || (were.get(name) ?? now.get(name)) !== now.get(name)) {
      await memberGone(turn, team, name);
      await forgetMember(turn, team, name);
    }
}

/** Gives up what is missing of a member that has been silent for as long as any relay keeps what it would say. `at`: group and name. */
export async function giveUpSilent(turn: Turn, at: string): Promise<void> {
  const record = await get(turn.tx, "team-member/", at);
  if (!turn.isTimeSure || (record?.gaps ?? []).length === 0) return;
  const [id = "", name = ""] = at.split("/");
  const team = await teamOf(turn, id);
  if (team === undefined) return;
  const member = await teamMember(turn, team, name);
  const { mailbox_age_ms: age = MAILBOX_MS } = turn.account.relay;
  // Of a store of before nobody knows.
  if (member.heard_at === undefined) await heardFrom(turn, team, name);
  else if (turn.now - member.heard_at > age + DAY_MS) {
    const text = `${giveUp(member)} of its messages in a group never came, and ${name} has said nothing there for as long as the relay keeps a message`;
    await turn.alert("lost", name, text);
    team.changed.add(name);
  }
}
