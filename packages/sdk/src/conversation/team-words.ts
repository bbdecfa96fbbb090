/** What the relay says around a commit of a team, which it could make up. */
import { decodeCommitData, type NamedDevice } from "../crypto/team/commit-data.ts";
import { memberAt } from "../crypto/team/roster.ts";
import type { TeamCommit } from "../crypto/mls/team-seam.ts";
import { type Delivery, usernameKey } from "../protocol/index.ts";
import type { Turn } from "../turn/turn.ts";

/** What the relay says around a commit is what its committer has signed; if not, one of the two lies, and what is signed counts. */
export async function compareWords(turn: Turn, commit: TeamCommit, delivery: Delivery): Promise<void> {
  const { committer, authenticatedData } = commit;
  const by = await memberAt(committer);
  const data = decodeCommitData(authenticatedData);
  if (by === undefined || data === undefined) return;
  const { from, device = by.device, message_id: id, add = [], remove = [] } = delivery;
  const isAsSigned =
    usernameKey(from) === by.name &&
    device === by.device &&
    id === data.commitId &&
    areSame(add, data.added) &&
    areSame(remove, data.removed);
  if (isAsSigned) return;
  await turn.alert(
    "relay_mismatch",
    by.name,
    `a commit of ${by.name} in a group came with another sender, id or other members than it has signed`,
  );
}

function areSame(said: { username: string; device: string }[], signed: readonly NamedDevice[]): boolean {
  const [one, other] = [
    said.map(({ username, device }) => `${usernameKey(username)} ${device}`),
    signed.map(({ name, device }) => `${name} ${device}`),
  ];
  return one.toSorted().join() === other.toSorted().join();
}
