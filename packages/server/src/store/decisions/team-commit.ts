import { dayOf } from "../days.ts";
import type { CommitRequest, Committed, KeyAccount, NamedDevice, Refused, TeamChange } from "../store.ts";
import { blobsOf, isWhole, type Newcomer, newcomers, welcome } from "./team-welcome.ts";
import { addShared, audience, lapse, memberOf, NEWCOMER, settleIn, shareOf, withRoom } from "./team.ts";
import type { Group, Member, Occasion, Work } from "./work.ts";

/** The epoch that founding a team ends: nobody but its founder was ever in it. */
const FOUNDED = 1;

type TeamRequest = CommitRequest & { team: TeamChange };

/** Decides about a commit of a team, and stores all of it, or nothing. @returns what is answered, without the high water mark [P-6.10] */
export function commitToTeam(
  work: Work,
  sender: KeyAccount,
  request: TeamRequest,
  occasion: Occasion,
): Omit<Committed, "highWater"> | Refused {
  const { body, tree } = request.team;
  // What is of conversations of two is not done, and not left undone in silence either.
  if (request.commit !== undefined || request.messages.length > 0) return { refused: "invalid_data" };
  const files = [...blobsOf(body), ...blobsOf(tree)];
  // Each is kept for what names it: one for both would go with the first of them.
  if (request.isAsSaid === false || new Set(files).size < files.length) return { refused: "unknown_blob" };
  // Since they were compared with what is said of them they may have gone, or be kept for another commit.
  for (const id of files) {
    const blob = work.blobs.find(id);
    if (blob?.sealed !== true || blob.held || blob.owner !== sender.name) return { refused: "unknown_blob" };
  }
  return request.members === undefined
    ? endEpoch(work, sender, request, occasion)
    : found(work, sender, { ...request, members: request.members }, occasion);
}

function found(
  work: Work,
  sender: KeyAccount,
  request: TeamRequest & { members: NamedDevice[] },
  { now }: Occasion,
): Omit<Committed, "highWater"> | Refused {
  const { groupId, team, members } = request;
  if (request.epoch !== FOUNDED || team.add.length + team.remove.length > 0 || team.body !== undefined)
    return { refused: "invalid_data" };
  const isOwn = ({ username, device }: NamedDevice): boolean =>
    username.toLowerCase() === sender.name && device === sender.device.id;
  if (!members.some(isOwn)) return { refused: "not_a_member" };
  if (members.filter(isOwn).length > 1) return { refused: "invalid_data" };
  if (members.length > work.limits.groupMembers) return { refused: "group_quota" };
  if (work.groups.countTeamsOf(sender.name, 0).all >= work.limits.accountGroups) return { refused: "group_quota" };
  const others = members.filter((member) => !isOwn(member));
  if (!isWhole(request, others)) return { refused: "invalid_data" };
  const added = newcomers(work, sender, { ...request, add: others, swapped: new Set() });
  if ("refused" in added) return added;
  if (work.groups.find(groupId) !== undefined) return { refused: "group_exists" };

  const epoch = FOUNDED + 1;
  const { mailbox, name, device } = sender;
  const founder: Member = { ...NEWCOMER, mailbox, name, device: device.id, joined: epoch };
  const all = [founder, ...added.map((newcomer) => memberFrom(newcomer, sender, epoch))];
  const group: Group = {
    isTeam: true,
    epoch,
    floor: epoch,
    pos: 0,
    posBefore: 0,
    members: new Map(all.map((member) => [member.mailbox, member])),
    used: dayOf(now),
  };
  const listening = added.every((newcomer) => work.isListening(newcomer.account.mailbox));
  work.groups.open(groupId, group, sender);
  welcome(work, sender, added, { ...request, epoch, now });
  return { listening, lapsed: [] };
}

