/** Changes of a team, made and followed by the rules. */
import { type Group, GroupError } from "../mls/seam.ts";
import type { TeamCrypto } from "../mls/team.ts";
import type { Change, Followed, OwnCommit } from "../mls/team-seam.ts";
import { encodeCommitData, type NamedDevice } from "./commit-data.ts";
import { judgeOf } from "./judge.ts";
import { certified, certifiedBy, rosterOf } from "./roster.ts";

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
