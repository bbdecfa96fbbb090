import { dayOf } from "../days.ts";
import type { KeyAccount, Refused, SendRequest, Sent, TeamSent } from "../store.ts";
import { addShared, admits, audience, lapse, memberOf, settleIn, shareOf, withRoom } from "./team.ts";
import type { Occasion, Work } from "./work.ts";

/** Decides about a message to all members of a team, and stores it once, with a row for each. [P-6.9] */
export function sendToTeam(
  work: Work,
  sender: KeyAccount,
  { request, id, digest }: { request: SendRequest; id: string; digest: () => Uint8Array },
  { now }: Occasion,
): Sent | Refused {
  const { groupId, epoch, messageId, message } = request;
  if (groupId === undefined || epoch === undefined || messageId === undefined) return { refused: "invalid_data" };
  const group = work.groups.find(groupId);
  const own = memberOf(group, sender.mailbox);
  if (group === undefined) return { refused: "unknown_group" };
  if (own === undefined) return { refused: "not_a_member" };
  if (!group.isTeam) return { refused: "invalid_data" };
  if (!admits(group, epoch) || epoch < own.joined) return { refused: "stale_epoch" };
  const { present, away } = audience(group, sender.mailbox, epoch);
  const text = JSON.stringify({ message });
  const amount = shareOf(text, present.length);
  const reached = withRoom(work, groupId, { kind: "application", sender, present, amount });
  if ("refused" in reached) return reached;
  const { recipients, full } = reached;
  const offline = recipients.filter(({ member }) => !work.isListening(member.mailbox)).length;

  const isPresent = epoch === group.epoch;
  const pos = 1 + (isPresent ? group.pos : group.posBefore);
  // Without the names of those who get nothing: a thousand of them for each message would be much to remember.
  const answer: Omit<TeamSent, "lapsed"> = { pos, offline, recipients: recipients.length };
  const lapsed = [...away, ...full.map(({ member }) => member)].map(({ name }) => name);
  work.groups.setPos(groupId, isPresent ? { pos, posBefore: group.posBefore } : { pos: group.pos, posBefore: pos });
  if (recipients.length > 0)
    addShared(work, recipients, {
      from: sender.username,
      device: sender.device.id,
      kind: "application",
      groupId,
      epoch,
      messageId,
      expiresAt: request.expiresAt,
      storedAt: now,
      bytes: amount.bytes,
      pos,
      body: work.mail.addBody(text, []),
    });
  lapse(work, groupId, { members: full, messageId, now });
  settleIn(work, groupId, own);
  work.requests.add({
    sender: sender.mailbox,
    kind: "message",
    id,
    digest: digest(),
    mailbox: 0,
    seq: 0,
    at: now,
    answer: JSON.stringify({ ...answer, lapsed: [] }),
  });
  work.requests.setLast(sender.mailbox, id);
  if (group.used !== dayOf(now)) work.groups.use(groupId, dayOf(now));
  return { messageId: id, waiting: true, listening: offline === 0, team: { ...answer, lapsed } };
}