function endEpoch(
  work: Work,
  sender: KeyAccount,
  request: TeamRequest,
  { now }: Occasion,
): Omit<Committed, "highWater"> | Refused {
  const { groupId, epoch, team, commitId } = request;
  const group = work.groups.find(groupId);
  const own = memberOf(group, sender.mailbox);
  if (group === undefined) return { refused: "unknown_group" };
  if (own === undefined) return { refused: "not_a_member" };
  if (!group.isTeam || team.body === undefined || !isWhole(request, team.add)) return { refused: "invalid_data" };
  if (epoch !== group.epoch) return { refused: epoch < group.epoch ? "epoch_taken" : "stale_epoch" };
  const removed = team.remove.map((named) => memberNamed(group, named));
  if (!areAll(removed) || removed.includes(own) || new Set(removed).size < removed.length)
    return { refused: "invalid_data" };
  const staying = [...group.members.values()].filter((member) => !removed.includes(member));
  const known = new Set(staying.map(({ name }) => name));
  const twice = team.add.find(({ username }) => known.has(username.toLowerCase()));
  if (twice !== undefined) return { refused: "invalid_data", username: twice.username };
  if (staying.length + team.add.length > work.limits.groupMembers) return { refused: "group_quota" };
  const swapped = new Set(removed.filter(({ leaves }) => !leaves).map(({ name }) => name));
  const added = newcomers(work, sender, { ...request, add: team.add, swapped });
  if ("refused" in added) return added;

  // Who is removed has to read it, too; of those who have left nobody expects anything.
  const { present, away } = audience(group, sender.mailbox, epoch);
  const text = JSON.stringify({
    body: team.body,
    ...(team.add.length > 0 ? { add: team.add } : {}),
    ...removals(team),
  });
  const amount = shareOf(text, present.length);
  const reached = withRoom(work, groupId, { kind: "commit", sender, present, amount });
  if ("refused" in reached) return reached;
  const { recipients, full } = reached;
  const listening = [...recipients.map(({ member }) => member), ...added.map(({ account }) => account)].every(
    ({ mailbox }) => work.isListening(mailbox),
  );

  const next = epoch + 1;
  const rejoined = new Map(removed.map((member) => [member.name, member.rejoinedAt]));
  work.groups.end(groupId, {
    epoch: next,
    floor: removed.length > 0 ? next : epoch,
    day: dayOf(now),
    remove: removed.map(({ mailbox }) => mailbox),
    add: added.map((newcomer) => ({
      ...memberFrom(newcomer, sender, next),
      rejoinedAt: rejoined.get(newcomer.account.name),
    })),
  });
  if (recipients.length > 0)
    addShared(work, recipients, {
      from: sender.username,
      device: sender.device.id,
      kind: "commit",
      groupId,
      // A Welcome names the epoch that it opens, a commit the epoch that it ends.
      epoch,
      messageId: commitId,
      expiresAt: undefined,
      storedAt: now,
      bytes: amount.bytes,
      body: work.mail.addBody(text, blobsOf(team.body)),
    });
  const lapsing = full.filter(({ member }) => !removed.includes(member));
  lapse(work, groupId, { members: lapsing, messageId: commitId, now });
  settleIn(work, groupId, own);
  welcome(work, sender, added, { ...request, epoch: next, now });
  work.statements.remove(groupId, [...rejoined.keys()]);
  const left = away.filter((member) => !removed.includes(member));
  return { listening, lapsed: [...left, ...lapsing.map(({ member }) => member)].map(({ name }) => name) };
}

function removals({ remove }: TeamChange): Partial<Pick<TeamChange, "remove">> {
  return remove.length > 0 ? { remove } : {};
}

function memberFrom({ account }: Newcomer, adder: KeyAccount, joined: number): Member {
  const { mailbox, name, device } = account;
  const payer = { sender: adder.name, address: adder.address, stranger: true };
  return { ...NEWCOMER, mailbox, name, device: device.id, joined, adder: payer };
}

function memberNamed({ members }: Group, { username, device }: NamedDevice): Member | undefined {
  const name = username.toLowerCase();
  for (const member of members.values()) if (member.name === name && member.device === device) return member;
  return undefined;
}

function areAll<T>(values: (T | undefined)[]): values is T[] {
  return !values.includes(undefined);
}
