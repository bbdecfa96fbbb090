/** The rules, asked of commits and of groups as they are. */
import type { Group } from "../mls/seam.ts";
import { groupIdOf } from "../mls/state.ts";
import type { TeamCrypto } from "../mls/team.ts";
import type { Judge, TeamCommit } from "../mls/team-seam.ts";
import type { Primitives } from "../primitives.ts";
import { decodeCommitData } from "./commit-data.ts";
import { type Certified, certified, certifiedBy, rosterOf, type TeamMember } from "./roster.ts";
import { type EpochBefore, type Forbidden, forbidden, forbiddenTeam, type Plan } from "./rules.ts";
import { decodeSettings } from "./settings.ts";
import { isSignedBy, leafDigest, readStatement, type Statement } from "./statements.ts";

/** The judge of a team's commits. */
export function judgeOf(teams: TeamCrypto): Judge {
  return async (commit, group) => {
    const settings = decodeSettings(teams.settings(group));
    if (settings === undefined) return "bad_settings";
    const roster = await rosterOf(teams.leaves(group));
    const before: EpochBefore = { group: groupIdOf(group), epoch: commit.epoch, settings, roster };
    return forbidden(await planOf(teams.primitives, commit, roster), before);
  };
}

/** Why a team that we have joined, or are about to found, may not be as it is. */
export async function forbiddenGroup(teams: TeamCrypto, group: Group): Promise<Forbidden | undefined> {
  const leaves = teams.leaves(group);
  const roster = await rosterOf(leaves);
  if (roster.length < leaves.length) return "bad_certificate";
  return forbiddenTeam(decodeSettings(teams.settings(group)), roster);
}

/** All that the rules have to know of a commit. */
export async function planOf(primitives: Primitives, commit: TeamCommit, roster: readonly TeamMember[]): Promise<Plan> {
  const data = decodeCommitData(commit.authenticatedData);
  const authenticate = certified(primitives);
  const removes: { leaf: number; digest: Uint8Array }[] = [];
  const adds: (Certified | undefined)[] = [];
  const settings: Plan["settings"][number][] = [];
  for (const proposal of commit.proposals) {
    if (proposal.kind === "remove")
      removes.push({ leaf: proposal.leaf, digest: await leafDigest(proposal.node ?? new Uint8Array()) });
    if (proposal.kind === "settings") settings.push(proposal.settings && decodeSettings(proposal.settings));
    if (proposal.kind === "add")
      adds.push(
        (await authenticate(proposal.certificate, proposal.signatureKey))
          ? await certifiedBy(proposal.certificate)
          : undefined,
      );
  }
  const statements: (Statement | undefined)[] = [];
  for (const bytes of data?.statements ?? []) statements.push(await statementOf(primitives, bytes, roster));
  return {
    committer: commit.committer.index,
    path: commit.path,
    removes,
    adds,
    settings,
    hasOthers: commit.proposals.some(({ kind }) => kind === "other"),
    data,
    statements,
  };
}

/** A statement that a member has signed of itself. */
async function statementOf(
  primitives: Primitives,
  bytes: Uint8Array,
  roster: readonly TeamMember[],
): Promise<Statement | undefined> {
  const statement = readStatement(bytes);
  const member = roster.find(({ name, device }) => name === statement?.name && device === statement.device);
  if (statement === undefined || member === undefined) return undefined;
  return (await isSignedBy(primitives, statement, member.deviceKey)) ? statement : undefined;
}
