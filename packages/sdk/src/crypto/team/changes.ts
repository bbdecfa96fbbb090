/** Teams by the rules: founded, joined and changed. */
import { type Group, GroupError, type LeafKeys } from "../mls/seam.ts";
import type { Founding, TeamCrypto } from "../mls/team.ts";
import type { Change, Followed, Invitation, Leaf, OwnCommit } from "../mls/team-seam.ts";
import { encodeCommitData, type NamedDevice } from "./commit-data.ts";
import { forbiddenGroup, judgeOf } from "./judge.ts";
import { certified, certifiedBy, rosterOf } from "./roster.ts";
import { encodeSettings, type TeamSettings } from "./settings.ts";

/**
 * Founds a team, in epoch 2, of which others take the Welcome.
 * @throws GroupError if it cannot be; its message is the reason of the rules, if they forbid it.
 */
export async function foundTeam(
  teams: TeamCrypto,
  settings: TeamSettings,
  founding: Omit<Founding, "settings" | "authenticate">,
): Promise<{ group: Group; invitation: Invitation }> {
  const authenticate = certified(teams.primitives);
  const founded = await teams.found({ ...founding, settings: encodeSettings(settings), authenticate });
  await mustBeAllowed(teams, founded.group);
  return founded;
}

/**
 * Joins a team. Whether its inviter is the one whom the relay names, whether the group is known, and what pins say, are the caller's questions.
 * @throws GroupError if a Welcome or its tree are not right; its message is the reason of the rules, if the team is against them.
 */
export async function joinTeam(
  teams: TeamCrypto,
  invited: { welcome: Uint8Array; tree: Uint8Array },
  secret: Uint8Array,
  leaf: LeafKeys,
): Promise<{ group: Group; inviter: Leaf }> {
  const joined = await teams.join(invited, secret, leaf, certified(teams.primitives));
  await mustBeAllowed(teams, joined.group);
  return joined;
}

async function mustBeAllowed(teams: TeamCrypto, group: Group): Promise<void> {
  const reason = await forbiddenGroup(teams, group);
  if (reason !== undefined) throw new GroupError(reason);
}

/**
 * Makes the commit of a change, with what it has to say of itself, and lets none go that others would refuse.
 * @param ordered.statements Of those who are removed by their own will, or put in their own place anew.
 * @throws GroupError if it cannot be made; its message is the reason of the rules, if they forbid it.
 */
export async function commitChange(
  teams: TeamCrypto,
  group: Group,
  change: Change,
  ordered: { commitId: string; statements?: readonly Uint8Array[]; now: number },
): Promise<OwnCommit> {
  const { commitId, statements = [], now } = ordered;
  const added: NamedDevice[] = [];
  for (const keyPackage of change.add ?? []) {
    const said = await certifiedBy(teams.keyPackageLeaf(keyPackage).certificate);
    if (said === undefined) throw new GroupError("bad_certificate");
    added.push({ name: said.name, device: said.device });
  }
  const roster = await rosterOf(teams.leaves(group));
  const removed = (change.remove ?? []).map((leaf) => {
    const member = roster.find((one) => one.leaf === leaf);
    if (member === undefined) throw new GroupError("unknown_leaf");
    return { name: member.name, device: member.device };
  });
  const data = encodeCommitData({ commitId, added, removed, statements });
  const authenticate = certified(teams.primitives);
  const made = await teams.commit(group, change, data, { now, authenticate });
  const reason = await judgeOf(teams)(await teams.describe(group, made.commit), group);
  if (reason !== undefined) throw new GroupError(reason);
  return made;
}

/** Follows another member's commit, if the rules allow it. @throws GroupError if it does not open */
export function followChange(teams: TeamCrypto, group: Group, commit: Uint8Array): Promise<Followed> {
  return teams.follow(group, commit, judgeOf(teams), certified(teams.primitives));
}
