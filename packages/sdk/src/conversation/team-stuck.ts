/** A member that cannot go on in its team: any other one may take it in again. */
import { get, put } from "../records/records.ts";
import { dropOrders } from "../turn/team-order.ts";
import { type Team, teamOf, teamsIn } from "../turn/groups.ts";
import type { Turn } from "../turn/turn.ts";
import { waitsInVain } from "./awaiting.ts";
import { addLinkOp } from "./team-ops.ts";
import { watch } from "./team-watch.ts";
import { settingsIn } from "./teams.ts";

/** Of commits that do not open, two of one account within this time are for the owner to know. Milliseconds. */
const TWICE_MS = 86_400_000;

/** As for pairs, but all mail may wait for a large commit of some group. Milliseconds. */
const STALE_PATIENCE_MS = 150_000;

/** A commit cannot be followed. Whoever has signed one that is forbidden is accused; without a signature nobody is. */
export async function cannotFollow(
  turn: Turn,
  team: Team,
  {
    why,
    signer,
    isForbidden = false,
    sender,
  }: { why: string; signer?: string; isForbidden?: boolean; sender?: string },
): Promise<void> {
  const { record } = team;
  await askToRejoin(turn, team);
  if (signer !== undefined && isForbidden) record.accused = [...new Set([...(record.accused ?? []), signer])];
  const again = sender !== undefined && (await isSecond(turn, record.key, sender)) ? sender : undefined;
  const who = signer ?? again;
  const whose = who === undefined ? "a commit" : `a commit of ${who}`;
  const twice =
    signer === undefined && again !== undefined ? ", the second one in a day that the relay says is of it" : "";
  await turn.alert(
    "bad_commit",
    who,
    `${whose} in the group @${settingsIn(turn, team).name} cannot be followed: ${why}${twice}; this agent asks to be taken in again`,
  );
}

/** Whether a commit of the same account did not open within a day before. */
async function isSecond(turn: Turn, key: string, account: string): Promise<boolean> {
  const row = await get(turn.tx, "team/", key);
  if (row === undefined) return false;
  const lately = Object.entries(row.unopened ?? {}).filter(([, at]) => Math.abs(turn.now - at) < TWICE_MS);
  await put(turn.tx, "team/", key, { ...row, unopened: { ...Object.fromEntries(lately), [account]: turn.now } });
  return lately.some(([name]) => name === account);
}

/** The relay does not know the group any more, or knows it as it was before: it has lost something itself. */
export async function lose(turn: Turn, team: Team): Promise<void> {
  if (team.record.state !== "open") return;
  await askToRejoin(turn, team);
  const { name } = settingsIn(turn, team);
  await turn.alert(
    "group_lost",
    undefined,
    `the relay has lost the group @${name}, or what it was lately: it was restored from a backup, or it lies; an admin founds the group anew, and what was not received is sent there`,
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

/** The relay had to drop something that we need: of a group that we have not even seen its Welcome. */
export async function hearLapsed(turn: Turn, group: string): Promise<void> {
  const team = await teamOf(turn, group);
  const isKnown = team !== undefined || (await get(turn.tx, "team-group/", group)) !== undefined;
  if (!isKnown) return addLinkOp(turn, { kind: "rejoin", key: "", group, names: [] });
  if (team?.record.state !== "open") return;
  await askToRejoin(turn, team);
  const { name } = settingsIn(turn, team);
  await turn.alert(
    "lapsed",
    undefined,
    `mail of the group @${name} was lost at the relay: this agent asks to be taken in again`,
  );
}

/** A commit that the relay must have does not come: any member may take us in again. */
export async function rejoinWhereLate(turn: Turn): Promise<void> {
  for (const team of teamsIn(turn.cache)) {
    if (team.record.state !== "open" || !waitsInVain(turn, team, STALE_PATIENCE_MS)) continue;
    await turn.on(`team-group/${team.record.id}`, async () => {
      await askToRejoin(turn, team);
      const text = `a commit of the group @${settingsIn(turn, team).name} does not come: this agent asks to be taken in again`;
      await turn.alert("stale_epoch", undefined, text);
    });
  }
}

/** Nothing more is sent in this group: any member may take us in again. */
export async function askToRejoin(turn: Turn, team: Team): Promise<void> {
  const { key, id } = team.record;
  team.record.state = "stuck";
  team.dirty = true;
  await dropOrders(turn, team);
  await addLinkOp(turn, { kind: "rejoin", key, group: id, names: [] });
  await watch(turn, id);
}
