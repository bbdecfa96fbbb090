/** A member that cannot go on in its team: any other one may take it in again. */
import { dropOrders } from "../turn/team-order.ts";
import type { Team } from "../turn/teams.ts";
import type { Turn } from "../turn/turn.ts";
import { addLinkOp } from "./team-ops.ts";
import { settingsIn } from "./teams.ts";

/** A commit that cannot be followed. */
export async function stuck(turn: Turn, team: Team, from: string, why: string): Promise<void> {
  await askToRejoin(turn, team);
  await turn.alert(
    "bad_commit",
    from,
    `a commit of ${from} in a group cannot be followed: ${why}; this agent asks to be taken in again`,
  );
}

/** What comes in an epoch that we cannot reach says that the commit before it was kept from us. */
export async function commitMissing(turn: Turn, team: Team): Promise<void> {
  if (team.record.state !== "open") return;
  await askToRejoin(turn, team);
  await turn.alert(
    "withheld",
    undefined,
    `the relay keeps back a commit of the group @${settingsIn(turn, team).name}: this agent asks to be taken in again`,
  );
}

/** The relay has admitted two commits for one epoch: members who follow the one are lost to those who follow the other. */
export async function forked(turn: Turn, team: Team, from: string): Promise<void> {
  await askToRejoin(turn, team);
  await turn.alert(
    "relay_fork",
    from,
    `a second commit for one epoch of the group @${settingsIn(turn, team).name} came from ${from}; harmless if the relay was restored from a backup, else the relay lies; this agent asks to be taken in again`,
  );
}

/** The relay had to drop something that we need. */
export async function lapse(turn: Turn, team: Team): Promise<void> {
  if (team.record.state !== "open") return;
  await askToRejoin(turn, team);
  const { name } = settingsIn(turn, team);
  await turn.alert(
    "lapsed",
    undefined,
    `mail of the group @${name} was lost at the relay: this agent asks to be taken in again`,
  );
}

export async function askToRejoin(turn: Turn, team: Team): Promise<void> {
  const { key, id } = team.record;
  team.record.state = "stuck";
  team.dirty = true;
  await dropOrders(turn, team);
  await addLinkOp(turn, { kind: "rejoin", key, group: id, names: [] });
}
