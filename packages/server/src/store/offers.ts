import type { Offer } from "./store.ts";
import { TRIES, type WaitingStatement } from "./statements.ts";
import type { Tables } from "./tables.ts";

/** Whoever has acknowledged or committed something since is surely there, and has a statement before the others. Milliseconds. */
const LATELY_MS = 600_000;

/**
 * Gives statements that are due to members that listen, each to the one behind the member that had it last: whoever gets one commits it, or
 * does not, and then the next one may. In the first round those have it first who were heard of lately: a connection may be there of which
 * the other end is dead. Those of which nothing is left to be done are forgotten. [P-6.11]
 */
export function offerStatements(tables: Tables, now: number): Offer[] {
  const { statements } = tables;
  return statements.due(now).flatMap((waiting) => {
    const to = takerOf(tables, waiting, now);
    if (to === "over") {
      statements.remove(waiting.groupId, [waiting.name]);
      return [];
    }
    statements.offered(waiting, to, now);
    if (to === undefined) return [];
    const { groupId, kind, statement, name } = waiting;
    return [{ mailbox: to, groupId, kind, statement, username: tables.accounts.find(name)?.username ?? name }];
  });
}

function takerOf(
  { groups, heard, isListening }: Tables,
  { groupId, name, offeredTo, tries }: WaitingStatement,
  now: number,
): number | "over" | undefined {
  const members = [...(groups.find(groupId)?.members.values() ?? [])];
  if (!members.some((member) => member.name === name)) return "over";
  const able = members
    .filter((member) => !member.lapsed && !member.leaves && member.name !== name && isListening(member.mailbox))
    .map(({ mailbox }) => mailbox)
    .toSorted((one, other) => one - other);
  const lively = tries < TRIES ? able.filter((mailbox) => now - (heard.get(mailbox) ?? -Infinity) < LATELY_MS) : [];
  for (const some of [lively, able]) {
    const next = some.find((mailbox) => mailbox > offeredTo) ?? some[0];
    if (next !== undefined && next !== offeredTo) return next;
  }
  return able[0];
}
