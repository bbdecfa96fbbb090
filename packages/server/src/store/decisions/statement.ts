import type { Refused, StatementRequest } from "../store.ts";
import { statementBytes } from "../charges.ts";
import { senderOf } from "./payer.ts";
import { hasSpace } from "./room.ts";
import type { Occasion, Work } from "./work.ts";

/** A member may ask so often to be taken in again. Milliseconds. */
const REJOIN_MS = 600_000;

/**
 * Keeps what a member has signed, until a commit does it. Whoever leaves sends nothing and gets nothing from now on; any device of an account
 * may ask for it to be taken in again that has one in the team. [P-6.11]
 */
export function keepStatement(work: Work, request: StatementRequest, { now, isFull }: Occasion): Refused | undefined {
  const { groupId, kind, statement } = request;
  const sender = senderOf(work, request.sender);
  if (sender === undefined) return { refused: "device_replaced" };
  if (sender.disabled) return { refused: "account_disabled" };
  if (isFull) return { refused: "storage_full" };
  const group = work.groups.find(groupId);
  if (group === undefined) return { refused: "unknown_group" };
  const own = [...group.members.values()].find(({ name }) => name === sender.name);
  if (!group.isTeam || own === undefined) return { refused: "not_a_member" };
  if (own.leaves && own.mailbox !== sender.mailbox) return { refused: "not_a_member" };
  if (kind === "leave" && own.mailbox !== sender.mailbox) return { refused: "device_replaced" };
  // Whoever has left comes back by being invited alone.
  if (own.leaves && kind === "rejoin") return { refused: "not_a_member" };
  // What was said last holds: the words of before may count for a leaf that is no more.
  if (own.leaves) {
    work.statements.renew(groupId, sender.name, statement);
    return undefined;
  }
  const since = now - (own.rejoinedAt ?? -Infinity);
  if (kind === "rejoin" && since >= 0 && since < REJOIN_MS)
    return { refused: "rate_limited", retryAfterMs: REJOIN_MS - since };
  const { name, address } = sender;
  if (!hasSpace(work, { sender: name, address }, statementBytes(statement))) return { refused: "storage_quota" };
  const others = [...group.members.values()].filter((member) => member !== own);
  // Of a team that all have left nobody does anything any more.
  if (kind === "leave" && others.every(({ leaves }) => leaves))
    work.statements.remove(
      groupId,
      others.map(({ name }) => name),
    );
  else work.statements.put(groupId, sender.name, { kind, statement, address }, now);
  if (kind === "leave") work.groups.setMember(groupId, { ...own, leaves: true, awaySince: own.awaySince ?? now });
  else work.groups.setMember(groupId, { ...own, lapsed: true, awaySince: own.awaySince ?? now, rejoinedAt: now });
  return undefined;
}
